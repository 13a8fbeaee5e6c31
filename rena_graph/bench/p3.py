"""P3: a small message through a chain of six nodes."""

from __future__ import annotations

from rena_graph.bench.figures import Figure
from rena_graph.bench.hop_rounds import measure_hops
from rena_graph.bench.payload import PAYLOADS
from rena_graph.bench.rows import Bench

__all__ = ["measure"]

AT_MOST = 1.5
HOPS = 5
PEERS = ("ezmsg", "dora")
WINDOW = 1.0
"""Seconds that each input window holds: a node's default."""


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    payload = PAYLOADS["small"]
    rounds = measure_hops(bench, payload, "copy", WINDOW, hops=HOPS, peers=PEERS, awake=True)
    what = f"{payload.name}, {HOPS} hops"
    return [
        rounds.figure(what, "p50", AT_MOST),
        rounds.figure(what, "p99", None),
        rounds.awake_figure(what, "p50", AT_MOST),
        rounds.lost(what),
        *rounds.against_peers(what, None),
    ]
