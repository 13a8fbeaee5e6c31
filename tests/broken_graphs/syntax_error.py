from rena_graph import RenaScript


class Broken(RenaScript):
    def loop(self):
        self.outputs["a"] = [1, 2
