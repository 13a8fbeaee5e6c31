"""Rounds of a hop, the floor's and ours in turn, and the figures that come of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rena_graph.bench.figures import Figure, Hops
from rena_graph.bench.floor import measure_floor
from rena_graph.bench.graph_hop import run_hop
from rena_graph.bench.payload import Payload
from rena_graph.bench.rows import Bench

__all__ = ["HopRounds", "measure_hops"]


@dataclass
class HopRounds:
    """What the rounds gave, one entry a round."""

    floor: list[Hops] = field(default_factory=list)
    ours: list[Hops] = field(default_factory=list)
    own_cost: dict[str, list[float]] = field(default_factory=dict)

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

    def lost(self, what: str) -> Figure:
        """The line of the messages that did not arrive: none may be missing."""
        return Figure(f"{what}, lost", "messages", tuple(float(hops.lost) for hops in self.ours), at_most=0.0)

    def costs(self, what: str) -> list[Figure]:
        """What a loop of each node took beyond its script."""
        return [
            Figure(f"{what}, own cost of the {node}", "µs a loop", tuple(values))
            for node, values in self.own_cost.items()
        ]


def measure_hops(bench: Bench, payload: Payload, access: Literal["copy", "view"], window: float) -> HopRounds:
    """Measure floor and graph in turn, whichever comes first changing from round to round."""
    rounds = HopRounds()
    messages = payload.quick_messages if bench.quick else payload.messages
    address = bench.ray()

    def floor() -> None:
        times = measure_floor(payload, messages, copy=access == "copy")
        rounds.floor.append(Hops.of(times, messages))

    def ours() -> None:
        run = run_hop(payload, messages, address, access=access, window=window)
        rounds.ours.append(Hops.of(run.times, messages))
        for node, cost in run.own_cost.items():
            rounds.own_cost.setdefault(node, []).append(cost)

    for k in range(bench.rounds):
        bench.say(f"{payload.name}, {access}: round {k + 1} of {bench.rounds}")
        for measure in (floor, ours) if k % 2 == 0 else (ours, floor):
            measure()
    return rounds
