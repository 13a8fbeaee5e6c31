"""Adds a number to every sample of a stream, and keeps the time stamps that the samples came with."""

from __future__ import annotations

from rena_graph import RenaScript


class AddXStamped(RenaScript):
    """``Dummy-8Chan`` in, ``Dummy-8Chan-add-X`` out, each sample at its own time."""

    def loop(self) -> None:
        if "Dummy-8Chan" not in self.inputs:
            return
        data, timestamps = self.inputs["Dummy-8Chan"]
        self.set_output("Dummy-8Chan-add-X", data + self.params["x"], timestamp=timestamps)
        self.inputs.clear_buffer()
