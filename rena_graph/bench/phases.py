"""PHASES: how long data is on its way through a line of clocks, in the order of the cascade and without any.

Without any each node waits for its own next tick, so the way's length follows from the phases alone, which follow from
the nodes' names: what is measured is held against that. In the cascade each tick comes when the data is there.
"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rena_graph.bench.figures import Figure, Hops
from rena_graph.bench.graph_run import run_graph
from rena_graph.bench.payload import Payload
from rena_graph.bench.rows import Bench
from rena_graph.runtime.coordinator.phases import spread

__all__ = ["by_free_phases", "line_document", "measure"]

NODES = 4
FREQUENCY = 60.0
SETTLE = 3.0
"""Seconds at the beginning that are not counted: phases are set by what was measured after two."""
SECONDS, QUICK_SECONDS = 4.0, 1.5


def line_document(phases: Literal["cascade", "free"], round_: int, messages: int, path: Path) -> dict[str, Any]:
    """The graph: every node on the clock, each but the first taking what the one before it makes.

    Parameters
    ----------
    phases : {'cascade', 'free'}
        As in the document.
    round_ : int
        Part of the nodes' names, on which the phases of free clocks depend: in each round they are others.
    messages : int
        That the first node makes.
    path : Path
        Where the last one saves what it noted.
    """
    nodes: dict[str, Any] = {}
    for i in range(NODES):
        script = "producer.py" if i == 0 else "consumer.py" if i == NODES - 1 else "relay.py"
        node: dict[str, Any] = {
            "script": script,
            "run_frequency": FREQUENCY,
            "params": {"samples": 1, "messages": messages, "path": str(path)},
        }
        if i:
            node["inputs"] = [f"S{i}"]
        if i < NODES - 1:
            node["outputs"] = {f"S{i + 1}": {"channels": 8, "dtype": "float64", "rate": FREQUENCY}}
        nodes[_name(i, round_)] = node
    return {"version": 1, "name": "bench-phases", "phases": phases, "nodes": nodes}


def _name(place: int, round_: int) -> str:
    return f"node{place}-{round_}"


def by_free_phases(round_: int) -> float:
    """Microseconds from the first loop to the last one's that free clocks of these names take, loops taking no time.

    Each node's deadline is the first one after that of the node before it. Over all phases that is half a period a hop
    in the mean.
    """
    phases = [spread(_name(i, round_), FREQUENCY) for i in range(NODES)]
    return sum((after - before) % (1.0 / FREQUENCY) for before, after in pairwise(phases)) * 1e6


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    taken: dict[str, list[Hops]] = {"cascade": [], "free": []}
    address = bench.ray()
    for k in range(bench.rounds):
        bench.say(f"{NODES} clocks of {FREQUENCY:g} Hz in a line: round {k + 1} of {bench.rounds}")
        order: list[Literal["cascade", "free"]] = ["cascade", "free"] if k % 2 == 0 else ["free", "cascade"]
        for phases in order:
            taken[phases].append(_on_its_way(phases, k, QUICK_SECONDS if bench.quick else SECONDS, address))
    return _figures(taken["cascade"], taken["free"])


def _figures(cascade: list[Hops], free: list[Hops]) -> list[Figure]:
    figures: list[Figure] = []
    for quantile in ("p50", "p99"):
        ours, others = (tuple(getattr(hops, quantile) for hops in each) for each in (cascade, free))
        gained = tuple(b - a for a, b in zip(ours, others, strict=True))
        figures += [
            Figure(f"end to end in cascade, {quantile}", "µs", ours, "free clocks", others),
            Figure(f"what the cascade gains, {quantile}", "µs", gained),
        ]
    expected = tuple(by_free_phases(k) for k in range(len(free)))
    period = 1e6 / FREQUENCY
    return [
        *figures,
        Figure("free clocks, p50", "µs", tuple(hops.p50 for hops in free), "by their phases' formula", expected),
        Figure("in cascade, p50", "% of a period", tuple(100 * hops.p50 / period for hops in cascade)),
    ]


def _on_its_way(phases: Literal["cascade", "free"], round_: int, seconds: float, address: str) -> Hops:
    settle = round(SETTLE * FREQUENCY)
    messages = settle + round(seconds * FREQUENCY)
    payload = Payload("clocks", 1, 8, "float64", FREQUENCY, messages, messages)
    with tempfile.TemporaryDirectory(prefix="rena-graph-bench-") as folder:
        path = Path(folder) / "times.npy"
        run_graph(line_document(phases, round_, payload.messages, path), messages / FREQUENCY + 0.5, address)
        times = np.load(path, allow_pickle=False)
    return Hops.of(times[times[:, 0] >= settle], messages - settle)
