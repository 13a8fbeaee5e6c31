"""Whether a silent LSL outlet is still there: asks the network for it, without ever waiting for the answer."""

from __future__ import annotations

from rena_graph.bridges.lsl_search import Search
from rena_graph.bridges.lsl_watch import PROBE_TIMEOUT, SilenceWatch

__all__ = ["Presence"]

_POLL = 0.02
_LONGEST = 0.2


class Presence:
    """Follows one outlet.

    Parameters
    ----------
    uid : str
        Of the outlet.
    rate : float
        Nominal rate in Hz.
    now : float
        Seconds of any steady clock, here and below.
    """

    def __init__(self, uid: str, rate: float, now: float) -> None:
        self._uid = uid
        self._watch = SilenceWatch(rate, now)
        self._probe: Search | None = None
        self._until = 0.0

    @property
    def lost(self) -> bool:
        """Whether it was silent and did not answer."""
        return self._watch.lost

    def heard(self, now: float) -> None:
        """A sample came, or the outlet was seen."""
        self._watch.heard(now)
        self.close()

    def silent(self, now: float) -> bool:
        """No sample came; asks, or looks whether there is an answer. Whether it was found to be lost just now."""
        if self._probe is None:
            if not self._watch.must_probe(now):
                return False
            self._probe, self._until = Search(f"uid='{self._uid}'"), now + PROBE_TIMEOUT
        answered = bool(self._probe.results())
        if not answered and now < self._until:
            return False
        self.close()
        self._watch.probed(answered, now)
        return self.lost

    def patience(self, now: float) -> float:
        """Seconds to wait for samples: less while the outlet is asked, or is soon to be."""
        if self._probe is not None:
            return _POLL
        return _LONGEST if self.lost else min(_LONGEST, self._watch.patience(now))

    def close(self) -> None:
        """Stop asking."""
        if self._probe is not None:
            self._probe.close()
            self._probe = None
