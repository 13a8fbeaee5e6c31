"""A script that is fine."""

from rena_graph import RenaScript


class Ok(RenaScript):
    def loop(self) -> None:
        pass
