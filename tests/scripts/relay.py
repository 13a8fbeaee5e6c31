"""Passes on what is new, with its own timestamps."""

from rena_graph import RenaScript


class Relay(RenaScript):
    def loop(self):
        if "in" in self.inputs:
            data, stamps = self.inputs.new("in")
            if len(stamps):
                self.set_output("out", data, stamps)
