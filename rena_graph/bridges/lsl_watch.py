"""When a silent LSL stream is to be thought lost: a pure machine, fed with what was heard and when."""

from __future__ import annotations

__all__ = ["SilenceWatch", "SmoothOffset"]

PROBE_TIMEOUT = 0.25
"""Seconds in which an outlet that is still there answers."""

_QUIET = 0.4
"""Seconds of silence after which a regular stream is asked whether it is there: two probes later a second is over."""

_QUIET_IRREGULAR = 5.0
"""Seconds likewise for an irregular stream, which may be silent for minutes: only its outlet must answer."""

_MISSES = 2
"""Probes in a row that stay without an answer: a single packet may get lost."""

_AGAIN = 1.0
"""Seconds between probes of a silent regular stream that answers."""


class SilenceWatch:
    """Tells when to ask a silent outlet whether it is still there, and when to give it up.

    A closed connection tells at once that an outlet is gone; this is for outlets that vanish without one: a cable
    pulled, a machine off, a process stopped.

    Parameters
    ----------
    rate : float
        Nominal rate in Hz; 0 is irregular.
    now : float
        Seconds of any steady clock.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._quiet = max(_QUIET, 3.0 / rate) if rate > 0 else _QUIET_IRREGULAR
        self._again = _AGAIN if rate > 0 else _QUIET_IRREGULAR
        self._next_probe = now + self._quiet
        self._misses = 0
        self.lost = False

    def heard(self, now: float) -> None:
        """A sample came."""
        self._next_probe = now + self._quiet
        self._misses = 0
        self.lost = False

    def must_probe(self, now: float) -> bool:
        """Whether the outlet should be asked now."""
        return not self.lost and now >= self._next_probe

    def patience(self, now: float) -> float:
        """Seconds until the outlet should be asked, at least a hundredth."""
        return max(0.01, self._next_probe - now)

    def probed(self, answered: bool, now: float) -> None:
        """What came of it."""
        self._misses = 0 if answered else self._misses + 1
        self.lost = self._misses >= _MISSES
        # After a miss the second probe follows at once.
        self._next_probe = now + self._again if answered else now


class SmoothOffset:
    """A clock correction that follows its estimates slowly, so that timestamps stay even; a jump it follows at once."""

    JUMP = 0.005
    """Seconds beyond which an estimate is a clock that was set, not noise."""

    _SHARE = 0.1

    def __init__(self, value: float) -> None:
        self.value = value

    def update(self, estimate: float) -> bool:
        """Take in a new estimate in seconds. Whether it was a jump."""
        step = estimate - self.value
        jumped = abs(step) > self.JUMP
        self.value += step if jumped else self._SHARE * step
        return jumped
