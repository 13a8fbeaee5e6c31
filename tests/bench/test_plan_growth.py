"""Planning a run is counted, not timed: what a node costs is the same whatever the graph's size."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from rena_graph.bench.graph_run import SCRIPTS
from rena_graph.graph.load import graph_from_dict
from rena_graph.graph.model import Graph
from rena_graph.runtime.plan import HostPaths, Plan, make_plan


def tree(nodes: int) -> Graph:
    """A producer and relays, each of which feeds two others."""
    output = {"channels": 8, "dtype": "float64", "rate": 250}
    document: dict[str, Any] = {"n0": {"script": "producer.py", "outputs": {"S0": output}}}
    for k in range(1, nodes):
        source = f"S{(k - 1) // 2}"
        document[f"n{k}"] = {"script": "relay.py", "inputs": [source], "outputs": {f"S{k}": output}}
    return graph_from_dict({"version": 1, "name": "tree", "nodes": document}, SCRIPTS)


def plan(graph: Graph) -> Plan:
    return make_plan(graph, {}, "ring", HostPaths.of("r", Path("/tmp")))


def lines_of(graph: Graph) -> int:
    """Lines of Python that run while a plan and all its setups are made: loops over everything show up in them."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    gc.disable()  # who looks after collections is called in the middle of whatever runs then
    sys.settrace(trace)
    try:
        planned = plan(graph)
        for node in graph.nodes:
            planned.setup(node, 0, {})
    finally:
        sys.settrace(before)
        gc.enable()
    return count


def test_a_plan_s_cost_grows_with_the_graph_and_no_faster() -> None:
    few, many = lines_of(tree(20)) / 20, lines_of(tree(200)) / 200
    assert many <= 1.1 * few, f"{few:.0f} lines a node with 20 nodes, {many:.0f} with 200"


def test_each_node_is_told_of_its_own_inputs() -> None:
    planned = plan(tree(7))
    for k in range(1, 7):
        (told,) = planned.setup(f"n{k}", 0, {}).inputs
        assert told.port.spec.name == f"S{(k - 1) // 2}"
    assert planned.ports["S0"].edges == (0, 1)
    assert planned.ports["S6"].edges == ()
