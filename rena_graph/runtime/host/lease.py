"""How long a host goes on without a word from the coordinator: cut off, it must not run on beside its successor."""

from __future__ import annotations

__all__ = ["LEASE_SECONDS", "Lease"]

LEASE_SECONDS = 10.0
"""Nothing is placed anew elsewhere before this has surely passed."""


class Lease:
    """Renewed by each sign of the coordinator's life: that it took what it was told, which is every beat.

    Parameters
    ----------
    now : float
        Seconds.
    """

    def __init__(self, now: float) -> None:
        self._heard_at = now
        self.held = False
        """Whether nodes and outlets are to wait."""

    def heard(self, now: float) -> None:
        """The coordinator is there."""
        self._heard_at = now

    def look(self, now: float) -> bool | None:
        """Whether to hold (True) or to let go (False); None where nothing changes."""
        over = now - self._heard_at > LEASE_SECONDS
        if over == self.held:
            return None
        self.held = over
        return over
