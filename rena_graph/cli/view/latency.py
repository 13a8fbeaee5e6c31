"""How old data is: at each node when its loop sees it and when its outputs are out, and end to end at each outlet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rena_graph.cli.output import columns
from rena_graph.cli.view.numbers import duration

__all__ = ["age_lines", "sink_lines"]


def age_lines(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A table of the nodes of which it is known; no line where there is none."""
    keys = ("age_p50", "age_p99", "output_age_p50", "output_age_p99")
    rows = [
        (name, *(duration(node.get(key)) for key in keys))
        for name, node in nodes.items()
        if any(node.get(key) is not None for key in keys)
    ]
    return columns(rows, ("age of data", "at the loop", "p99", "outputs out", "p99")) if rows else []


def sink_lines(sinks: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each outlet whose latency is known: the median, the 99th percentile, and what the slowest way adds."""
    return [_line(sink) for sink in sinks if sink.get("latency_p50") is not None]


def _line(sink: Mapping[str, Any]) -> str:
    head = f"{sink['to']}: {duration(sink['latency_p50'])}, p99 {duration(sink['latency_p99'])}"
    ways = [way for way in sink.get("paths", ()) if all(step["adds"] is not None for step in way["nodes"])]
    if not ways:
        return head
    way = max(ways, key=lambda way: sum(step["adds"] for step in way["nodes"]))
    steps = [f"{step['node']} {duration(step['adds'])}" for step in way["nodes"]]
    out = [] if way["out"] is None else [f"out {duration(way['out'])}"]
    # Its ends are on two hosts, whose clocks may disagree by so much.
    doubt = f" (± {duration(way['uncertainty'])})" if way.get("uncertainty") else ""
    return f"{head}{doubt}, from {way['from']}: {', '.join([*steps, *out])}"
