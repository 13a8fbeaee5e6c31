"""P2: one hop of a large message, copied into the consumer's window, and looked at in place."""

from __future__ import annotations

from typing import Literal

from rena_graph.bench.figures import Figure
from rena_graph.bench.hop_rounds import measure_hops
from rena_graph.bench.payload import PAYLOADS
from rena_graph.bench.rows import Bench

__all__ = ["measure"]

AT_MOST = 1.3
WINDOW = 0.2
"""Seconds that the consumer's input window holds: six messages."""
ACCESSES: tuple[Literal["copy", "view"], ...] = ("copy", "view")


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    figures: list[Figure] = []
    for name in ("megabyte", "frame"):
        for access in ACCESSES:
            payload = PAYLOADS[name]
            rounds = measure_hops(bench, payload, access, WINDOW)
            what = f"{payload.name}, {access}"
            figures += [
                rounds.figure(what, "p50", AT_MOST),
                rounds.figure(what, "p99", None),
                rounds.lost(what),
            ]
    return figures
