"""From the plan of a run to that of one of its hosts: the same rows everywhere, but only its own rings and paths. Pure.

Rows of streams, edges and nodes are numbered over the whole run, so that reports of several hosts go together; each is
counted on one host, and stays 0 on the boards of the others.
"""

from __future__ import annotations

from dataclasses import replace

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
    links = _links(plan, layout)
    incoming = {crossing.stream: made_on[crossing.stream] for crossing in links if crossing.to == host}
    outgoing = tuple(crossing for crossing in links if made_on[crossing.stream] == host)
    rows = {edge.index for edge, _ in plan.edges if layout.nodes[edge.node] == host}
    rows |= {sink.edge for sink in plan.sinks if made_on[sink.stream] == host}
    rows |= {crossing.edge for crossing in outgoing}
    crossing_rows: dict[str, tuple[int, ...]] = {}
    for crossing in outgoing:
        crossing_rows[crossing.stream] = (*crossing_rows.get(crossing.stream, ()), crossing.edge)
    ports = {
        name: replace(
            port,
            address=paths.stream(port.index, plan.transport),
            edges=tuple(row for row in (*port.edges, *crossing_rows.get(name, ())) if row in rows),
        )
        for name, port in plan.ports.items()
        if made_on[name] == host or name in incoming
    }
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
    )


def _links(plan: Plan, layout: Layout) -> tuple[Crossing, ...]:
    """Everything that crosses; rows behind those of nodes and outlets."""
    first = len(plan.edges) + len(plan.sinks)
    found = []
    for row, (stream, _, to) in enumerate(layout.crossings(plan.graph), first):
        there = [edge.input for edge in plan.graph.consumers(stream) if layout.nodes[edge.node] == to]
        waits = [wanted.block_timeout for wanted in there if wanted.policy == "block"]
        found.append(Crossing(stream, to, row, "block" if waits else "fifo", max(waits, default=1.0)))
    return tuple(found)
