"""Where the nodes of a lost host go on: on other hosts of the same run, as far as their constraints allow. Pure.

A node is moved to a host that has a part of the run already: its software was looked at, scripts and files lie there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.model import Graph
from rena_graph.runtime.hosts.environment import has_own
from rena_graph.runtime.hosts.layout import Layout
from rena_graph.runtime.hosts.planner import may_be, place, together

__all__ = ["Anew", "hosts_of", "place_anew"]


@dataclass(frozen=True)
class Anew:
    """What becomes of a lost host's nodes.

    Parameters
    ----------
    moves : mapping of str to str
        By node, the host where it goes on.
    stuck : mapping of str to str
        The others, and why each cannot be anywhere else.
    """

    moves: Mapping[str, str]
    stuck: Mapping[str, str]


def hosts_of(graph: Graph, layout: Layout) -> dict[str, set[str]]:
    """The hosts on which each node is, or may ever come to be in this run."""
    return {
        node: {layout.nodes[node], *(() if _bound(graph, layout, node) else _allowed(graph, layout, node))}
        for node in graph.nodes
    }


def place_anew(graph: Graph, layout: Layout, host: str, lost: Collection[str]) -> Anew:
    """Find other hosts for the nodes of one.

    As many of them as possible are moved, those that the graph names first before others; nodes that say ``near``
    are moved together, or not at all. Nodes on other hosts stay where they are.

    Parameters
    ----------
    graph : Graph
        What runs.
    layout : Layout
        Who is where.
    host : str
        The one that is lost.
    lost : collection of str
        All that are lost; this one may be among them.
    """
    away = {*lost, host}
    stuck: dict[str, str] = {}
    moves: dict[str, str] = {}
    for group in together(graph):
        if layout.nodes[group[0]] != host:
            continue
        why = _why_not(graph, layout, group, away)
        tried = {} if why else _tried(graph, layout, away, {*moves, *group})
        if tried:
            moves = tried
        else:
            stuck |= dict.fromkeys(group, why or "the hosts that remain have too little of what it asks for")
    return Anew(moves, stuck)


def _tried(graph: Graph, layout: Layout, away: Collection[str], moving: Collection[str]) -> dict[str, str]:
    """A host for each of these, all the others staying; empty where that cannot be."""
    fixed = {node: host for node, host in layout.nodes.items() if node not in moving}
    try:
        placed = place(graph, layout.machines, fixed, entering=layout.streams, lost=away)
    except EnvironmentRefused:
        return {}
    return {node: placed.nodes[node] for node in graph.nodes if node in moving}


def _why_not(graph: Graph, layout: Layout, group: list[str], away: Collection[str]) -> str | None:
    """Why nodes that stay together have no other host, whatever it has; None where there are some."""
    for node in group:
        why = _bound(graph, layout, node)
        if why is None and not _allowed(graph, layout, node) - set(away):
            labels = ", ".join(f"{key}={value}" for key, value in graph.nodes[node].placement.labels.items())
            why = f"no host that remains has the label {labels}" if labels else "no host remains for it"
        if why is not None:
            return why if len(group) == 1 else f"node {node!r}, which is to be on one host with it, cannot: {why}"
    return None


def _bound(graph: Graph, layout: Layout, node: str) -> str | None:
    """Why this node can be on no other host than where it is; None where nothing holds it there."""
    definition = graph.nodes[node]
    if definition.placement.host is not None:
        return f"the graph wants it on host {definition.placement.host}"
    if definition.restart.policy == "never":
        return "the graph says that it is never begun anew"
    if has_own(graph, node):
        return "the packages that it asks for are on its host only"
    if any(output.to.lsl is not None or output.to.zmq is not None for output in definition.outputs.values()):
        return "what it makes leaves the graph from its host"
    if any(edge.input.lossless for edge in graph.inputs_of(node)):
        return "the graph says that it is to lose nothing, and with its host something is lost"
    if layout.nodes[node] == layout.here:
        return "the run ends with this host"
    return None


def _allowed(graph: Graph, layout: Layout, node: str) -> set[str]:
    return {machine.name for machine in layout.machines if may_be(graph.nodes[node].placement, machine)}
