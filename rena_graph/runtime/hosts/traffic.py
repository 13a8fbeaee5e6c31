"""What flows between hosts when each node and each external stream has its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rena_graph.graph.model import Graph, Stream
from rena_graph.streams.spec import StreamSpec

__all__ = ["Crossing", "bits_per_second", "crossings", "total"]

_STAMP_BYTES = 8
UNKNOWN = 1e3
"""Bits a second that a stream counts when nobody can say how much it carries: it should stay on one host too."""


@dataclass(frozen=True)
class Crossing:
    """One stream from its host to one other, where somebody takes it.

    Attributes
    ----------
    bits : float | None
        A second; None where rate or width are known only once it flows.
    """

    stream: str
    source: str
    target: str
    bits: float | None


def bits_per_second(stream: Stream) -> float | None:
    """What the stream carries: samples with their timestamps; None where that cannot be known before."""
    if stream.channels is None or not stream.rate or stream.dtype in (None, "string"):
        return None
    spec = StreamSpec(stream.name, stream.channels, str(stream.dtype), stream.rate)
    return 8.0 * stream.rate * (spec.sample_bytes + _STAMP_BYTES)


def crossings(graph: Graph, nodes: Mapping[str, str], streams: Mapping[str, str]) -> list[Crossing]:
    """Every stream that leaves its host, once for each host that takes it.

    Parameters
    ----------
    nodes, streams : mapping
        The host of each node, and of each external stream.
    """
    found = []
    for name, stream in graph.streams.items():
        source = nodes[stream.producer] if stream.producer is not None else streams[name]
        for target in dict.fromkeys(nodes[edge.node] for edge in graph.consumers(name)):
            if target != source:
                found.append(Crossing(name, source, target, bits_per_second(stream)))
    return found


def total(found: list[Crossing]) -> float:
    """Bits a second, all together."""
    return sum(UNKNOWN if crossing.bits is None else crossing.bits for crossing in found)
