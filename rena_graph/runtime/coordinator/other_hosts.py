"""The hosts of a run as its coordinator hears them: who is silent, who is lost, and who is told to end what it has."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from rena_graph.runtime.clock import Clock
from rena_graph.runtime.coordinator.agents import Agents
from rena_graph.runtime.coordinator.groundwork import Groundwork
from rena_graph.runtime.coordinator.host_watch import Change, HostState, HostWatch
from rena_graph.runtime.coordinator.signals import Event, HostGone, HostHeard, HostSilent
from rena_graph.runtime.lifecycle import Heard

__all__ = ["OtherHosts"]

log = logging.getLogger(__name__)


class OtherHosts:
    """Watches them; on its own host the coordinator needs nobody's beat, since it ends with it.

    Parameters
    ----------
    agents : Agents
        Who is told of a host that is silent, or lost: nobody waits for it any more.
    ground : Groundwork
        What is on each host.
    hear : callable
        Takes an event for the coordinator's state machine.
    clock : Clock
        The coordinator's.
    """

    def __init__(self, agents: Agents, ground: Groundwork, hear: Callable[[Event], None], clock: Clock) -> None:
        self._agents = agents
        self._ground = ground
        self._hear = hear
        self._clock = clock
        self._watch = HostWatch(clock.now())

    def expect(self) -> None:
        """Agents are being made: of those who have none yet, the first beat is waited for."""
        for host, link in self._agents:
            if not self._ground.is_here(host) and link.life < 0 and not link.lost:
                self._watch.expect(host, self._clock.now())

    def heard(self, host: str, life: int) -> Heard:
        """An agent tells something; whether it is still one of the run's."""
        link = self._agents.link(host)
        if link is None or self._watch.is_lost(host):
            return Heard.FENCED
        if life < link.life:
            return Heard.REPLACED
        self._follow(self._watch.beat(host, self._clock.now()))
        return Heard.TAKEN

    def may_have_agent(self, host: str) -> bool:
        """Whether another agent can be made there."""
        return not (self._watch.is_lost(host) or self._watch.is_doomed(host))

    def ray_lost(self, host: str, how: str) -> None:
        """Ray's part on that host has ended, and ends its workers."""
        self._follow(self._watch.doom(host, f"Ray's part there (raylet) is lost: {how}", self._clock.now()))

    @property
    def watched(self) -> bool:
        """Whether there are any."""
        return self._watch.any

    def look(self) -> None:
        """Time has passed."""
        for change in self._watch.look(self._clock.now()):
            self._follow(change)

    def _follow(self, change: Change | None) -> None:
        if change is None:
            return
        host, link = change.host, self._agents.link(change.host)
        assert link is not None
        match change.state:
            case HostState.SILENT:
                link.be_quiet(True)
                self._hear(HostSilent(host, change.why))
            case HostState.LOST:
                link.give_up()
                nodes, streams = self._ground.on(host)
                anew = self._ground.elsewhere(host)
                moves, stuck = tuple(anew.moves.items()), tuple(anew.stuck.items())
                self._hear(HostGone(host, change.seconds, change.why, nodes, streams, moves, stuck))
            case _:
                link.be_quiet(False)
                self._hear(HostHeard(host, change.seconds))

    def states(self) -> dict[str, dict[str, Any]]:
        """What a status says of each host, but for what it counts."""
        here = self._ground.layout.here if self._ground.layout is not None else None
        own = {} if here is None else {here: {"state": HostState.UP.value, "silent_for": 0.0, "why": None}}
        return {**own, **self._watch.states(self._clock.now())}

    def save(self) -> list[str]:
        """For the coordinator that comes after this one."""
        return self._watch.save()

    def restore(self, lost: list[str], lives: Mapping[str, int]) -> None:
        """Know what :meth:`save` told; those that are not lost have their time to be heard."""
        self._watch.restore(lost, [host for host in lives if not self._ground.is_here(host)], self._clock.now())
        for host in lost:
            link = self._agents.link(host)
            assert link is not None
            link.give_up()
