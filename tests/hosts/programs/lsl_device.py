"""A device on an LSL network that knows nothing of rena_graph: each sample is its own clock, and stamped with it."""

from __future__ import annotations

import sys
import time

import pylsl

name, rate, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Clock", 1, rate, pylsl.cf_double64, name))
assert outlet.wait_for_consumers(60)
start = pylsl.local_clock()
for index in range(int(rate * seconds)):
    due = start + index / rate
    left = due - time.monotonic()
    if left > 0:
        time.sleep(left)
    outlet.push_sample([due], due)
time.sleep(1.0)  # an outlet that goes takes along what was not read yet
