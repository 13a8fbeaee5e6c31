"""P5: what a producer pays for more readers: one consumer of its stream, and eight."""

from __future__ import annotations

import shutil
from typing import Any

from rena_graph.bench.cpu import main_thread_seconds
from rena_graph.bench.figures import Figure
from rena_graph.bench.graph_run import running_graph
from rena_graph.bench.rows import Bench

__all__ = ["measure"]

FEW, MANY = 1, 8
RATE, SAMPLES, CHANNELS = 100.0, 10, 32
"""Chunks a second, and their shape: the small message of the hop rows."""
SECONDS, QUICK_SECONDS = 3.0, 1.0
SETTLE = 0.5
AT_MOST = 3.0


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    taken: dict[int, list[float]] = {FEW: [], MANY: []}
    for k in range(bench.rounds):
        bench.say(f"a producer's cost with {FEW} and {MANY} consumers: round {k + 1} of {bench.rounds}")
        for consumers in (FEW, MANY) if k % 2 == 0 else (MANY, FEW):
            taken[consumers].append(_cost(consumers, bench.ray(), seconds))
    return [
        Figure(
            f"producer's processor time a chunk, {MANY} consumers",
            "µs",
            tuple(taken[MANY]),
            f"{FEW} consumer",
            tuple(taken[FEW]),
            AT_MOST,
        )
    ]


def _document(consumers: int) -> dict[str, Any]:
    output = {"channels": CHANNELS, "dtype": "float64", "rate": RATE * SAMPLES}
    reads = {"script": "relay.py", "trigger": "data", "run_frequency": 1000, "inputs": ["S"]}
    return {
        "version": 1,
        "name": "bench-readers",
        "nodes": {
            "producer": {
                "script": "producer.py",
                "run_frequency": RATE,
                "outputs": {"S": output},
                "params": {"samples": SAMPLES, "messages": 1 << 30},
            },
            **{f"consumer-{k}": {**reads, "outputs": {f"R{k}": output}} for k in range(consumers)},
        },
    }


def _cost(consumers: int, address: str, seconds: float) -> float:
    """Microseconds of the producer's main thread for each of its loops."""
    with running_graph(_document(consumers), address) as run:
        run.wait(SETTLE)
        before = _used(run.status())
        run.wait(seconds)
        after = _used(run.status())
    shutil.rmtree(run.folder, ignore_errors=True)
    return (after[1] - before[1]) / (after[0] - before[0]) * 1e6


def _used(status: dict[str, Any]) -> tuple[int, float]:
    node = status["nodes"]["producer"]
    return node["loops"], main_thread_seconds(node["pid"])
