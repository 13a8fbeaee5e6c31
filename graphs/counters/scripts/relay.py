"""Passes on everything that is new, unchanged, with its own time stamps: the smallest script that loses nothing."""

from __future__ import annotations

from rena_graph import RenaScript


class Relay(RenaScript):
    """``in`` to ``out``, so named in the graph with ``as``: one script can stand there many times."""

    def loop(self) -> None:
        if "in" not in self.inputs:
            return
        data, timestamps = self.inputs["in"]
        self.set_output("out", data, timestamp=timestamps)
        self.inputs.clear_buffer()
