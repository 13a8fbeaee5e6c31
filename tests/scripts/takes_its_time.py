"""Keeps what is new in each loop, and sleeps in it."""

import time

import numpy as np

from rena_graph import RenaScript


class TakesItsTime(RenaScript):
    def init(self):
        self.first, self.last, self.sizes = [], [], []

    def loop(self):
        for name in self.input_names:
            data = self.inputs.new(name)[0] if name in self.inputs else ()
            if len(data):
                self.first.append(data[0, 0])
                self.last.append(data[-1, 0])
                self.sizes.append(len(data))
        time.sleep(self.params["seconds"])

    def cleanup(self):
        np.savez(self.params["path"], first=self.first, last=self.last, sizes=self.sizes)
