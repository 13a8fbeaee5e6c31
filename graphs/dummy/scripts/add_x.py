"""Adds a number, which may be changed while this runs, to every sample of a stream."""

from __future__ import annotations

from rena_graph import RenaScript


class AddX(RenaScript):
    """``Dummy-8Chan`` in, ``Dummy-8Chan-add-X`` out."""

    def init(self) -> None:
        print("Init function is called")

    def loop(self) -> None:
        # The stream is there once data has arrived, and again whenever data arrives after clear_buffer().
        if "Dummy-8Chan" in self.inputs.keys():  # noqa: SIM118 - as the documentation of PhysioLabXR writes it
            input_data = self.inputs.get_data("Dummy-8Chan")  # (samples, channels)
            self.outputs["Dummy-8Chan-add-X"] = input_data + self.params["x"]
            self.inputs.clear_buffer()

    def cleanup(self) -> None:
        print("Cleanup function is called")
