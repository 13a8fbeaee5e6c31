"""What the coordinator's state machine wants done, one instruction after the other; and what nodes are told besides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ray.exceptions import RayActorError, RayError

from rena_graph.errors import ExitCode, RenaGraphError
from rena_graph.runtime.clock import Clock
from rena_graph.runtime.coordinator.agent_link import AgentGone, AgentLink
from rena_graph.runtime.coordinator.agents import Agents
from rena_graph.runtime.coordinator.environments import Environments
from rena_graph.runtime.coordinator.groundwork import Groundwork
from rena_graph.runtime.coordinator.machine import Coordinator
from rena_graph.runtime.coordinator.node_actors import NodeActors
from rena_graph.runtime.coordinator.operations import Operations
from rena_graph.runtime.coordinator.ray_words import plain
from rena_graph.runtime.coordinator.reports import Reports
from rena_graph.runtime.coordinator.signals import (
    Event,
    HostFailed,
    HostPrepared,
    Instruction,
    MoveNodes,
    PlaceNode,
    RunNode,
    SinksStopped,
    StartNode,
    StartSinks,
    StartSources,
    StopNode,
    StopSinks,
    StopSources,
)
from rena_graph.runtime.host.reload import ScriptWatch
from rena_graph.runtime.lifecycle import ALIVE
from rena_graph.runtime.run_setup import RunSetup

__all__ = ["Commands"]

log = logging.getLogger(__name__)


class Commands:
    """Carries out instructions, in their order. A host that is silent does its part when it is back.

    Parameters
    ----------
    setup : RunSetup
        Which run.
    machine : Coordinator
        Whose instructions; looked at.
    agents, ground, actors, environments : Agents, Groundwork, NodeActors, Environments
        Who does it.
    operations : callable
        Gives what users have changed: parameters, rates, who is paused.
    watch : ScriptWatch | None
        Is told of every script that is run.
    clock : Clock
        The coordinator's.
    hear : callable
        Takes an event for the state machine.
    remember : callable
        Called once something has changed that a coordinator after this one has to know.
    making : callable
        Called before agents are made.
    reports : Reports
        What hosts have told.
    """

    def __init__(
        self,
        setup: RunSetup,
        machine: Coordinator,
        agents: Agents,
        ground: Groundwork,
        actors: NodeActors,
        environments: Environments,
        operations: Callable[[], Operations],
        watch: ScriptWatch | None,
        clock: Clock,
        hear: Callable[[Event], None],
        remember: Callable[[], None],
        making: Callable[[], None],
        reports: Reports,
    ) -> None:
        self._setup = setup
        self._machine = machine
        self._agents = agents
        self._ground = ground
        self._actors = actors
        self._environments = environments
        self._operations = operations
        self._watch = watch
        self._clock = clock
        self._hear = hear
        self._remember = remember
        self._making = making
        self._reports = reports
        self._todo: asyncio.Queue[Instruction] = asyncio.Queue()
        self._rooms = 0
        """For nodes that have been moved: how many are being made. Until none is, what concerns these nodes waits."""
        self._making_room = asyncio.Lock()
        self._wait_for_room: list[Instruction] = []
        self.running_since: float | None = None
        """When the first sample was let in."""

    def put(self, instruction: Instruction) -> None:
        """One more, after those before it."""
        self._todo.put_nowait(instruction)

    async def carry_out(self) -> None:
        """All of them, for ever: each is done before the next begins."""
        while True:
            await self._carry_out_one(await self._todo.get())

    async def _carry_out_one(self, instruction: Instruction) -> None:
        match instruction:
            case MoveNodes():
                self._rooms += 1
                await self._agents.unless_any_quiet(self._make_room())
            case PlaceNode(node) | RunNode(node) | StartNode(node) | StopNode(node) if self._has_no_room(node):
                self._wait_for_room.append(instruction)
            case RunNode(node, epoch) | StartNode(node, epoch) if self._is_over(node, epoch):
                pass
            case PlaceNode(node, epoch):
                await self._ground.placed.wait()
                self._actors.place(node, epoch)
            case RunNode(node, epoch):
                await self._agents.in_turn(node, self._run_node(node, epoch))
            case StartNode(node, epoch):
                await self._agents.in_turn(node, self._start_node(node, epoch))
            case StopNode(node, epoch, within, again):
                if not again:
                    await self._ground.await_arrivals(node)
                stop = {"do": "stop", "within": within, "again": again}
                await self._agents.in_turn(node, self._agents.have(node, "command", epoch, stop))
            case StartSinks():
                await self._agents.have_all("start_sinks")
            case StartSources():
                await self._agents.have_all("start_sources")
                if self.running_since is None:
                    self.running_since = self._clock.now()
                    self._remember()
            case StopSources():
                await self._agents.have_all("stop_sources")
            case StopSinks():
                await self._agents.have_all("stop_sinks")
                self._hear(SinksStopped())

    async def prepare(self, life: int, me: Any) -> None:
        """Make the host agents that are missing, and let all prepare what they have not, or take over what is there."""
        adopt = self._machine.run.host_ready
        try:
            await self._ground.place()
            if life != self._machine.run.host_life:
                return  # one that has died already, before it was made
            self._making()
            self._agents.make(life, me)
            self._remember()
            await self._environments.make(self._ground.layout)
            await self._ground.prepare(adopt)
        except (RayActorError, AgentGone) as error:
            log.warning("the host agent died while it prepared: %s", error)  # which its own end tells as well
        except RenaGraphError as error:
            # Ray hands an actor's exception on as one that is also of the original class.
            self._hear(HostFailed(plain(error), error.exit_code))
        except RayError as error:
            self._hear(HostFailed(f"the host agent failed: {error}", ExitCode.ENVIRONMENT))
        else:
            self._agents.are_ready()
            self._hear(HostPrepared(life))

    def _is_over(self, node: str, epoch: int) -> bool:
        """Whether this life of a node ended before it was begun: with its host."""
        return self._machine.nodes[node].epoch != epoch

    def _has_no_room(self, node: str) -> bool:
        """Whether a node has been moved to where there is no room for it yet, since another host is silent."""
        return self._rooms > 0 and node in self._machine.run.moves

    def forget(self, node: str) -> bool:
        """A node is killed: whether it still waited for room, so that no process of it has run; then none will."""
        kept = [one for one in self._wait_for_room if getattr(one, "node", None) != node]
        waited, self._wait_for_room = len(kept) < len(self._wait_for_room), kept
        return waited

    async def _make_room(self) -> None:
        """For nodes that have been moved; what concerns them comes after this, and is done where they are now."""
        try:
            async with self._making_room:
                await self._ground.make_room(self._reports)
        except (RayActorError, AgentGone) as error:
            log.warning("a host agent died while nodes were moved: %s", error)  # the next one connects what is missing
        except RenaGraphError as error:
            self._hear(HostFailed(plain(error), error.exit_code))
        except RayError as error:
            self._hear(HostFailed(f"nodes could not be moved: {error}", ExitCode.ENVIRONMENT))
        finally:
            self._rooms -= 1
            if not self._rooms:
                # Before what has come since, which may be of the same nodes.
                since = [self._todo.get_nowait() for _ in range(self._todo.qsize())]
                waited, self._wait_for_room = self._wait_for_room, []
                for instruction in [*waited, *since]:
                    self.put(instruction)

    async def _start_node(self, node: str, epoch: int) -> None:
        operations = self._operations()
        start = operations.keeper.rates.start(node, self._clock.now())
        await self._agents.have(node, "command", epoch, start)
        if node in operations.paused:
            await self._agents.have(node, "command", epoch, {"do": "pause"})

    async def _run_node(self, node: str, epoch: int) -> None:
        await self._agents.have(node, "watch_console", epoch)
        operations = self._operations()
        if self._watch is not None:  # before they are carried: what is written meanwhile is seen as a change
            self._watch.begin(node, self._setup.graph.script_path(node), self._clock.unix())
        await self._ground.carry_code(node, epoch)
        plan = self._ground.plan_of(node)
        params = self._ground.params_there(node, operations.definitions(node))
        setup = plan.setup(node, epoch, params, operations.frequencies.get(node))
        setup = replace(setup, reload=self._watch is not None)
        if self._is_over(node, epoch):
            return
        if node == self._setup.options.debug:
            setup.save(self._setup.debug_file)
            return
        await self._actors.run(node, epoch, setup)

    # -- besides ----
    async def progress(self, node: str) -> dict[str, int] | None:
        """What of its orders the node has; None where no process runs it."""
        record = self._machine.nodes[node]
        if not record.run_sent or record.state not in ALIVE:
            return None
        return await self._agents.may(node, "progress", record.epoch, within=1.0) or {}

    async def command(self, node: str, message: dict[str, Any]) -> None:
        """To the process that runs the node now; one that is still to come is told by its setup."""
        record = self._machine.nodes[node]
        if record.run_sent and record.state in ALIVE:
            await self._agents.have(node, "command", record.epoch, message)

    async def command_many(self, orders: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """The same to several nodes, with one call to each host."""
        by_host: dict[AgentLink, list[tuple[str, int, dict[str, Any]]]] = {}
        for node, message in orders:
            record = self._machine.nodes[node]
            if record.run_sent and record.state in ALIVE:
                by_host.setdefault(await self._agents.of(node), []).append((node, record.epoch, message))
        await asyncio.gather(*(link.have("commands", told) for link, told in by_host.items()))
