"""Saves a state, and takes none up."""

from rena_graph import RenaScript


class RefusesState(RenaScript):
    def loop(self):
        pass

    def save_state(self):
        return 1

    def load_state(self, state):
        raise ValueError("a state of another version")
