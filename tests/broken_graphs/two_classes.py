import rena_graph as rg
from rena.scripting.RenaScript import RenaScript as Original


class Shared(rg.RenaScript):
    pass


class First(Shared):
    def loop(self):
        pass


class Second(Original):
    def loop(self):
        pass
