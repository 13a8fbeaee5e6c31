"""Fails in the way and at the time that its parameters say."""

import os
import signal
import sys
import time

from rena_graph import RenaScript


class Faulty(RenaScript):
    def init(self):
        self.count = 0
        if self.params["where"] == "init":
            raise ValueError("init is broken")

    def loop(self):
        self.count += 1
        if "in" in self.inputs:
            data, stamps = self.inputs.new("in")
            if len(stamps):
                self.set_output("out", data, stamps)
        if self.count == self.params["at"] and not self.failed_before():
            self.fail()

    def fail(self):
        match self.params["where"]:
            case "loop":
                raise ValueError("loop is broken")
            case "exit":
                sys.exit(3)
            case "_exit":
                os._exit(3)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "segfault":
                import ctypes

                ctypes.string_at(0)
            case "memory":
                raise MemoryError("no more")
            case "hang":
                while True:
                    time.sleep(0.01)
            case "bad_output":
                self.outputs["out"] = [1.0, 2.0, 3.0, 4.0, 5.0]
            case "unknown_output":
                self.outputs["nothing"] = 1.0

    def cleanup(self):
        if self.params["where"] == "cleanup":
            raise ValueError("cleanup is broken")
        if self.params["where"] == "slow_cleanup":
            time.sleep(3.0)
        print("cleaned up after", self.count, "loops")

    def failed_before(self):
        """Whether an earlier life of this node has failed already, where a mark is to say so."""
        mark = self.params.get("mark")
        if mark is None:
            return False
        before = os.path.exists(mark)
        with open(mark, "w"):
            return before
