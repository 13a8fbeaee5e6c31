"""Keeps everything new that arrives on every input, and saves it in ``cleanup()``: the end of a line, for tests."""

import numpy as np

from rena_graph import RenaScript


class Collect(RenaScript):
    def init(self):
        self.kept = {name: ([], []) for name in self.input_names}
        self.loops = 0

    def loop(self):
        self.loops += 1
        for name in list(self.inputs.keys()):
            data, stamps = self.inputs.new(name)
            if len(stamps):
                self.kept[name][0].append(np.array(data))
                self.kept[name][1].append(np.array(stamps))

    def cleanup(self):
        arrays = {"loops": np.array(self.loops)}
        for name, (data, stamps) in self.kept.items():
            if data:
                whole = np.concatenate(data)
                arrays[name] = whole.astype(str) if whole.dtype == object else whole
                arrays[name + ".stamps"] = np.concatenate(stamps)
                arrays[name + ".sizes"] = np.array([len(s) for s in stamps])
        np.savez(self.params["path"], **arrays)
