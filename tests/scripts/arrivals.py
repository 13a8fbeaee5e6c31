"""Keeps when each new sample of its input reached its loop, with the sample's first channel, for ``cleanup()`` to save."""

import numpy as np

from rena_graph import RenaScript


class Arrivals(RenaScript):
    def init(self):
        self.values, self.times = [], []

    def loop(self):
        if "in" in self.inputs:
            data, stamps = self.inputs.new("in")
            if len(stamps):
                self.values.append(np.array(data[:, 0]))
                self.times.append(np.full(len(stamps), self.local_clock()))

    def cleanup(self):
        np.savez(self.params["path"], values=np.concatenate(self.values), times=np.concatenate(self.times))
