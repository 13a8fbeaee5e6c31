"""The world outside of a graph that is profiled: programs that know LSL or ZMQ, and nothing of rena_graph's.

Usage: ``python -m rena_graph.bench.profile.world lsl-push|lsl-pull|zmq-push|zmq-pull NAME_OR_PORT CHANNELS RATE``. Each
says ``ready``, and runs until it is ended.
"""

from __future__ import annotations

import struct
import sys
import time

import numpy as np

__all__: list[str] = []

_CHUNK_SECONDS = 0.01


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def _lsl_push(name: str, channels: int, rate: float) -> None:
    import pylsl

    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "", channels, rate, pylsl.cf_float32, f"bench-{name}"))
    data = np.random.default_rng(0).standard_normal((int(rate), channels)).astype(np.float32)
    _ready()
    start, sent = time.monotonic(), 0
    while True:
        time.sleep(_CHUNK_SECONDS)
        due = int((time.monotonic() - start) * rate)
        outlet.push_chunk(data[: due - sent], pylsl.local_clock())
        sent = due


def _lsl_pull(name: str, channels: int, rate: float) -> None:
    import pylsl

    (found, *_) = pylsl.resolve_byprop("name", name, 1, 15.0)
    inlet = pylsl.StreamInlet(found)
    inlet.open_stream(10)
    buffer = np.zeros((4096, channels), np.float32)
    _ready()
    while True:
        inlet.pull_chunk(timeout=1.0, max_samples=16, dest_obj=buffer)


def _zmq_push(port: str, channels: int, rate: float) -> None:
    import zmq

    socket = zmq.Context().socket(zmq.PUB)
    socket.bind(f"tcp://127.0.0.1:{port}")
    sample = np.random.default_rng(0).standard_normal(channels).astype(np.float32).tobytes()
    _ready()
    start, sent = time.monotonic(), 0
    while True:
        time.sleep(_CHUNK_SECONDS)
        due = int((time.monotonic() - start) * rate)
        for number in range(sent, due):
            socket.send_multipart([b"S", struct.pack("<d", start + number / rate), sample])
        sent = due


def _zmq_pull(port: str, channels: int, rate: float) -> None:
    import zmq

    socket = zmq.Context().socket(zmq.SUB)
    socket.connect(f"tcp://127.0.0.1:{port}")
    socket.subscribe(b"S")
    _ready()
    while True:
        socket.recv_multipart(copy=False)


if __name__ == "__main__":
    _run = {"lsl-push": _lsl_push, "lsl-pull": _lsl_pull, "zmq-push": _zmq_push, "zmq-pull": _zmq_pull}[sys.argv[1]]
    _run(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
