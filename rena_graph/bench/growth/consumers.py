"""Growth with consumers: one stream, read by one node to sixteen."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from rena_graph.bench.floor import measure_floor
from rena_graph.bench.growth.costs import SETTLE, percentile, run_costs
from rena_graph.bench.growth.series import Line, Values, gather
from rena_graph.bench.payload import PAYLOADS
from rena_graph.bench.rows import Bench

__all__ = ["document", "last_of", "measure"]

SIZES, QUICK_SIZES = (1, 2, 4, 8, 16), (1, 3)
SECONDS, QUICK_SECONDS = 1.5, 0.8
FIRST = 20
"""Messages at the beginning that are not counted."""
UNITS = {
    "the first of them has it, p50": "µs",
    "the last of them has it, p50": "µs",
    "the floor (one reader), p50": "µs",
    "producer, processor time a chunk": "µs",
    "a consumer, processor time a chunk": "µs",
}


def document(consumers: int, messages: int, folder: Path) -> dict[str, Any]:
    """One producer, and consumers that each note when they had what."""
    payload = PAYLOADS["small"]
    output = {"channels": payload.channels, "dtype": payload.dtype, "rate": payload.rate * payload.samples}
    common = {"samples": payload.samples, "messages": messages}
    reads = {"script": "consumer.py", "trigger": "data", "run_frequency": 1000, "inputs": ["S"]}
    producer = {
        "script": "producer.py",
        "run_frequency": payload.rate,
        "outputs": {"S": output},
        "params": common,
    }
    named = {
        f"consumer-{k}": {**reads, "params": {**common, "path": str(folder / f"{k}.npy")}} for k in range(consumers)
    }
    return {"version": 1, "name": "bench-consumers", "nodes": {"producer": producer, **named}}


def last_of(folder: Path, consumers: int, first: int) -> tuple[float, float]:
    """Median microseconds until the first and until the last of the consumers had a message that all of them had."""
    noted = [np.load(folder / f"{k}.npy", allow_pickle=False) for k in range(consumers)]
    common = noted[0][:, 0]
    for times in noted[1:]:
        common = np.intersect1d(common, times[:, 0])
    common = common[common >= first]
    if not len(common):
        return float("nan"), float("nan")
    rows = [times[np.searchsorted(times[:, 0], common)] for times in noted]
    took = np.stack([row[:, 2] - row[:, 1] for row in rows])
    return float(np.median(took.min(axis=0))) / 1e3, float(np.median(took.max(axis=0))) / 1e3


def measure(bench: Bench) -> tuple[tuple[float, ...], tuple[Line, ...], str]:
    """See the table of series."""
    payload = PAYLOADS["small"]
    seconds = QUICK_SECONDS if bench.quick else SECONDS

    def at(consumers: float) -> Values:
        bench.say(f"{consumers:g} consumers")
        floor = percentile(measure_floor(payload, FIRST + round(payload.rate * seconds), copy=True), 50, FIRST)
        messages = round(payload.rate * (seconds + SETTLE + 2.0))
        with tempfile.TemporaryDirectory(prefix="rena-graph-bench-") as name:
            folder = Path(name)
            costs = run_costs(document(int(consumers), messages, folder), seconds, bench.ray())
            ends = last_of(folder, int(consumers), FIRST)
        spent = costs.cpu_of("producer"), costs.cpu_of("consumer")
        return dict(zip(UNITS, (*ends, floor, *spent), strict=True))

    sizes = QUICK_SIZES if bench.quick else SIZES
    return sizes, gather(sizes, bench.rounds, at, UNITS), ""
