from rena_graph import RenaScript


class Broken(RenaScript):
    def loop(self):
        pass


return 3
