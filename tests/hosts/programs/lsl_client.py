"""A client on an LSL network that knows nothing of rena_graph: values and raw stamps of a stream, as one JSON line."""

from __future__ import annotations

import json
import sys
import time

import pylsl

name, wanted, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
deadline = time.monotonic() + seconds
(found, *_) = pylsl.resolve_byprop("name", name, 1, seconds)
inlet = pylsl.StreamInlet(found)
inlet.open_stream(60)
values: list[float] = []
stamps: list[float] = []
while len(stamps) < wanted and time.monotonic() < deadline:
    chunk, times = inlet.pull_chunk(timeout=0.2)
    values += [sample[0] for sample in chunk]
    stamps += times
sys.stdout.write(json.dumps({"values": values, "stamps": stamps}) + "\n")
