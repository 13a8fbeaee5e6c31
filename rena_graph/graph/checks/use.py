"""Warnings of parts of a graph that nothing uses."""

from __future__ import annotations

from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph
from rena_graph.graph.wording import quote

__all__ = ["check"]


def check(graph: Graph, findings: Findings) -> None:
    """G251 to G253; only for documents that could be read in full, since what is broken may be what uses them."""
    for stream in graph.streams.values():
        if graph.consumers(stream.name):
            continue
        if stream.producer is None:
            message = f"no node takes the external stream {quote(stream.name)}"
            hint = "add it to a node's inputs, or take it out"
            findings.add("G252", ("streams", stream.name), message, hint=hint, at="key")
        elif stream.sinks.lsl is None and stream.sinks.zmq is None:
            message = f"no node takes {quote(stream.name)}, and it is not broadcast"
            hint = 'add it to a node\'s inputs, or broadcast it with "to": {"lsl": {}}'
            findings.add("G251", ("nodes", stream.producer, "outputs", stream.name), message, hint=hint, at="key")
    for name, node in graph.nodes.items():
        if not node.inputs and not node.outputs:
            message = f"{name} takes nothing and makes nothing"
            findings.add("G253", ("nodes", name), message, hint="give it inputs or outputs", at="key")
