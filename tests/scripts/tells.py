"""Tells of its loops and of its end."""

from rena_graph import RenaScript


class Tells(RenaScript):
    def init(self):
        self.count = 0

    def loop(self):
        self.count += 1
        if self.count % 20 == 0:
            print("neighbour", self.count)

    def cleanup(self):
        print("neighbour cleaned up")
