"""The ledger in words: how many samples reached their readers, which edges dropped some, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rena_graph.cli.view.numbers import count

__all__ = ["REASONS", "ledger_lines", "source_lines"]

REASONS = {
    "overrun": "overwritten before they were read",
    "window": "left the input window before a loop saw them",
    "newest": "passed over since the node could not keep up, as its 'on_overload' asks",
    "latest": "skipped for newer ones, as the policy 'latest' asks",
    "view": "overtaken while a loop looked at them",
    "transport": "lost in ZMQ's queues",
    "restart": "passed while the node was away",
    "refused": "not taken by the outside",
    "link": "lost between two hosts",
    "host": "lost with the host on which the node was",
    "nan": "not finite, and kept from the script, as the input's 'on_nan' asks",
}
"""What each reason for a drop means."""


def ledger_lines(edges: Sequence[Mapping[str, Any]], *, ended: bool = True) -> list[str]:
    """The whole ledger: one line where nothing was dropped, else one more for each edge that dropped.

    Parameters
    ----------
    edges : sequence of mapping
        ``stream``, ``to``, ``produced``, ``delivered``, ``dropped`` (count by reason), ``in_flight``.
    ended : bool
        Whether these are the last figures: what is in flight then is left over, and all must add up.
    """
    if not edges:
        return ["ledger: this graph has no edges"]
    delivered = sum(edge["delivered"] for edge in edges)
    flying = sum(edge["in_flight"] for edge in edges)
    losers = [edge for edge in edges if any(edge["dropped"].values())]
    dropped = sum(sum(edge["dropped"].values()) for edge in losers)
    over = f"{len(edges)} edge{'s' if len(edges) != 1 else ''}"
    head = f"ledger: {count(delivered)} samples delivered over {over}, {count(dropped) if dropped else 'none'} dropped"
    lines = [f"{head}, {count(flying)} in flight{' at the end' if ended else ''}" if flying else head]
    lines += [_edge_line(edge) for edge in losers]
    lines += [
        f"  {edge['stream']} → {edge['to']} does not balance: produced {count(edge['produced'])} is not "
        f"{count(_accounted(edge))}. This is a bug of ours; please report it."
        for edge in edges
        if ended and edge["produced"] != _accounted(edge)
    ]
    return lines


def source_lines(streams: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each stream of which something was lost before it came to us, or was refused, coming or going."""
    lines = []
    for name, stream in streams.items():
        parts = []
        if stream.get("gaps"):
            lost = f", about {count(stream['lost'])} samples" if stream.get("lost") else ""
            parts.append(f"{count(stream['gaps'])} gap{'s' if stream['gaps'] != 1 else ''} on arrival{lost}")
        if stream.get("rejected"):
            parts.append(f"{count(stream['rejected'])} messages rejected")
        if parts:
            lines.append(f"source {name}: {'; '.join(parts)}")
        if left_out := stream.get("not_finite"):
            lines.append(f"output {name}: {count(left_out)} sample{'s' if left_out != 1 else ''} not finite, not sent")
    return lines


def _edge_line(edge: Mapping[str, Any]) -> str:
    whys = [
        f"{count(number)} {REASONS.get(reason, 'dropped')} ({reason})"
        for reason, number in edge["dropped"].items()
        if number
    ]
    total = sum(edge["dropped"].values())
    return f"  {edge['stream']} → {edge['to']}: {count(total)} of {count(edge['produced'])} dropped: {'; '.join(whys)}"


def _accounted(edge: Mapping[str, Any]) -> int:
    return int(edge["delivered"] + sum(edge["dropped"].values()) + edge["in_flight"])
