"""Which ways lead to each outlet, and what each node adds on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rena_graph.graph.load import graph_from_dict
from rena_graph.graph.model import Graph
from rena_graph.runtime.coordinator.paths import MOST_PATHS, paths_to, sink_rows
from tests.runtime.live import counter, document


def node(inputs: list[Any], *outputs: str, port: int | None = None) -> dict[str, Any]:
    to = {} if port is None else {"to": {"zmq": {"port": port}}}
    made = {name: {"channels": 1, "rate": 100, **to} for name in outputs}
    return {"script": "x.py", "inputs": inputs, "outputs": made}


def graph(nodes: dict[str, Any], *streams: str) -> Graph:
    return graph_from_dict(document({s: counter(100, 1) for s in streams}, nodes), Path(), check_scripts=False)


def test_every_way_from_every_external_stream_the_shortest_first() -> None:
    made = graph(
        {
            "a": node(["S"], "A"),
            "b": node(["A", "S"], "B"),
            "c": node(["B", "T"], "C", port=7001),
            "elsewhere": node(["A"], "E"),
        },
        "S", "T",
    )  # fmt: skip
    assert paths_to(made) == {"C": [("T", ("c",)), ("S", ("b", "c")), ("S", ("a", "b", "c"))]}


def test_a_delayed_edge_is_no_way_and_what_is_made_of_nothing_has_none() -> None:
    made = graph(
        {
            "a": node(["S", {"stream": "B", "delayed": True}], "A", port=7001),
            "b": node(["A"], "B"),
            "clock": node([], "Tick", port=7002),
        },
        "S",
    )
    assert paths_to(made) == {"A": [("S", ("a",))], "Tick": []}


def test_a_graph_of_thousands_of_ways_is_told_in_part() -> None:
    nodes = {"n0": node(["S"], "X0", "Y0")}
    for i in range(1, 12):
        nodes[f"n{i}a"] = node([f"X{i - 1}", f"Y{i - 1}"], f"X{i}")
        nodes[f"n{i}b"] = node([f"X{i - 1}", f"Y{i - 1}"], f"Y{i}")
    nodes["last"] = node(["X11", "Y11"], "Out", port=7001)
    found = paths_to(graph(nodes, "S"))
    assert len(found["Out"]) == MOST_PATHS


def test_the_parts_of_a_way_add_up_to_its_latency() -> None:
    ways = {"C": [("S", ("a", "b", "c"))]}
    nodes = {"a": {"output_age_p50": 0.002}, "b": {"output_age_p50": 0.05}, "c": {"output_age_p50": 0.06}}
    edges: list[dict[str, Any]] = [
        {"stream": "A", "to": "b"},
        {"stream": "C", "to": "lsl:C", "latency_p50": 0.061, "latency_p99": 0.08, "ahead": 0},
    ]
    (row,) = sink_rows(ways, nodes, edges, {}, {})
    assert (row["stream"], row["to"], row["latency_p50"], row["latency_p99"]) == ("C", "lsl:C", 0.061, 0.08)
    (way,) = row["paths"]
    parts = {step["node"]: step["adds"] for step in way["nodes"]}
    assert parts == pytest.approx({"a": 0.002, "b": 0.048, "c": 0.01})
    assert sum(parts.values()) + way["out"] == pytest.approx(0.061)


def test_what_is_not_known_yet_is_none_and_leaves_the_rest() -> None:
    nodes: dict[str, Any] = {"a": {"output_age_p50": None}, "b": {"output_age_p50": 0.05}}
    edges = [{"stream": "B", "to": "zmq:1", "latency_p50": None, "latency_p99": None, "ahead": 0}]
    (way,) = sink_rows({"B": [("S", ("a", "b"))]}, nodes, edges, {}, {})[0]["paths"]
    steps = [{"node": "a", "adds": None}, {"node": "b", "adds": 0.05}]
    assert way == {"from": "S", "nodes": steps, "out": None, "uncertainty": 0.0}


@pytest.mark.parametrize(
    ("source", "sink", "uncertainty"),
    [("head", "head", 0.0), ("gpu", "gpu", 0.0), ("lab", "head", 2e-4), ("head", "gpu", 1e-4), ("lab", "gpu", 3e-4)],
)
def test_a_way_over_hosts_is_known_as_well_as_their_clocks(source: str, sink: str, uncertainty: float) -> None:
    edges = [{"stream": "B", "to": "lsl:B", "latency_p50": 0.01, "latency_p99": 0.02, "ahead": 0}]
    hosts: dict[str, Any] = {
        "head": {"clock": None},
        "gpu": {"clock": {"uncertainty": 1e-4}},
        "lab": {"clock": {"uncertainty": 2e-4}},
    }
    made_on = {"S": source, "A": "gpu", "B": sink}
    (way,) = sink_rows({"B": [("S", ("a", "b"))]}, {}, edges, made_on, hosts)[0]["paths"]
    assert way["uncertainty"] == pytest.approx(uncertainty)
