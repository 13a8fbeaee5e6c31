"""Growth with the graph: processor time of its checks and of its plan, for ten nodes to ten thousand.

Run as a program this module is the measurement, in a process that does nothing else.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rena_graph.bench.graph_run import SCRIPTS
from rena_graph.bench.growth.series import Line, Values, gather
from rena_graph.bench.rows import Bench
from rena_graph.errors import EnvironmentRefused

__all__ = ["measure", "tree"]

SIZES, QUICK_SIZES = (10, 30, 100, 300, 1000, 3000, 10_000), (10, 300)
UNITS = {
    "checks, a node": "µs",
    "checks, a node, without garbage collection": "µs",
    "plan, a node": "µs",
    "all of it": "ms",
}


def tree(nodes: int) -> dict[str, Any]:
    """A producer and relays, each of which feeds two others."""
    output = {"channels": 8, "dtype": "float64", "rate": 250}
    made: dict[str, Any] = {"n0": {"script": "producer.py", "outputs": {"S0": output}}}
    for k in range(1, nodes):
        made[f"n{k}"] = {"script": "relay.py", "inputs": [f"S{(k - 1) // 2}"], "outputs": {f"S{k}": output}}
    return {"version": 1, "name": "tree", "nodes": made}


def _time(nodes: int) -> Values:
    from rena_graph.graph.load import graph_from_dict
    from rena_graph.runtime.plan import HostPaths, make_plan

    document = tree(nodes)
    graph_from_dict(tree(10), SCRIPTS)  # whatever is imported or parsed once
    began = time.process_time()
    graph = graph_from_dict(document, SCRIPTS)
    checked = time.process_time()
    plan = make_plan(graph, {}, "ring", HostPaths.of("bench", Path("/tmp")))
    for name in graph.nodes:
        plan.setup(name, 0, {})
    planned = time.process_time()
    del graph, plan
    gc.collect()
    gc.disable()
    again = time.process_time()
    graph_from_dict(document, SCRIPTS)
    bare = time.process_time() - again
    spent = (checked - began) / nodes * 1e6, bare / nodes * 1e6, (planned - checked) / nodes * 1e6
    return dict(zip(UNITS, (*spent, (planned - began) * 1e3), strict=True))


def _in_process(nodes: float) -> Values:
    command = [sys.executable, "-m", "rena_graph.bench.growth.graph_size", str(int(nodes))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentRefused(f"a graph of {nodes:g} nodes could not be checked:\n{done.stderr[-2000:]}")
    values: Values = json.loads(done.stdout)
    return values


def measure(bench: Bench) -> tuple[tuple[float, ...], tuple[Line, ...], str]:
    """See the table of series."""

    def at(nodes: float) -> Values:
        bench.say(f"a graph of {nodes:g} nodes")
        return _in_process(nodes)

    sizes = QUICK_SIZES if bench.quick else SIZES
    return sizes, gather(sizes, bench.rounds, at, UNITS), ""


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_time(int(sys.argv[1]))))
