"""Which of the other hosts are there, by the beats of their agents: pure, time handed in.

A host is *silent* soon, which is said and shown, and nothing more: most links come back. It is *lost* once the lease of
its agent (:mod:`rena_graph.runtime.host.lease`) has surely run out; that is final, whatever it says later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["LOST_AFTER", "SILENT_AFTER", "Change", "HostState", "HostWatch"]

SILENT_AFTER = 1.5
"""Seconds without a beat, of which there are four a second: a connection repairs a second's hole within this."""
LOST_AFTER = 20.0
"""The ten seconds of a lease, and as many for nodes to be held, or ended by a guard, on a host that is busy."""
MADE_WITHIN = 60.0
"""Seconds that Ray has to make a host's first agent, until its first beat."""
MADE_ANEW_WITHIN = 30.0
"""The same of one that takes another's place, on a host that has just been heard."""
OWN_SLEEP = 0.5
"""A time between two looks from which on it was this process that did not run: that is nobody's silence."""


class HostState(Enum):
    """Where another host is, as seen from the coordinator's."""

    AWAITED = "awaited"
    """Its agent is being made."""
    UP = "up"
    SILENT = "silent"
    LOST = "lost"


@dataclass(frozen=True)
class Change:
    """A host is in another state than before.

    Parameters
    ----------
    host : str
        Which.
    state : HostState
        The new one.
    seconds : float
        How long it had been silent.
    why : str
        What is known of the cause; may be empty.
    """

    host: str
    state: HostState
    seconds: float
    why: str = ""


@dataclass
class _Host:
    heard: float
    since: float = 0.0
    """When it was heard last before it became silent."""
    state: HostState = HostState.AWAITED
    why: str = ""
    doomed: bool = False
    made_within: float = MADE_WITHIN


class HostWatch:
    """Knows when each host was heard last.

    Parameters
    ----------
    now : float
        Seconds.
    """

    def __init__(self, now: float) -> None:
        self._hosts: dict[str, _Host] = {}
        self._looked = now

    def expect(self, host: str, now: float) -> None:
        """An agent is being made there; until its first beat nothing is said of the host.

        Nothing is changed for a host that is silent, whose agent is known to have died: it must be heard in time.
        """
        known = self._hosts.get(host)
        if known is None or known.state is HostState.UP:
            self._hosts[host] = _Host(now, now, made_within=MADE_WITHIN if known is None else MADE_ANEW_WITHIN)

    @property
    def any(self) -> bool:
        """Whether any host is, or was, waited for."""
        return bool(self._hosts)

    def is_lost(self, host: str) -> bool:
        """Whether this host is no part of the run any more."""
        return host in self._hosts and self._hosts[host].state is HostState.LOST

    def is_doomed(self, host: str) -> bool:
        """Whether its processes end, as far as is known, and none can be made there."""
        return host in self._hosts and self._hosts[host].doomed

    def beat(self, host: str, now: float) -> Change | None:
        """The host was heard; a change where it had been silent, and is heard for the second time.

        The first may have been under way for long: where the way back still is closed, no other follows.
        """
        known = self._hosts.get(host)
        if known is None or known.state is HostState.LOST:
            return None
        before, known.heard = known.heard, now
        if known.doomed or (known.state is HostState.SILENT and now - before > SILENT_AFTER):
            return None
        silent, known.state = known.state is HostState.SILENT, HostState.UP
        return Change(host, HostState.UP, now - known.since) if silent else None

    def doom(self, host: str, why: str, now: float) -> Change | None:
        """It is known that the host's processes end: it counts as silent, even if some of them beat on for a while."""
        known = self._hosts.get(host)
        if known is None or known.state is HostState.LOST:
            return None
        known.why, known.doomed = why, True
        if known.state is HostState.SILENT:
            return None
        known.state, known.since = HostState.SILENT, known.heard
        return Change(host, HostState.SILENT, now - known.heard, why)

    def look(self, now: float) -> list[Change]:
        """Time has passed: who has become silent, or lost."""
        slept, self._looked = now - self._looked, now
        if slept > OWN_SLEEP:
            for known in self._hosts.values():
                known.heard += slept
        found = []
        for host, known in self._hosts.items():
            silent_for = now - known.heard
            limit = known.made_within if known.state is HostState.AWAITED else LOST_AFTER
            if known.state is not HostState.LOST and silent_for > limit:
                known.state = HostState.LOST
                found.append(Change(host, HostState.LOST, silent_for, known.why))
            elif known.state is HostState.UP and silent_for > SILENT_AFTER:
                known.state, known.since = HostState.SILENT, known.heard
                found.append(Change(host, HostState.SILENT, silent_for))
        return found

    def states(self, now: float) -> dict[str, dict[str, Any]]:
        """By host, what a status says of it: its state, and how long it has been silent."""
        return {
            host: {
                "state": known.state.value,
                "silent_for": max(0.0, now - (known.heard if known.state is HostState.UP else known.since)),
                "why": known.why or None,
            }
            for host, known in self._hosts.items()
        }

    # -- for the coordinator that comes after this one -----------------------------------------------
    def save(self) -> list[str]:
        """Those that are lost; of the others it hears by itself."""
        return [host for host, known in self._hosts.items() if known.state is HostState.LOST]

    def restore(self, lost: Iterable[str], others: Iterable[str], now: float) -> None:
        """Know what :meth:`save` told; the others are given their time once more."""
        for host in others:
            self.expect(host, now)
        for host in lost:
            self._hosts[host] = _Host(now, now, HostState.LOST)
