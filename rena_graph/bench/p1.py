"""P1: one hop of a small message, as scripts see it."""

from __future__ import annotations

from rena_graph.bench.figures import Figure
from rena_graph.bench.hop_rounds import measure_hops
from rena_graph.bench.payload import PAYLOADS
from rena_graph.bench.rows import Bench

__all__ = ["measure"]

AT_MOST = 1.5
OF_BEST_PEER = 0.25
PEERS = ("ezmsg", "dora", "timeflux")
WINDOW = 1.0
"""Seconds that the consumer's input window holds: a node's default."""


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    payload = PAYLOADS["small"]
    rounds = measure_hops(bench, payload, "copy", WINDOW, peers=PEERS, awake=True)
    what = payload.name
    return [
        rounds.figure(what, "p50", AT_MOST),
        rounds.figure(what, "p99", AT_MOST),
        rounds.awake_figure(what, "p50", AT_MOST),
        rounds.awake_figure(what, "p99", AT_MOST),
        rounds.lost(what),
        *rounds.against_peers(what, OF_BEST_PEER),
        *rounds.costs(what),
    ]
