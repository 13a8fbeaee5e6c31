"""Growth with the rate: one hop of one sample, from one loop a second to ten thousand."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from rena_graph.bench.floor import measure_floor
from rena_graph.bench.growth.costs import SETTLE, percentile, run_costs
from rena_graph.bench.growth.series import Line, Values, gather
from rena_graph.bench.payload import Payload
from rena_graph.bench.rows import Bench

__all__ = ["document", "measure"]

SIZES, QUICK_SIZES = (1, 10, 100, 1000, 3000, 10_000), (10, 1000)
CHANNELS = 8
SECONDS, QUICK_SECONDS = 1.5, 0.8
FEWEST = 5
"""Loops that must be looked at, however slow they are."""
FASTEST = 10_000.0
UNITS = {
    "one hop, p50": "µs",
    "the floor, p50": "µs",
    "producer, processor time a sample": "µs",
    "consumer, processor time a sample": "µs",
    "of the rate, producer": "%",
    "of the rate, consumer's loops": "%",
}


def document(rate: float, messages: int, path: Path) -> dict[str, Any]:
    """A producer on the clock, a consumer on data that may run as often as it likes."""
    return {
        "version": 1,
        "name": "bench-rate",
        "nodes": {
            "producer": {
                "script": "producer.py",
                "run_frequency": rate,
                "outputs": {"S": {"channels": CHANNELS, "dtype": "float64", "rate": rate}},
                "params": {"samples": 1, "messages": messages},
            },
            "consumer": {
                "script": "consumer.py",
                "trigger": "data",
                "run_frequency": FASTEST,
                "inputs": ["S"],
                "params": {"samples": 1, "messages": messages, "path": str(path)},
            },
        },
    }


def measure(bench: Bench) -> tuple[tuple[float, ...], tuple[Line, ...], str]:
    """See the table of series."""

    def at(rate: float) -> Values:
        bench.say(f"{rate:g} Hz")
        seconds = max(QUICK_SECONDS if bench.quick else SECONDS, FEWEST / rate)
        first, sent = round(0.2 * rate), round(seconds * rate)
        floor = percentile(
            measure_floor(Payload("one", 1, CHANNELS, "float64", rate, sent, sent), sent, copy=True), 50, first
        )
        messages = round(rate * (seconds + SETTLE + 2.0))
        with tempfile.TemporaryDirectory(prefix="rena-graph-bench-") as folder:
            path = Path(folder) / "times.npy"
            costs = run_costs(document(rate, messages, path), seconds, bench.ray())
            hop = percentile(path, 50, first)
        made, seen = costs.rate["producer"], costs.rate["consumer"]
        # The producer gives one sample a loop; the consumer takes all that came meanwhile, however many.
        consumer = costs.cpu_of("consumer") * seen / made
        shares = 100 * made / rate, 100 * seen / rate
        return dict(zip(UNITS, (hop, floor, costs.cpu_of("producer"), consumer, *shares), strict=True))

    sizes = QUICK_SIZES if bench.quick else SIZES
    return sizes, gather(sizes, bench.rounds, at, UNITS), ""
