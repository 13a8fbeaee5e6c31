"""What the coordinator answers when it is asked how the run is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from rena_graph.runtime.clock import Clock
from rena_graph.runtime.coordinator.agents import Agents
from rena_graph.runtime.coordinator.environments import Environments
from rena_graph.runtime.coordinator.groundwork import Groundwork
from rena_graph.runtime.coordinator.machine import Coordinator, Phase
from rena_graph.runtime.coordinator.operations import Operations
from rena_graph.runtime.coordinator.paths import Way, paths_to
from rena_graph.runtime.coordinator.reports import Reports, merged_details
from rena_graph.runtime.coordinator.status import make_status
from rena_graph.runtime.metrics.values import metrics_answer
from rena_graph.runtime.run_setup import RunSetup

__all__ = ["Answers"]

METRICS = 7.0
"""Seconds that the host agent has to tell what metrics are made of: nvidia-smi may take five of them."""


class Answers:
    """Puts together what is known in several places.

    Parameters
    ----------
    setup : RunSetup
        Which run.
    machine, agents, ground, reports, environments : Coordinator, Agents, Groundwork, Reports, Environments
        Who knows something.
    operations : callable
        Gives who knows what users have changed.
    hosts : callable
        The states of the run's hosts, by name.
    since : callable
        When the first sample was let in; None before.
    clock : Clock
        The coordinator's.
    """

    def __init__(
        self,
        setup: RunSetup,
        machine: Coordinator,
        agents: Agents,
        ground: Groundwork,
        reports: Reports,
        environments: Environments,
        operations: Callable[[], Operations],
        hosts: Callable[[], Mapping[str, Mapping[str, Any]]],
        since: Callable[[], float | None],
        clock: Clock,
    ) -> None:
        self._setup = setup
        self._machine = machine
        self._agents = agents
        self._ground = ground
        self._reports = reports
        self._environments = environments
        self._operations = operations
        self._hosts = hosts
        self._since = since
        self._clock = clock
        self._paths: dict[str, list[Way]] | None = None

    async def status(self) -> dict[str, Any]:
        """The run as it is now: hosts are asked; what one that does not answer said last is told."""
        if self._ground.ready and self._machine.phase is not Phase.ENDED:
            # A beat may be a quarter of a second old: ask for now, but answer in any case.
            for host, report in (await self._agents.may_all("report", within=1.0)).items():
                self._reports.heard(host, report)
        return self.known()

    async def metrics(self) -> dict[str, Any]:
        """What metrics are made of."""
        detail: dict[str, Any] = {}
        if self._ground.ready and self._machine.phase is not Phase.ENDED:
            detail = merged_details(await self._agents.may_all("metrics", within=METRICS))
        return metrics_answer(await self.status(), detail, time.process_time())

    def time_left(self) -> float:
        """Seconds until the run has lasted for as long as it was to; all of them before its first sample."""
        run_for, since = self._setup.options.run_for, self._since()
        if run_for is None:
            return math.inf
        return run_for - (0.0 if since is None else self._clock.now() - since)

    def known(self) -> dict[str, Any]:
        """The status as far as it is known; nobody is asked."""
        since = self._since()
        uptime = 0.0 if since is None else self._clock.now() - since
        if self._paths is None and since is not None:
            self._paths = paths_to(self._setup.graph)  # not before there is anything on its way
        params, keeping = self._operations().params, self._operations().keeper.status
        report, made_on = self._reports.merged(), self._ground.made_on
        hosts, where = self._hosts(), self._ground.where
        status = make_status(
            self._setup, self._machine, report, params, keeping, uptime, self._paths or {}, made_on, hosts, where
        )
        return {**status, "doing": self._environments.doing}
