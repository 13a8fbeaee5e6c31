"""PHASES: how long data is on its way through a line of clocks, in the order of the cascade and without any."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rena_graph.bench.figures import Figure, Hops
from rena_graph.bench.graph_run import run_graph
from rena_graph.bench.payload import Payload
from rena_graph.bench.rows import Bench

__all__ = ["line_document", "measure"]

NODES = 4
FREQUENCY = 60.0
SETTLE = 3.0
"""Seconds at the beginning that are not counted: phases are set by what was measured after two."""
SECONDS, QUICK_SECONDS = 10.0, 2.0


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
        nodes[f"node{i}-{round_}"] = node
    return {"version": 1, "name": "bench-phases", "phases": phases, "nodes": nodes}


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    taken: dict[str, list[Hops]] = {"cascade": [], "free": []}
    address = bench.ray()
    for k in range(bench.rounds):
        bench.say(f"{NODES} clocks of {FREQUENCY:g} Hz in a line: round {k + 1} of {bench.rounds}")
        order: list[Literal["cascade", "free"]] = ["cascade", "free"] if k % 2 == 0 else ["free", "cascade"]
        for phases in order:
            taken[phases].append(_on_its_way(phases, k, QUICK_SECONDS if bench.quick else SECONDS, address))
    return [
        Figure(
            f"{NODES} clocks of {FREQUENCY:g} Hz in a line, end to end, {quantile}",
            "µs",
            tuple(getattr(hops, quantile) for hops in taken["cascade"]),
            "free clocks",
            tuple(getattr(hops, quantile) for hops in taken["free"]),
        )
        for quantile in ("p50", "p99")
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
