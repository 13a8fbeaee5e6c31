"""What a row measured: ours and what it is held against, round by round, and whether the target is met."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rena_graph.bench.payload import WARMUP

__all__ = ["Figure", "Hops", "Spread", "Verdict"]

Verdict = Literal["met", "missed", "no target", "not measured"]


@dataclass(frozen=True)
class Spread:
    """The middle of several rounds, and how far they lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of the rounds' values; all NaN where there are none."""
        if not values:
            return cls(math.nan, math.nan, math.nan)
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Parameters
    ----------
    what : str
        What was measured, in a few words.
    unit : str
        Of `ours` and `reference`.
    ours : tuple of float
        One value a round.
    against : str
        What `reference` is: the floor, a bare loop, a peer; empty where there is nothing to compare with.
    reference : tuple of float
        One value a round, of the same round.
    at_most : float | None
        The target: the ratio (where there is a reference) or the value that the median may not exceed.
    at_least : float | None
        The same for what may not be less.
    counted : bool
        The values are counts, often 0, whose sums over the rounds are compared instead of each round's ratio.
    missing : str
        Why there is nothing to judge, where that is so.
    """

    what: str
    unit: str
    ours: tuple[float, ...]
    against: str = ""
    reference: tuple[float, ...] = ()
    at_most: float | None = None
    at_least: float | None = None
    counted: bool = False
    missing: str = ""

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ours over the reference: of each round, or of all rounds together where they are counts."""
        if self.counted:
            ours, reference = [sum(self.ours)], [sum(self.reference)]
        else:
            ours, reference = list(self.ours), list(self.reference)
        ratios = (a / b for a, b in zip(ours, reference, strict=False) if b > 0)
        return tuple(ratio for ratio in ratios if not math.isnan(ratio))

    @property
    def verdict(self) -> Verdict:
        """Whether the target is met."""
        if self.missing or not self.ours or any(map(math.isnan, self.ours)):
            return "not measured"
        if self.at_most is None and self.at_least is None:
            return "no target"
        if not self.against:
            return self._judge(statistics.median(self.ours))
        if self.counted and self.at_most is not None:
            # Not the ratio, which two counts of zero do not have.
            return "met" if sum(self.ours) <= self.at_most * sum(self.reference) else "missed"
        return self._judge(statistics.median(self.ratios)) if self.ratios else "not measured"

    def _judge(self, value: float) -> Verdict:
        high = math.inf if self.at_most is None else self.at_most
        low = -math.inf if self.at_least is None else self.at_least
        return "met" if low <= value <= high else "missed"

    def as_json(self) -> dict[str, Any]:
        """For the record."""
        ratio = Spread.of(self.ratios)
        return {
            "what": self.what,
            "unit": self.unit,
            "against": self.against or None,
            "ours": [_known(value) for value in self.ours],
            "reference": [_known(value) for value in self.reference],
            "ratio": {"median": ratio.median, "min": ratio.low, "max": ratio.high} if self.ratios else None,
            "at_most": self.at_most,
            "at_least": self.at_least,
            "verdict": self.verdict,
            "missing": self.missing or None,
        }


def _known(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


@dataclass(frozen=True)
class Hops:
    """How long the messages of one round were on their way.

    Attributes
    ----------
    p50, p99 : float
        Microseconds; NaN where too few arrived.
    lost : int
        Messages that never arrived.
    """

    p50: float
    p99: float
    lost: int

    @classmethod
    def of(cls, times: NDArray[np.int64], sent: int) -> Hops:
        """From rows of (sequence number, nanoseconds sent, nanoseconds arrived), the first messages left out."""
        counted = times[times[:, 0] >= WARMUP]
        lost = sent - len(np.unique(times[:, 0]))
        if not len(counted):
            return cls(math.nan, math.nan, lost)
        took = (counted[:, 2] - counted[:, 1]) / 1e3
        p50, p99 = np.percentile(took, [50, 99])
        return cls(float(p50), float(p99), lost)
