"""Phases of clocks: when in a period each node's deadline comes, so that data travels from source to sink within one.

Pure functions of the graph and of what was measured. A node's offset is the largest, over its parents, of the parent's
offset plus the time from the parent's deadline until its outputs are out (95 of 100 loops are quicker). Its phase is
the offset modulo its own period. Offsets are handed on unwrapped: a slow child behind a fast one behind a slow parent
waits for that parent's data, and a fast child of a slow parent has a tick just when the data is there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

__all__ = ["Stage", "cascade", "in_ratio", "moved", "spread"]

_SAME = 1e-9
"""How far the ratio of two rates may be off a whole number, relatively: what a run of a day does not notice."""
FREE_WITHIN = 1.0
"""Seconds within which the clocks begin that have no common phase."""


@dataclass(frozen=True)
class Stage:
    """One node, as far as phases are concerned.

    Parameters
    ----------
    rate : float | None
        Hz of its clock; None where data starts its loops.
    takes : float
        Seconds from its deadline (or, on data, from the arrival of its data) until its outputs are out.
    parents : tuple of str
        The nodes whose streams it takes, delayed edges left out; of a node on data those that start its loops.
    """

    rate: float | None
    takes: float
    parents: tuple[str, ...] = ()


def in_ratio(one: float, other: float) -> bool:
    """Whether one of two rates is a whole multiple of the other."""
    ratio = max(one, other) / min(one, other)
    return abs(ratio - round(ratio)) <= _SAME * ratio


def cascade(order: Sequence[str], stages: Mapping[str, Stage]) -> dict[str, float]:
    """The phase of each node on the clock, in seconds, from 0 up to its period.

    Parameters
    ----------
    order : sequence of str
        All nodes, each after its parents.
    stages : mapping
        By node.
    """
    phases: dict[str, float] = {}
    out: dict[str, dict[float, float]] = {}
    """For each node, by the rate of the clock behind it: when after a tick of that clock its outputs are out."""
    for node in order:
        stage = stages[node]
        arrivals: dict[float, float] = {}
        for parent in stage.parents:
            for rate, at in out[parent].items():
                arrivals[rate] = max(at, arrivals.get(rate, 0.0))
        if stage.rate is None:
            out[node] = {rate: at + stage.takes for rate, at in arrivals.items()}
            continue
        offset = max((at for rate, at in arrivals.items() if in_ratio(rate, stage.rate)), default=0.0)
        phases[node] = math.fmod(offset, 1.0 / stage.rate)
        # What takes longer than a period does not keep its rate: no phase of others could make up for that.
        out[node] = {stage.rate: offset + min(stage.takes, 1.0 / stage.rate)}
    return phases


def spread(node: str, rate: float) -> float:
    """A phase without regard to anybody: as programs of their own have it, but the same in each run."""
    share = int.from_bytes(blake2b(node.encode(), digest_size=4).digest(), "big") / 2**32
    return share * min(1.0 / rate, FREE_WITHIN)


def moved(before: float, after: float, rate: float) -> bool:
    """Whether a phase changed by so much that the node's deadlines are to be moved.

    Later by little matters: data that comes just after the deadline waits for a period. Earlier by little does not.
    """
    period = 1.0 / rate
    change = math.remainder(after - before, period)
    return change > 0.02 * period + 1e-4 or change < -(0.05 * period + 1e-4)
