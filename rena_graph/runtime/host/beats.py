"""When a host agent looks at its board, and which of its looks it tells the coordinator. Pure."""

from __future__ import annotations

__all__ = ["BEAT_SECONDS", "REPORT_EVERY", "Beats"]

BEAT_SECONDS = 0.25
REPORT_EVERY = 2
"""Beats from one full look at the board to the next, which is most of a beat's cost; who asks gets a fresh one."""


class Beats:
    """Counts them.

    A call over Ray costs both sides more than a look. The coordinator of another host is told of each beat, as a sign
    of life; that of the same host, which ends with it and needs none, only of those that say something.

    Parameters
    ----------
    elsewhere : bool
        Whether the coordinator is on another host.
    """

    def __init__(self, *, elsewhere: bool) -> None:
        self._elsewhere = elsewhere
        self._count = 0
        self._were_silent = False

    @property
    def full(self) -> bool:
        """Whether the next one says all that stands on the board."""
        return self._count % REPORT_EVERY == 0

    def to_tell(self, *, silent: bool, lines: bool) -> bool:
        """Whether this beat is told; then the next one's turn comes.

        Parameters
        ----------
        silent : bool
            Whether any node shows no sign of life.
        lines : bool
            Whether anything was printed or logged.
        """
        told = self.full or self._elsewhere or silent or self._were_silent or lines
        self._count += 1
        self._were_silent = silent
        return told
