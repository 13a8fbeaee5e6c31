"""Where each node would run, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable

from rena_graph.cli.output import columns
from rena_graph.runtime.hosts.planner import Placement
from rena_graph.runtime.hosts.traffic import Crossing

__all__ = ["placement_lines"]


def placement_lines(graph: str, placement: Placement) -> list[str]:
    """The plan for people: by host, then by link."""
    lines = [f"{graph}: this would run, nothing was started", ""]
    rows = []
    for i, machine in enumerate(placement.machines):
        nodes = [name for name, host in placement.nodes.items() if host == machine.name]
        streams = [name for name, host in placement.streams.items() if host == machine.name]
        does = [f"runs {', '.join(nodes)}"] if nodes else []
        does += [f"takes in {', '.join(streams)}"] if streams else []
        does += ["the coordinator"] if i == 0 else []
        rows.append((str(machine), "; ".join(does) or "nothing"))
    lines += ["hosts:", *_indented(rows), ""]
    if not placement.crossings:
        return [*lines, "nothing flows between hosts"]
    lines.append("between hosts, once for each host that takes it:")
    lines += _indented((c.stream, f"{c.source} → {c.target}", _megabits([c])) for c in placement.crossings)
    links: dict[tuple[str, str], list[Crossing]] = {}
    for crossing in placement.crossings:
        links.setdefault((crossing.source, crossing.target), []).append(crossing)
    lines += ["", "by link:"]
    return lines + _indented((f"{a} → {b}", _megabits(found)) for (a, b), found in links.items())


def _megabits(found: list[Crossing]) -> str:
    known = sum(c.bits for c in found if c.bits is not None)
    unknown = [c for c in found if c.bits is None]
    if not unknown:
        return f"{known / 1e6:.2f} Mbit/s"
    return f"{known / 1e6:.2f} Mbit/s and more: its rate is known only once it flows" if known else "unknown, irregular"


def _indented(rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"  {line}" for line in columns(rows)]
