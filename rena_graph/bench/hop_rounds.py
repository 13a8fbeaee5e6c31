"""Rounds of a hop, or of a chain of them: the floor's, ours and the peers' in turn, and their figures."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from rena_graph.bench.figures import Figure, Hops
from rena_graph.bench.floor import measure_floor
from rena_graph.bench.graph_hop import run_hop
from rena_graph.bench.payload import Payload
from rena_graph.bench.peers.chains import measure_peer
from rena_graph.bench.peers.installed import PEER_NAMES, find_interpreter, what_is_missing
from rena_graph.bench.rows import Bench

__all__ = ["HopRounds", "measure_hops"]

SPIN = 0.0003
"""Seconds, where nodes are awake before their data comes."""
_PEER_SHARE = 0.4
"""Of our messages, how many a peer sends: enough for a median, and its processes take long to start."""


@dataclass
class HopRounds:
    """What the rounds gave, one entry a round."""

    floor: list[Hops] = field(default_factory=list)
    ours: list[Hops] = field(default_factory=list)
    awake: list[Hops] = field(default_factory=list)
    """Ours with nodes that are awake before their data comes."""
    own_cost: dict[str, list[float]] = field(default_factory=dict)
    peers: dict[str, list[Hops]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """What to say of peers that are not installed."""

    def figure(self, what: str, quantile: Literal["p50", "p99"], at_most: float | None) -> Figure:
        """The line of one quantile, in microseconds."""
        return Figure(
            f"{what}, {quantile}",
            "µs",
            tuple(getattr(hops, quantile) for hops in self.ours),
            "floor",
            tuple(getattr(hops, quantile) for hops in self.floor),
            at_most,
        )

    def awake_figure(self, what: str, quantile: Literal["p50", "p99"], at_most: float | None) -> Figure:
        """The same with nodes that are awake before their data comes."""
        return replace(
            self.figure(f"{what}, spin {SPIN * 1e3:g} ms", quantile, at_most),
            ours=tuple(getattr(hops, quantile) for hops in self.awake),
        )

    def lost(self, what: str) -> Figure:
        """The line of the messages that did not arrive: none may be missing."""
        return Figure(f"{what}, lost", "messages", tuple(float(hops.lost) for hops in self.ours), at_most=0.0)

    def costs(self, what: str) -> list[Figure]:
        """What a loop of each node took beyond its script."""
        return [
            Figure(f"{what}, own cost of the {node}", "µs a loop", tuple(values))
            for node, values in self.own_cost.items()
        ]

    def against_peers(self, what: str, at_most: float | None) -> list[Figure]:
        """A line for each peer; the target is for the best of those that are installed."""
        ours = tuple(hops.p50 for hops in self.ours)
        theirs = {peer: tuple(hops.p50 for hops in rounds) for peer, rounds in self.peers.items()}
        best = min(theirs, key=lambda peer: statistics.median(theirs[peer]), default=None)
        return [
            *(
                Figure(f"{what}, p50", "µs", ours, PEER_NAMES[peer], values, at_most if peer == best else None)
                for peer, values in theirs.items()
            ),
            *(
                Figure(f"{what}, p50", "µs", ours, PEER_NAMES[peer], (), at_most, missing=why)
                for peer, why in self.missing.items()
            ),
        ]


def measure_hops(
    bench: Bench,
    payload: Payload,
    access: Literal["copy", "view"],
    window: float,
    *,
    hops: int = 1,
    peers: Sequence[str] = (),
    awake: bool = False,
) -> HopRounds:
    """Measure floor, graph and peers in turn, whichever comes first changing from round to round.

    Parameters
    ----------
    payload, access, window, hops
        See :func:`~rena_graph.bench.graph_hop.hop_document`.
    peers : sequence of str
        Those to measure too, where they are installed.
    awake : bool
        Measure the graph also with nodes that are awake before their data comes.
    """
    rounds = HopRounds()
    messages = payload.quick_messages if bench.quick else payload.messages
    address = bench.ray()

    def floor() -> None:
        times = measure_floor(payload, messages, copy=access == "copy", hops=hops)
        rounds.floor.append(Hops.of(times, messages))

    def ours() -> None:
        run = run_hop(payload, messages, address, access=access, window=window, hops=hops)
        rounds.ours.append(Hops.of(run.times, messages))
        for node, cost in run.own_cost.items():
            rounds.own_cost.setdefault(node, []).append(cost)

    def theirs(peer: str) -> None:
        assert bench.peers is not None
        sent = max(messages // 4, int(_PEER_SHARE * messages))
        times = measure_peer(peer, bench.peers, payload, sent, hops=hops)
        rounds.peers.setdefault(peer, []).append(Hops.of(times, sent))

    def spinning() -> None:
        run = run_hop(payload, messages, address, access=access, window=window, hops=hops, spin=SPIN)
        rounds.awake.append(Hops.of(run.times, messages))

    turns: list[Callable[[], None]] = [floor, ours, *([spinning] if awake else [])]
    for peer in peers:
        if find_interpreter(peer, bench.peers) is None:
            rounds.missing[peer] = what_is_missing(peer, bench.peers)
        else:
            turns.append(partial(theirs, peer))
    for k in range(bench.rounds):
        bench.say(f"{payload.name}, {access}, {hops} hop(s): round {k + 1} of {bench.rounds}")
        for measure in turns if k % 2 == 0 else reversed(turns):
            measure()
    return rounds
