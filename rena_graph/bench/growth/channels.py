"""Growth with channels: one hop of two samples, from 16 bytes to 16 MB."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from rena_graph.bench.floor import measure_floor
from rena_graph.bench.graph_hop import hop_document
from rena_graph.bench.growth.costs import percentile, run_costs
from rena_graph.bench.growth.series import Line, Values, gather
from rena_graph.bench.payload import Payload
from rena_graph.bench.rows import Bench

__all__ = ["measure", "two_copies"]

SIZES, QUICK_SIZES = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000), (1, 1000)
SAMPLES, RATE = 2, 20.0
"""Samples a message, the fewest that have room for a header where there is one channel; messages a second."""
SECONDS, QUICK_SECONDS = 1.5, 0.8
WINDOW = 0.2
"""Seconds that the consumer's window holds."""
FIRST = 5
"""Messages at the beginning that are not counted."""
COPIES = 9
UNITS = {
    "one hop, p50": "µs",
    "the floor, p50": "µs",
    "producer, processor time a chunk": "µs",
    "consumer, processor time a chunk": "µs",
    "two copies in one process": "µs",
}


def two_copies(payload: Payload) -> float:
    """Microseconds of a message's copy into memory that others share and out of it, the middle of several.

    The memory is that of several messages, used in turn as a ring is, and mapped before: so what is measured are caches
    and memory, not page faults.
    """
    message = payload.make()
    ring = np.zeros((4, *message.shape), message.dtype)
    window = np.zeros((4, *message.shape), message.dtype)
    took = []
    for k in range(COPIES):
        began = time.perf_counter_ns()
        ring[k % 4] = message
        window[k % 4] = ring[k % 4]
        took.append(time.perf_counter_ns() - began)
    return float(np.median(took)) / 1e3


def measure(bench: Bench) -> tuple[tuple[float, ...], tuple[Line, ...], str]:
    """See the table of series."""
    seconds = QUICK_SECONDS if bench.quick else SECONDS

    def at(channels: float) -> Values:
        bench.say(f"{channels:g} channels")
        messages = FIRST + round(RATE * (seconds + 1.2))
        payload = Payload("wide", SAMPLES, int(channels), "float64", RATE, messages, messages)
        floor = percentile(measure_floor(payload, FIRST + round(RATE * seconds), copy=True), 50, FIRST)
        with tempfile.TemporaryDirectory(prefix="rena-graph-bench-") as folder:
            path = Path(folder) / "times.npy"
            costs = run_costs(hop_document(payload, messages, "copy", WINDOW, path), seconds, bench.ray())
            hop = percentile(path, 50, FIRST)
        producer, consumer = costs.cpu_of("producer"), costs.cpu_of("consumer")
        return dict(zip(UNITS, (hop, floor, producer, consumer, two_copies(payload)), strict=True))

    sizes = QUICK_SIZES if bench.quick else SIZES
    return sizes, gather(sizes, bench.rounds, at, UNITS), ""
