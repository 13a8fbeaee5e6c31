"""How long a host goes on without a word from the coordinator: cut off, it must not run on beside its successor."""

from __future__ import annotations

__all__ = ["ABANDONED_AFTER", "LEASE_SECONDS", "Lease"]

LEASE_SECONDS = 10.0
"""Nothing is placed anew elsewhere before this has surely passed."""
ABANDONED_AFTER = 30.0
"""Then nobody will come back: what is here of the run ends, where no session process sees to it."""


class Lease:
    """Renewed by each sign of the coordinator's life: that it took what it was told, which is every beat.

    Parameters
    ----------
    now : float
        Seconds.
    """

    def __init__(self, now: float) -> None:
        self._told_at = now
        self.held = False
        """Whether nodes and outlets are to wait."""

    def heard(self, told_at: float) -> None:
        """The coordinator has taken what it was told then: when it took it, or answered, nobody here knows."""
        self._told_at = max(self._told_at, told_at)

    def look(self, now: float) -> bool | None:
        """Whether to hold (True) or to let go (False); None where nothing changes."""
        over = now - self._told_at > LEASE_SECONDS
        if over == self.held:
            return None
        self.held = over
        return over

    def abandoned(self, now: float) -> bool:
        """Whether no coordinator is to be expected any more."""
        return now - self._told_at > ABANDONED_AFTER
