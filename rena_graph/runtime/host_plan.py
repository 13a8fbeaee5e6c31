"""From the plan of a run to that of one of its hosts: the same rows everywhere, but only its own rings and paths. Pure.

Rows of streams, edges and nodes are numbered over the whole run, so that reports of several hosts go together; each is
counted on one host, and stays 0 on the boards of the others. Where nodes may be moved, once their host is lost, there
are rows for the links that would then be there, and they stay the same rows whatever moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rena_graph.runtime.hosts.anew import hosts_of
from rena_graph.runtime.hosts.layout import Layout
from rena_graph.runtime.plan import Crossing, HostPaths, Plan

__all__ = ["plan_of_host"]


def plan_of_host(plan: Plan, layout: Layout, host: str, paths: HostPaths) -> Plan:
    """What `host` has of a run.

    Parameters
    ----------
    plan : Plan
        Of the whole run, as :func:`~rena_graph.runtime.plan.make_plan` gives it.
    layout : Layout
        Who is where.
    host : str
        Its name there.
    paths : HostPaths
        Its own.
    """
    graph = plan.graph
    made_on = layout.made_on(graph)
    kept = _rows(plan, layout)
    links = _links(plan, layout, kept)
    incoming = {crossing.stream: made_on[crossing.stream] for crossing in links if crossing.to == host}
    outgoing = tuple(crossing for crossing in links if made_on[crossing.stream] == host)
    rows = {edge.index for edge, _ in plan.edges if layout.nodes[edge.node] == host}
    rows |= {sink.edge for sink in plan.sinks if made_on[sink.stream] == host}
    rows |= {crossing.edge for crossing in outgoing}
    crossing_rows: dict[str, tuple[int, ...]] = {}
    for crossing in outgoing:
        crossing_rows[crossing.stream] = (*crossing_rows.get(crossing.stream, ()), crossing.edge)
    later = _later(plan, kept)
    ports = {}
    for name, port in plan.ports.items():
        if made_on[name] == host or name in incoming:
            edges = tuple(row for row in (*port.edges, *crossing_rows.get(name, ())) if row in rows)
            others = tuple(row for row in later.get(name, ()) if row not in edges)
            address = paths.stream(port.index, plan.transport)
            ports[name] = replace(port, address=address, edges=edges, later=others)
    return replace(
        plan,
        paths=paths,
        ports=ports,
        node_rows={name: row for name, row in plan.node_rows.items() if layout.nodes[name] == host},
        host=host,
        links=links,
        incoming=incoming,
        outgoing=outgoing,
        own_clock=host == layout.here,
        link_rows=len(kept),
        crossable=tuple(plan.ports.values()) if layout.several else (),
    )


def _rows(plan: Plan, layout: Layout) -> dict[tuple[str, str], int]:
    """The row of every link that there is or may come to be, by stream and host; behind those of nodes and outlets."""
    if not layout.several:
        return {}
    links = [(stream, to) for stream, _, to in layout.first.crossings(plan.graph)]
    may_be = hosts_of(plan.graph, layout.first)
    for stream in plan.graph.streams:
        takers = {host for edge in plan.graph.consumers(stream) for host in may_be[edge.node]}
        producer = plan.graph.streams[stream].producer
        makers = {layout.streams[stream]} if producer is None else may_be[producer]
        links += [(stream, host) for host in layout.addresses if host in takers and makers - {host}]
    first = len(plan.edges) + len(plan.sinks)
    return {link: row for row, link in enumerate(dict.fromkeys(links), first)}


def _later(plan: Plan, kept: Mapping[tuple[str, str], int]) -> dict[str, tuple[int, ...]]:
    """By stream all rows of readers that a writer may once have to wait for; none in a run on one host."""
    found: dict[str, tuple[int, ...]] = {}
    for (stream, _), row in kept.items():
        found[stream] = (*found.get(stream, plan.ports[stream].edges), row)
    return found


def _links(plan: Plan, layout: Layout, rows: Mapping[tuple[str, str], int]) -> tuple[Crossing, ...]:
    """Everything that crosses, by row."""
    found = []
    for stream, _, to in layout.crossings(plan.graph):
        row = rows[stream, to]
        there = [edge.input for edge in plan.graph.consumers(stream) if layout.nodes[edge.node] == to]
        waits = [wanted.block_timeout for wanted in there if wanted.policy == "block"]
        found.append(Crossing(stream, to, row, "block" if waits else "fifo", max(waits, default=1.0)))
    return tuple(sorted(found, key=lambda crossing: crossing.edge))
