"""All of one stream, in lines: what ``rena-graph stream info`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rena_graph.cli.output import columns
from rena_graph.cli.view.ledger import REASONS, source_lines
from rena_graph.cli.view.numbers import NONE, count, duration, rate

__all__ = ["info_lines"]


def info_lines(info: Mapping[str, Any]) -> list[str]:
    """`info` as :meth:`rena_graph.runtime.launch.stream_view.StreamView.info` gives it."""
    now = info["now"]
    names = info["channel_names"]
    rows = [
        ("stream", info["stream"]),
        ("format", f"{info['channels']} × {info['dtype']}" + (f" in {info['unit']}" if info["unit"] else "")),
        ("nominal rate", f"{rate(info['rate'])} Hz" if info["rate"] else "irregular"),
        ("reached", f"{rate(now.get('rate'))} Hz"),
        ("channels", ", ".join(names) if names else NONE),
        ("made by", f"node {info['producer']}" if info["producer"] else f"a source: {info['source']}, {_state(now)}"),
        *([("on", f"{info['host']}, another host")] if info["elsewhere"] else []),
        ("way", f"{info['transport']}, keeps {count(info['kept_samples'])} samples"),
        ("samples", count(now.get("produced", 0))),
        ("newest", "none yet" if now.get("age") is None else f"{duration(now['age'])} old"),
        ("writer", f"epoch {now.get('epoch', 0)}" + (", has ended" if now.get("ended") else "")),
    ]
    lines = columns(rows)
    lines += source_lines({info["stream"]: now})
    if not info["edges"]:
        return [*lines, "nobody takes it"]
    table = [
        (
            edge["to"],
            count(edge["produced"]),
            count(edge["delivered"]),
            count(sum(edge["dropped"].values())),
            count(edge["in_flight"]),
            "; ".join(f"{count(n)} {REASONS.get(why, why)}" for why, n in edge["dropped"].items() if n) or NONE,
        )
        for edge in info["edges"]
    ]
    return [*lines, "", *columns(table, ("taken by", "produced", "delivered", "dropped", "in flight", "why"))]


def _state(now: Mapping[str, Any]) -> str:
    return str(now.get("source_state") or "not started")
