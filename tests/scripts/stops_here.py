"""Opens a debugger where its parameter says, and tells of its loops."""

from rena_graph import RenaScript


class StopsHere(RenaScript):
    def init(self):
        self.count = 0
        if self.params["at"] == 0:
            breakpoint()

    def loop(self):
        self.count += 1
        if self.count == self.params["at"]:
            breakpoint()
        if self.count == self.params["fails_at"]:
            raise ValueError("loop is broken")
        if self.count % 50 == 0:
            print("here", self.count)

    def cleanup(self):
        print("cleaned up after", self.count)
