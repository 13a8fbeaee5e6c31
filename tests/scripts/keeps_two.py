"""Sums two streams, block by block of the first, and keeps the sums."""

import numpy as np

from rena_graph import RenaScript


class KeepsTwo(RenaScript):
    def init(self):
        self.sums = [0.0, 0.0]

    def loop(self):
        blocks = [self.inputs.new(name) for name in ("In", "Aux")]
        for i, (data, _) in enumerate(blocks):
            self.sums[i] += float(data.sum())
        new, stamps = blocks[0]
        self.set_output("Out", np.column_stack([new[:, 0], *(np.full(len(new), s) for s in self.sums)]), stamps)

    def save_state(self):
        return self.sums

    def load_state(self, state):
        self.sums = state
