"""Counts frames, and says how many there were."""

from rena_graph import RenaScript


class Frames(RenaScript):
    def init(self):
        self.count = 0

    def loop(self):
        data, stamps = self.inputs.new("Video")
        self.count += len(stamps)
        self.width = data.shape[1]

    def cleanup(self):
        print(self.count, "frames of", self.width)
