"""Passes on what is new, after a sleep of a known length."""

import time

from rena_graph import RenaScript


class Sleeps(RenaScript):
    def loop(self):
        data, stamps = self.inputs.new("in")
        if len(stamps):
            time.sleep(self.params["seconds"])
            self.set_output("out", data, stamps)
