"""How far another host's clock is from this one's: an estimate from round trips, as LSL and NTP make it. Pure.

A question that leaves at t0 and arrives at t1 by the other clock, and its answer, which leaves at t2 and arrives at t3,
say ``((t1 - t0) + (t2 - t3)) / 2``, and are wrong by at most half of the time that both were under way. So the round
trips that took least are the ones to believe (LSL: "Time Synchronization"; RFC 5905, section 8).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

__all__ = ["Estimate", "OffsetEstimator"]

WINDOW = 60.0
"""Seconds of round trips that an estimate is made from."""
_BINS = 20
_FIT_SPAN = 10.0
"""Seconds that the points must span before a drift can be told from noise."""
_MOST_DRIFT = 300e-6
"""Seconds a second; two quartz clocks differ by less."""
_EASE = 20e-6
"""Seconds by which a round trip may be longer than the shortest and count nearly as much."""


@dataclass(frozen=True)
class Estimate:
    """What to add to this host's clock to get the other one's.

    Attributes
    ----------
    at : float
        Seconds of this host's clock for which `offset` holds.
    offset : float
        Seconds: the other clock minus this one.
    drift : float
        Seconds a second by which the offset grows.
    uncertainty : float
        Seconds: what a path that is slower in one direction could hide, and what the points disagree by.
    round_trip : float
        Seconds of the shortest one.
    """

    at: float
    offset: float
    drift: float
    uncertainty: float
    round_trip: float

    def offset_at(self, local: float) -> float:
        """The offset at another moment of this host's clock."""
        return self.offset + self.drift * (local - self.at)


@dataclass(frozen=True)
class _Point:
    at: float
    offset: float
    trip: float


class OffsetEstimator:
    """Collects round trips; bounded: of each part of the window, the shortest one is kept."""

    def __init__(self, window: float = WINDOW) -> None:
        self._bin = window / _BINS
        self._points: deque[tuple[int, _Point]] = deque(maxlen=_BINS)
        self.count = 0
        """Round trips heard of."""

    def add(self, t0: float, t1: float, t2: float, t3: float) -> None:
        """One round trip: left here, arrived there, left there, arrived here. What cannot be is left out."""
        trip = (t3 - t0) - (t2 - t1)
        if not (math.isfinite(trip) and trip >= 0 and t2 >= t1):
            return
        self.count += 1
        point = _Point((t0 + t3) / 2, ((t1 - t0) + (t2 - t3)) / 2, trip)
        place = int(point.at // self._bin)
        if self._points and self._points[-1][0] == place:
            if trip < self._points[-1][1].trip:
                self._points[-1] = (place, point)
        else:
            self._points.append((place, point))
        while self._points[0][0] <= place - _BINS:
            self._points.popleft()

    def estimate(self) -> Estimate | None:
        """The best that can be said now; None before the first round trip."""
        if not self._points:
            return None
        points = [point for _, point in self._points]
        shortest = min(points, key=lambda point: point.trip)
        newest = points[-1].at
        if newest - points[0].at < _FIT_SPAN:
            return Estimate(shortest.at, shortest.offset, 0.0, shortest.trip / 2, shortest.trip)
        return self._fit(points, shortest.trip, newest)

    @staticmethod
    def _fit(points: list[_Point], shortest: float, newest: float) -> Estimate:
        """A line through the points, each weighted by how short its round trip was."""
        times = np.array([point.at for point in points]) - newest
        offsets = np.array([point.offset for point in points])
        base = offsets[-1]
        values = offsets - base
        weights = 1.0 / (np.array([point.trip for point in points]) - shortest + _EASE) ** 2
        weights /= weights.sum()
        middle, level = float(weights @ times), float(weights @ values)
        spread = float(weights @ (times - middle) ** 2)
        slope = float(weights @ ((times - middle) * (values - level))) / spread if spread > 0 else 0.0
        slope = min(_MOST_DRIFT, max(-_MOST_DRIFT, slope))
        residual = math.sqrt(float(weights @ (values - level - slope * (times - middle)) ** 2))
        offset = float(base + level - slope * middle)
        return Estimate(newest, offset, slope, shortest / 2 + residual, shortest)
