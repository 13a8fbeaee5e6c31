"""Passes its input on until its parameter names a way to fail; notes when it failed, and fails in one life only."""

import ctypes
import os
import sys
import time

from rena_graph import RenaScript


class FailsWhenTold(RenaScript):
    def loop(self):
        if "in" in self.inputs:
            data, stamps = self.inputs.new("in")
            if len(stamps):
                self.set_output("out", data, stamps)
        way = self.params["fail"]
        if way and not os.path.exists(self.params["mark"]):
            with open(self.params["mark"], "w") as mark:
                mark.write(f"{time.monotonic()} {time.time()}")
            getattr(self, way)()

    def exception(self):
        raise ValueError("told to fail")

    def memory_error(self):
        raise MemoryError("told to fail")

    def sys_exit(self):
        sys.exit(3)

    def os_exit(self):
        os._exit(3)

    def segfault(self):
        ctypes.string_at(0)

    def endless_loop(self):
        while True:
            pass

    def hold_the_gil(self):
        ctypes.PyDLL(None).sleep(600)  # PyDLL keeps the lock while C code runs

    def recursion(self):
        self.recursion()
