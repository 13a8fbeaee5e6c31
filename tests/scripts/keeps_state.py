"""A running sum and a one-pole filter over a counter, which keep their state; raises where a window is not whole."""

import numpy as np

from rena_graph import RenaScript


class KeepsState(RenaScript):
    def init(self):
        self.sum = 0.0
        self.filtered = 0.0
        self.loops = 0

    def loop(self):
        self.loops += 1
        name = self.input_names[0]
        if name not in self.inputs:
            return
        data, _ = self.inputs[name]
        new, stamps = self.inputs.new(name)
        full = self.input_shapes[name][0]
        newest = data[-1, 0]
        if len(data) != min(newest + 1, full) or data[0, 0] != newest - len(data) + 1:
            raise ValueError(f"the window is not whole: {len(data)} samples, {data[0, 0]} to {newest}")
        every = self.params.get("every", 0)
        if every and (len(new) != every or new[0, 0] % every):
            raise ValueError(f"not a block of {every}: {len(new)} samples from {new[0, 0]}")
        if not len(new):
            return
        out = np.empty((len(new), 3))
        for i, value in enumerate(new[:, 0].tolist()):
            self.sum += value
            self.filtered = 0.9 * self.filtered + value
            out[i] = value, self.sum, self.filtered
        self.set_output(self.output_names[0], out, stamps)

    def save_state(self):
        return {"sum": self.sum, "filtered": np.array(self.filtered), "loops": (self.loops,)}

    def load_state(self, state):
        self.sum = state["sum"]
        self.filtered = float(state["filtered"])
        (self.loops,) = state["loops"]
