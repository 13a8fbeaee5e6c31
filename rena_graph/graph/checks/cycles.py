"""Checks that the edges make no cycle, but for those that are delayed, and prints the cycles that there are."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph
from rena_graph.graph.problems import JsonPath
from rena_graph.graph.shape import Draft
from rena_graph.graph.wording import quote

__all__ = ["check"]

MAX_PRINTED = 12


def check(graph: Graph, draft: Draft, findings: Findings) -> None:
    """G205, once for each group of nodes that hang together in cycles, with a shortest cycle of it."""
    if len(graph.order) == len(graph.nodes):
        return
    import networkx as nx

    dag = graph.dag()
    places = {node: index for index, node in enumerate(graph.nodes)}
    for group in nx.strongly_connected_components(dag):
        first = min(group, key=places.__getitem__)
        if len(group) == 1 and not dag.has_edge(first, first):
            continue
        cycle = _shortest_cycle(first, group, {node: list(dag.successors(node)) for node in group})
        streams = dag.edges[cycle[-1], first]["streams"]
        findings.add(
            "G205",
            _closing_input(first, streams, graph, draft),
            f"a cycle: {_printed([*cycle, first])}",
            found=f"{first} takes {quote(streams[0])}, which is made from its own outputs",
            allowed="cycles through a delayed input only",
            hint=f'if {first} may see it one loop late: {{"stream": {quote(streams[0])}, "delayed": true}}',
        )


def _shortest_cycle(first: str, group: Collection[str], after: dict[str, list[str]]) -> list[str]:
    """The nodes of a shortest way from `first` back to itself."""
    came_from: dict[str, str] = {}
    queue = deque([first])
    while queue:
        node = queue.popleft()
        for successor in after[node]:
            if successor == first:
                way = [node]
                while way[-1] != first:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if successor in group and successor not in came_from:
                came_from[successor] = node
                queue.append(successor)
    raise AssertionError(f"{first} is in no cycle")  # a strongly connected group has one through each of its nodes


def _closing_input(node: str, streams: list[str], graph: Graph, draft: Draft) -> JsonPath:
    for index, input_ in enumerate(graph.nodes[node].input_defs):
        if input_.stream in streams and not input_.delayed:
            return draft.input_path(node, index)
    return ("nodes", node)


def _printed(way: list[str]) -> str:
    if len(way) > MAX_PRINTED:
        left_out = f"… ({len(way) - MAX_PRINTED + 1:,} more) …"
        way = [*way[: MAX_PRINTED - 3], left_out, *way[-2:]]
    return " → ".join(way)
