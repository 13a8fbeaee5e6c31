"""Needs so many seconds of a processor a loop, however long it has to wait for them."""

import time

from rena_graph import RenaScript


class Burns(RenaScript):
    def loop(self):
        until = time.thread_time() + self.params["seconds"]
        while time.thread_time() < until:
            pass
