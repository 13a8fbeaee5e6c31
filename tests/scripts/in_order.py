"""Hands the time at which the first node of a line began its loop from node to node, and notes when it came by."""

import numpy as np

from rena_graph import RenaScript


class InOrder(RenaScript):
    def init(self):
        self.seen = []

    def loop(self):
        began = self.local_clock()
        if self.input_names:
            if "in" not in self.inputs:
                return
            began_at_first = self.inputs["in"][0][-1, 0]
        else:
            began_at_first = began
        self.seen.append((began_at_first, began))
        if self.output_names:
            self.outputs["out"] = began_at_first

    def cleanup(self):
        np.save(self.params["path"], np.array(self.seen))
