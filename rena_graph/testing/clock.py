"""A clock that stands still until it is told to go on."""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """A :class:`rena_graph.runtime.clock.Clock` for tests.

    Kept in whole nanoseconds, so that many small steps add up exactly.

    Parameters
    ----------
    start : float
        Graph time at the beginning, in seconds.
    unix_start : float
        Seconds since 1970 at the beginning.
    """

    def __init__(self, start: float = 1000.0, unix_start: float = 1_700_000_000.0) -> None:
        self._start_ns = self._ns = round(start * 1e9)
        self._unix_start = unix_start

    def now(self) -> float:
        """Seconds of graph time."""
        return self._ns / 1e9

    def now_ns(self) -> int:
        """The same in nanoseconds."""
        return self._ns

    def unix(self) -> float:
        """Seconds since 1970, going on as graph time does."""
        return self._unix_start + (self._ns - self._start_ns) / 1e9

    def advance(self, seconds: float) -> None:
        """Go on by so many seconds.

        Raises
        ------
        ValueError
            `seconds` is negative: this clock, as the one that it stands for, never runs backwards.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot go back: advance({seconds!r})")
        self._ns += round(seconds * 1e9)

    def advance_to(self, now: float) -> None:
        """Go on to graph time `now`; stay where it is not later."""
        self._ns = max(self._ns, round(now * 1e9))
