"""By which ways data comes to each outlet, and where its time goes on them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from rena_graph.graph.model import Graph

__all__ = ["MOST_PATHS", "Way", "paths_to", "sink_rows"]

MOST_PATHS = 16
"""Ways to one outlet that are told at most; a graph may have thousands."""

Way = tuple[str, tuple[str, ...]]
"""An external stream, and the nodes from it on."""


def paths_to(graph: Graph, limit: int = MOST_PATHS) -> dict[str, list[Way]]:
    """The ways from external streams to each stream that is broadcast, delayed edges left out.

    Returns
    -------
    dict
        By stream; none for one that is made of no external stream. The shortest come first.
    """
    import networkx as nx

    dag: nx.DiGraph[tuple[str, str]] = nx.DiGraph()
    for edge in graph.edges:
        producer = graph.streams[edge.stream].producer
        if edge.input.delayed:
            continue
        start = ("stream", edge.stream) if producer is None else ("node", producer)
        dag.add_edge(start, ("node", edge.node))
    sources = [key for key in dag if key[0] == "stream"]
    found: dict[str, list[Way]] = {}
    for node, definition in graph.nodes.items():
        streams = [name for name, output in definition.outputs.items() if output.to.lsl or output.to.zmq]
        if not streams:
            continue
        target = ("node", node)
        ways: list[Way] = []
        for source in sources if target in dag else ():
            for way in islice(nx.all_simple_paths(dag, source, target), limit - len(ways)):
                ways.append((source[1], tuple(name for _, name in way[1:])))
        found |= dict.fromkeys(streams, sorted(ways, key=lambda way: len(way[1])))
    return found


def sink_rows(
    paths: Mapping[str, Sequence[Way]],
    nodes: Mapping[str, Mapping[str, Any]],
    edges: Sequence[Mapping[str, Any]],
    made_on: Mapping[str, str],
    hosts: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """What a status tells of each outlet.

    What a node adds to a way is the age of its data when its outputs are out less that of the node before it (medians):
    the way there, the wait for its turn, its loop. What is left up to the outlet's latency is ``out``. So the parts add
    up to the whole. A node's age is that of its oldest input: where it has several, the slowest way sets it for all.

    Parameters
    ----------
    paths : mapping
        See :func:`paths_to`.
    nodes, edges, hosts : mapping, sequence, mapping
        As in a report; outlets are the edges with a latency.
    made_on : mapping of str to str
        The host on which each stream is made, or comes in. A way that ends on another host than it began on is known
        to ``uncertainty`` seconds only: what the clocks of the two may be off.
    """
    rows = []
    for edge in edges:
        if "latency_p50" not in edge:
            continue
        latency = edge["latency_p50"]
        rows.append(
            {
                "stream": edge["stream"],
                "to": edge["to"],
                "latency_p50": latency,
                "latency_p99": edge["latency_p99"],
                "ahead": edge["ahead"],
                "paths": [
                    {
                        **_parts(source, way, nodes, latency),
                        "uncertainty": _uncertainty(made_on.get(source), made_on.get(edge["stream"]), hosts),
                    }
                    for source, way in paths.get(edge["stream"], ())
                ],
            }
        )
    return rows


def _parts(
    source: str, way: Sequence[str], nodes: Mapping[str, Mapping[str, Any]], latency: float | None
) -> dict[str, Any]:
    before = 0.0
    steps: list[dict[str, Any]] = []
    for node in way:
        age = nodes.get(node, {}).get("output_age_p50")
        steps.append({"node": node, "adds": None if age is None else age - before})
        before = before if age is None else age
    return {"from": source, "nodes": steps, "out": None if latency is None else latency - before}


def _uncertainty(first: str | None, last: str | None, hosts: Mapping[str, Mapping[str, Any]]) -> float:
    """By how many seconds the clocks of two hosts may disagree; 0 for one and the same."""
    if first == last:
        return 0.0
    clocks = [hosts.get(host or "", {}).get("clock") for host in (first, last)]
    return sum(float(clock["uncertainty"]) for clock in clocks if clock is not None)
