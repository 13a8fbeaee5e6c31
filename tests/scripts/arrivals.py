"""Keeps when each new sample of its input reached its loop, and its first channel; saves it in ``cleanup()``."""

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
