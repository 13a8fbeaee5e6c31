"""From this host's clock to graph time, never jumping back: a line that is bent towards the newest estimate. Pure.

A stream that runs must not see time jump. So a better estimate does not replace the line; it changes how steep the
line is, until both meet.
"""

from __future__ import annotations

from dataclasses import dataclass

from rena_graph.runtime.hosts.offset import Estimate

__all__ = ["Line", "Slew"]

_MOST = 500e-6
"""Seconds a second by which graph time may be hurried or held up, as by NTP: far from any rate's tolerance."""
_HORIZON = 2.0
"""Seconds within which a small error is to be gone."""
_LEAP = 0.1
"""Seconds by which graph time may be late before it leaps forwards: this host was suspended, and its clock with it."""


@dataclass(frozen=True)
class Line:
    """Graph time is ``local + offset + slope * (local - at)``."""

    at: float
    offset: float
    slope: float

    def offset_at(self, local: float) -> float:
        """Graph time minus local time, at a local time."""
        return self.offset + self.slope * (local - self.at)


class Slew:
    """Keeps the line; graph time never runs backwards, nor away from its estimate for good."""

    def __init__(self) -> None:
        self.line: Line | None = None
        self.error = 0.0
        """Seconds that the line was off the newest estimate, when it came."""
        self.leaps = 0

    def aim(self, local: float, estimate: Estimate) -> Line:
        """Bend towards `estimate`, from the local time `local` (seconds) on."""
        wanted = estimate.offset_at(local)
        if self.line is None:
            self.line = Line(local, wanted, estimate.drift)
            return self.line
        held = self.line.offset_at(local)
        self.error = wanted - held
        if self.error > _LEAP:
            self.leaps += 1
            self.line = Line(local, wanted, estimate.drift)
            return self.line
        bend = min(_MOST, max(-_MOST, self.error / _HORIZON))
        self.line = Line(local, held, estimate.drift + bend)
        return self.line
