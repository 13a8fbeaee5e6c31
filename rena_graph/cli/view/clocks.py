"""How the clocks of a run's hosts stand to graph time, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rena_graph.cli.view.numbers import duration

__all__ = ["clock_lines"]


def clock_lines(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each host whose own clock is not graph time, once it is known."""
    known = [(name, host["clock"]) for name, host in hosts.items() if host.get("clock") is not None]
    return [
        f"clock of {name}: graph time is {clock['offset']:+.6f} s, drift {clock['drift'] * 1e6:+.1f} ppm, "
        f"known to {duration(clock['uncertainty'])}, round trip {duration(clock['round_trip'])}"
        for name, clock in known
    ]
