"""The coordinator's Ray shell: carries out what the state machine decides, and answers the control socket."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import ray

from rena_graph.errors import ExitCode
from rena_graph.runtime.alive import hold_alive
from rena_graph.runtime.clock import SystemClock
from rena_graph.runtime.coordinator.agents import Agents
from rena_graph.runtime.coordinator.answers import Answers
from rena_graph.runtime.coordinator.books import RunBooks
from rena_graph.runtime.coordinator.commands import Commands
from rena_graph.runtime.coordinator.control import ControlServer
from rena_graph.runtime.coordinator.environments import Environments
from rena_graph.runtime.coordinator.groundwork import Groundwork
from rena_graph.runtime.coordinator.machine import Coordinator, Phase
from rena_graph.runtime.coordinator.memory import Memory, restore, save
from rena_graph.runtime.coordinator.node_actors import KILL_PATIENCE, NodeActors
from rena_graph.runtime.coordinator.operations import Operations
from rena_graph.runtime.coordinator.orders import Orders
from rena_graph.runtime.coordinator.other_hosts import OtherHosts
from rena_graph.runtime.coordinator.pause import Pause
from rena_graph.runtime.coordinator.rate_keeper import Command, RateKeeper
from rena_graph.runtime.coordinator.reports import Reports
from rena_graph.runtime.coordinator.signals import (
    EndRun,
    Event,
    HostFailed,
    HostLost,
    Instruction,
    KillNode,
    MoveNodes,
    NodeGone,
    NodeReported,
    PrepareHost,
    Say,
    SourcesEnded,
    StaleSeen,
    StopAsked,
    Tick,
)
from rena_graph.runtime.coordinator.stream_desk import StreamDesk
from rena_graph.runtime.host.reload import ScriptWatch
from rena_graph.runtime.lifecycle import Heard, NodeState
from rena_graph.runtime.messages import MessageLog, log_to
from rena_graph.runtime.run_setup import Outcome, RunSetup

__all__ = ["CoordinatorLife"]

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
"""Between two looks at the time, while it may bring something: something is due, or other hosts may fall silent."""
CALM_SECONDS = 0.5
"""The same while all nodes run on one host: each wake-up costs more than what is done in it."""
CLOSE_PATIENCE = 15.0
"""Seconds that the host agent has to take everything down."""
RELOAD_SECONDS = 0.25
"""Between two looks at the scripts; a change is taken up once the file has been left alone for one look."""


class CoordinatorLife:
    """One a run at a time, in the actor of :mod:`~rena_graph.runtime.coordinator.front`; :meth:`run` is all of it."""

    def __init__(self, setup: RunSetup) -> None:
        self._setup = setup
        log_to(setup.folder / "coordinator.log")
        self._alive = hold_alive(setup.runtime)
        self._clock = SystemClock()
        graph = setup.graph
        options = setup.options
        self._machine = Coordinator(graph.nodes, graph.levels, options.debug, options.reload)
        self._watch = ScriptWatch() if options.reload else None
        self._agents = Agents(setup, self._agent_lost)
        self._messages = MessageLog(setup.folder, self._clock.unix)
        self._environments = Environments(
            graph, self._agents, self._messages.say, lambda made: self._spawn(self._books.environments(made))
        )
        self._actors = NodeActors(setup, self._machine.nodes, self._agents, self._environments, self._hear, self._spawn)
        self._ground = Groundwork(setup, self._agents, self._actors.lay_out, self._remember, self._messages.say)
        self._others = OtherHosts(self._agents, self._ground, self._hear, self._clock)
        self._reports = Reports(graph)
        self._commands = Commands(
            setup, self._machine, self._agents, self._ground, self._actors, self._environments,
            lambda: self._operations, self._watch, self._clock, self._hear, self._remember, self._others.expect,
            self._reports,
        )  # fmt: skip
        self._answers = Answers(
            setup, self._machine, self._agents, self._ground, self._reports, self._environments,
            lambda: self._operations, self._others.states, lambda: self._commands.running_since, self._clock,
        )  # fmt: skip
        self._streams = StreamDesk(self._agents, self._ground)
        self._operations = Operations(
            graph, Orders(self._commands.command, self._commands.progress, self._clock),
            lambda node: self._machine.nodes[node].state, self._answers.status, self._hear, self._actors.debug_ended,
            lambda: self._machine.phase, self._streams, self._answers.metrics, options.debug,
            self._ground.params_there,
        )  # fmt: skip
        self._memory = Memory(setup.runtime)
        self._books = RunBooks(setup.folder, graph, self._clock.unix, self._messages.say)
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun = asyncio.Event()
        self._ended = asyncio.Event()
        self._pause = Pause()
        self._server = ControlServer(setup.socket, self._books.noting(self._answer))

    # -- life ----------------------------------------------------------------------------------------
    async def run(self) -> int:
        """From the first instruction, or where a coordinator before this one died, to the last; the exit code."""
        saved = self._memory.read()
        instructions = self._machine.begin(self._clock.now()) if saved is None else self._take_over(saved)
        self._remember()
        self._spawn(self._commands.carry_out())
        if saved is None:
            self._spawn(self._books.begin())
        if self._watch is not None:
            self._spawn(self._look_at_scripts(self._watch))
        self._do(instructions)
        self._begun.set()
        await self._server.start()
        while not self._ended.is_set():
            await self._pause.sleep(self._until_tick())
            self._others.look()
            self._hear(StopAsked("the time is over") if self._answers.time_left() <= 0 else Tick())
        await self._server.close()
        return int(self._machine.exit_code)

    def _until_tick(self) -> float:
        """Seconds after which time may have brought something."""
        if self._machine.waits or self._others.watched:
            return TICK_SECONDS
        return min(CALM_SECONDS, max(TICK_SECONDS, self._answers.time_left()))

    def _take_over(self, saved: dict[str, Any]) -> list[Instruction]:
        """Know what the coordinator before knew, find what it has started, and go on."""
        restore(self._machine, saved["machine"])
        self._operations.restore(saved["operations"])
        self._commands.running_since = saved["running_since"]
        self._ground.restore(saved["ground"])
        self._environments.restore(saved["environments"])
        self._others.restore(saved["lost"], saved["agents"])
        run = self._machine.run
        self._messages.say("warning", "the coordinator died; another one goes on where it stopped")
        if self._agents.find(saved["agents"]):
            self._spawn(self._agents.attach(self._me, run.host_ready))
            return self._machine.resume(self._clock.now())
        self._spawn(self._agents.attach(self._me, run.host_ready))
        lost = self._machine.handle(HostLost(), self._clock.now())
        return lost + self._machine.resume(self._clock.now())

    @property
    def _me(self) -> Any:
        return ray.get_runtime_context().current_actor

    def _remember(self) -> None:
        self._memory.write(
            {
                "machine": save(self._machine),
                "operations": self._operations.save(),
                "running_since": self._commands.running_since,
                "ground": self._ground.save(),
                "environments": self._environments.save(),
                "agents": self._agents.lives,
                "lost": self._others.save(),
            }
        )

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out a request of the control socket, and remember what it changed."""
        try:
            return await self._operations.answer(request)
        finally:
            if request.get("op") not in ("status", "streams", "look", "metrics"):
                self._remember()

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the coordinator failed", exc_info=error)
            self._hear(HostFailed(f"{type(error).__name__}: {error}", ExitCode.INTERNAL))

    def _hear(self, event: Event) -> None:
        instructions = self._machine.handle(event, self._clock.now())
        # Before anything is done, so that whoever comes after us knows of it. Beats and ticks mostly change nothing.
        if instructions or not isinstance(event, (Tick, StaleSeen)):
            self._remember()
        self._do(instructions)
        if self._machine.waits:
            self._pause.within(TICK_SECONDS)
        self._books.heard(self._machine.phase.value, self._machine.nodes)

    def _do(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Say(level, text, node):
                    self._messages.say(level, text, node)
                case PrepareHost(life):
                    # Not in the queue: what is before it there may be waiting for just this agent.
                    self._spawn(self._commands.prepare(life, self._me))
                case KillNode(node, epoch):
                    # Nor this: or for just this node.
                    self._spawn(self._actors.kill(node, epoch, self._commands.forget(node)))
                case MoveNodes(moves):
                    # At once, so that whoever is lost next has them; and in the queue, before their lives begin.
                    self._ground.move(moves)
                    self._remember()
                    self._commands.put(instruction)
                case EndRun(exit_code, failure):
                    # Nor this: after a kill it does not wait for what was going on.
                    self._spawn(self._end(exit_code, failure))
                case _:
                    self._commands.put(instruction)

    def _agent_lost(self, host: str) -> None:
        log.warning("the agent of host %s died", host)
        if self._others.may_have_agent(host):
            self._hear(HostLost())

    async def notify(self, host: str, life: int, batch: dict[str, Any]) -> Heard:
        """A host agent reports: what happened, how things are, and what was printed. Once this returns, we have it.

        Unless it is told that it is no part of the run any more: then nothing of it counts.
        """
        await self._begun.wait()
        heard = self._others.heard(host, life)
        if heard is not Heard.TAKEN:
            log.warning("an agent of host %s, life %d, tells something and is %s", host, life, heard.value)
            return heard
        self._messages.extend(batch["console"])
        for event in batch["events"]:
            self._heard(host, event)
        beat = batch["beat"]
        if beat is not None:
            if "report" in beat:
                self._reports.heard(host, beat["report"])
                # Once a beat, not once for each host of them.
                if self._ground.is_here(host) and self._reports.complete(self._agents.lives):
                    self._look_at_report(self._reports.merged())
            self._hear(StaleSeen(self._reports.heard_stale(host, beat["stale"])))
        return Heard.TAKEN

    def _heard(self, host: str, message: dict[str, Any]) -> None:
        match message["event"]:
            case "state":
                state = NodeState(message["state"])
                self._hear(NodeReported(message["node"], message["epoch"], state, message["error"], message["kind"]))
            case "gone":
                self._hear(NodeGone(message["node"], message["epoch"], message["cause"]))
            case "files":
                files = [self._ground.code.here(message["node"], Path(file)) for file in message["files"]]
                self._spawn(self._books.imported(message["node"], files))
                if self._watch is not None and message["epoch"] == self._machine.nodes[message["node"]].epoch:
                    self._watch.note(message["node"], files)
            case "ray_lost":
                self._others.ray_lost(host, message["how"])
            case "bridge_failed":
                self._hear(HostFailed(message["error"], ExitCode(message["exit_code"])))
            case "sources_ended":
                if self._ground.sources_over(host):
                    self._hear(SourcesEnded())

    async def hear(self, event: Event) -> None:
        """The session process tells what becomes of the run's frame; it may be before the beginning."""
        await self._begun.wait()
        self._hear(event)

    async def _look_at_scripts(self, watch: ScriptWatch) -> None:
        while not self._ended.is_set():
            for change in await asyncio.to_thread(watch.look):
                self._hear(change)
            await asyncio.sleep(RELOAD_SECONDS)

    async def _end(self, exit_code: ExitCode, failure: str | None) -> None:
        patience = KILL_PATIENCE if exit_code is ExitCode.KILLED else CLOSE_PATIENCE
        closed = await self._agents.may_all("close", within=patience)
        for host, last in closed.items():
            self._messages.extend(last["console"])
            if "report" in last:
                self._reports.heard(host, last["report"])
        if missing := set(self._agents.lives) - set(closed):
            # What they leave there is the reaper's, or their guards'.
            log.warning("the agents of %s did not close", ", ".join(sorted(missing)))
        self._messages.close()
        self._books.close(self._answers.known())
        Outcome(exit_code, failure, self._answers.known(), self._commands.running_since is not None).write(
            self._setup.folder
        )
        self._actors.end_all()
        self._agents.end()
        self._ended.set()
        self._pause.end()

    def _look_at_report(self, report: dict[str, Any]) -> None:
        keeper = self._operations.keeper
        if self._machine.phase is Phase.RUNNING:
            self._keep_rates(keeper, report)
        keeping = {name: keeper.status(name) for name in self._machine.nodes}
        self._books.reported(report, keeping, self._answers.known)

    def _keep_rates(self, keeper: RateKeeper, report: dict[str, Any]) -> None:
        commands: list[tuple[str, dict[str, Any]]] = []
        for reaction in keeper.heard(report, self._machine.nodes, self._clock.now()):
            if isinstance(reaction, Command):
                commands.append((reaction.node, {**reaction.message, "version": self._clock.now_ns()}))
            elif isinstance(reaction, Say):
                self._do([reaction])
            else:
                self._hear(reaction)
        if commands:
            self._spawn(self._commands.command_many(commands))
