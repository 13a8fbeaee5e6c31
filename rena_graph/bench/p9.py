"""P9: PhysioLabXR's simulated devices all at once, each through two nodes."""

from __future__ import annotations

import shutil
import time
from typing import Any

from rena_graph.bench.cpu import cpu_seconds, own_memory, pids_of_run
from rena_graph.bench.figures import Figure
from rena_graph.bench.graph_run import running_graph
from rena_graph.bench.rows import Bench

__all__ = ["measure", "workload"]

DEVICES: dict[str, dict[str, Any]] = {
    "EEG": {"channels": 64, "rate": 2048, "dtype": "float32"},
    "Trigger": {"channels": 1, "rate": 2048, "dtype": "float32"},
    "Eyes": {"channels": 51, "rate": 1200, "dtype": "float32"},
    "Camera": {"channels": 1920 * 1080 * 3, "rate": 30, "dtype": "uint8"},
    "fMRI": {"channels": 64 * 64 * 42, "rate": 2, "dtype": "float32"},
}
WIDE = 50_000
"""Channels from which a window of a fifth of a second is enough."""
SECONDS, QUICK_SECONDS = 60.0, 4.0
SETTLE = 1.0
AT_RATE = 0.99


def workload() -> dict[str, Any]:
    """The graph, as it would stand in a file."""
    streams = {name: {"from": {"simulate": {"kind": "counter"}}, **format_} for name, format_ in DEVICES.items()}
    nodes: dict[str, Any] = {}
    for name, format_ in DEVICES.items():
        last = name
        for k in (1, 2):
            nodes[f"{name}-{k}"] = {
                "script": "relay.py",
                "trigger": "data",
                "run_frequency": 1000,
                "inputs": [last],
                "buffer_duration": 0.2 if format_["channels"] > WIDE and format_["rate"] > 10 else 1.0,
                "outputs": {f"{name}-out-{k}": format_},
            }
            last = f"{name}-out-{k}"
    return {"version": 1, "name": "bench-devices", "streams": streams, "nodes": nodes}


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows. One run of a minute, not several: there is nothing to compare with."""
    from rena_graph.runtime.folders import runtime_dir

    seconds = QUICK_SECONDS if bench.quick else SECONDS
    bench.say(f"{len(DEVICES)} simulated devices for {seconds:g} s")
    with running_graph(workload(), bench.ray()) as run:
        run.wait(SETTLE)
        pids = pids_of_run(runtime_dir() / run.id)
        first, began, cpu = _produced(run.status()), time.monotonic(), sum(map(cpu_seconds, pids))
        run.wait(seconds)
        last, took, used = _produced(run.status()), time.monotonic() - began, sum(map(cpu_seconds, pids)) - cpu
        memory = sum(map(own_memory, pids))
    ended = run.status()
    shutil.rmtree(run.folder, ignore_errors=True)
    rates = {name: (last[name] - first[name]) / took for name in last}
    worst = min(rates[name] / DEVICES[name.partition("-out-")[0]]["rate"] for name in rates)
    dropped = sum(sum(edge["dropped"].values()) for edge in ended["edges"])
    return [
        Figure("samples dropped, all edges", "samples", (float(dropped),), at_most=0.0),
        Figure("samples let in or made but not delivered", "samples", (float(_left(ended)),), at_most=0.0),
        Figure("slowest stream, of its rate", "", (worst,), at_least=AT_RATE),
        Figure("processor time of all processes", "% of a core", (100 * used / took,)),
        Figure("memory of all processes, shared left out", "MB", (memory / 1e6,)),
    ]


def _produced(status: dict[str, Any]) -> dict[str, int]:
    return {name: stream["produced"] for name, stream in status["streams"].items()}


def _left(status: dict[str, Any]) -> int:
    """Samples of an edge that no loop saw until the end; the last outputs have no reader."""
    return sum(edge["in_flight"] for edge in status["edges"])
