"""The coordinator's Ray shell: carries out what the state machine decides, and answers the control socket."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from rena_graph.errors import ExitCode, RenaGraphError
from rena_graph.runtime.alive import hold_alive
from rena_graph.runtime.clock import SystemClock
from rena_graph.runtime.coordinator.agent_link import AgentGone
from rena_graph.runtime.coordinator.agents import Agents
from rena_graph.runtime.coordinator.books import RunBooks
from rena_graph.runtime.coordinator.control import ControlServer
from rena_graph.runtime.coordinator.environments import Environments
from rena_graph.runtime.coordinator.groundwork import Groundwork
from rena_graph.runtime.coordinator.machine import Coordinator, Phase
from rena_graph.runtime.coordinator.memory import Memory, restore, save
from rena_graph.runtime.coordinator.node_actors import KILL_PATIENCE, NodeActors
from rena_graph.runtime.coordinator.operations import Operations
from rena_graph.runtime.coordinator.orders import Orders
from rena_graph.runtime.coordinator.paths import Way, paths_to
from rena_graph.runtime.coordinator.rate_keeper import Command
from rena_graph.runtime.coordinator.ray_words import plain
from rena_graph.runtime.coordinator.reports import Reports, merged_details
from rena_graph.runtime.coordinator.signals import (
    EndRun,
    Event,
    HostFailed,
    HostLost,
    HostPrepared,
    Instruction,
    KillNode,
    NodeGone,
    NodeReported,
    PlaceNode,
    PrepareHost,
    RunNode,
    Say,
    SinksStopped,
    SourcesEnded,
    StaleSeen,
    StartNode,
    StartSinks,
    StartSources,
    StopAsked,
    StopNode,
    StopSinks,
    StopSources,
    Tick,
)
from rena_graph.runtime.coordinator.status import make_status
from rena_graph.runtime.coordinator.stream_desk import StreamDesk
from rena_graph.runtime.host.reload import ScriptWatch
from rena_graph.runtime.lifecycle import ALIVE, NodeState
from rena_graph.runtime.messages import MessageLog, log_to
from rena_graph.runtime.metrics.values import metrics_answer
from rena_graph.runtime.run_setup import Outcome, RunSetup

__all__ = ["CoordinatorActor"]

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
CLOSE_PATIENCE = 15.0
"""Seconds that the host agent has to take everything down."""
METRICS = 7.0
"""Seconds that the host agent has to tell what metrics are made of: nvidia-smi may take five of them."""
RELOAD_SECONDS = 0.25
"""Between two looks at the scripts; a change is taken up once the file has been left alone for one look."""


class CoordinatorActor:
    """One a run; an async actor. :meth:`run` is its whole life."""

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
        self._streams = StreamDesk(self._agents, self._ground)
        self._operations = Operations(
            graph, Orders(self._command, self._progress, self._clock), lambda node: self._machine.nodes[node].state,
            self._status, self._hear, self._actors.debug_ended, lambda: self._machine.phase, self._streams,
            self._metrics, options.debug, self._ground.params_there,
        )  # fmt: skip
        self._memory = Memory(setup.runtime)
        self._reports = Reports(graph)
        self._books = RunBooks(setup.folder, graph, self._clock.unix, self._messages.say)
        self._running_since: float | None = None
        self._paths: dict[str, list[Way]] | None = None
        self._todo: asyncio.Queue[Instruction] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun = asyncio.Event()
        self._ended = asyncio.Event()
        self._server = ControlServer(setup.socket, self._books.noting(self._answer))

    # -- life ----------------------------------------------------------------------------------------
    async def run(self) -> int:
        """From the first instruction, or where a coordinator before this one died, to the last; the exit code."""
        saved = self._memory.read()
        instructions = self._machine.begin(self._clock.now()) if saved is None else self._take_over(saved)
        self._remember()
        self._spawn(self._carry_out())
        if saved is None:
            self._spawn(self._books.begin())
        if self._watch is not None:
            self._spawn(self._look_at_scripts(self._watch))
        self._do(instructions)
        self._begun.set()
        await self._server.start()
        while not self._ended.is_set():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), TICK_SECONDS)
            self._hear(StopAsked("the time is over") if self._time_is_over() else Tick())
        await self._server.close()
        return int(self._machine.exit_code)

    def _take_over(self, saved: dict[str, Any]) -> list[Instruction]:
        """Know what the coordinator before knew, find what it has started, and go on."""
        restore(self._machine, saved["machine"])
        self._operations.restore(saved["operations"])
        self._running_since = saved["running_since"]
        self._ground.restore(saved["ground"])
        self._environments.restore(saved["environments"])
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
                "running_since": self._running_since,
                "ground": self._ground.save(),
                "environments": self._environments.save(),
                "agents": self._agents.lives,
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
        self._books.heard(self._machine.phase.value, self._machine.nodes)

    def _do(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Say(level, text, node):
                    self._messages.say(level, text, node)
                case PrepareHost(life):
                    # Not in the queue: what is before it there may be waiting for just this agent.
                    self._spawn(self._prepare(life))
                case KillNode(node, epoch):
                    # Nor this: or for just this node.
                    self._spawn(self._actors.kill(node, epoch))
                case EndRun(exit_code, failure):
                    # Nor this: after a kill it does not wait for what was going on.
                    self._spawn(self._end(exit_code, failure))
                case _:
                    self._todo.put_nowait(instruction)

    def _agent_lost(self, host: str) -> None:
        log.warning("the agent of host %s died", host)
        self._hear(HostLost())

    async def notify(self, host: str, batch: dict[str, Any]) -> None:
        """A host agent reports: what happened, how things are, and what was printed. Once this returns, we have it."""
        await self._begun.wait()
        self._messages.extend(batch["console"])
        for event in batch["events"]:
            self._heard(host, event)
        beat = batch["beat"]
        if beat is not None:
            if "report" in beat:
                self._reports.heard(host, beat["report"])
                # Once a beat, not once for each host of them.
                if self._ground.is_here(host) and self._reports.complete(self._agents.lives):
                    if self._machine.phase is Phase.RUNNING:
                        self._keep_rates()
                    self._books.reported(self._known_status())
            self._hear(StaleSeen(self._reports.heard_stale(host, beat["stale"])))

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
            case "bridge_failed":
                self._hear(HostFailed(message["error"], ExitCode(message["exit_code"])))
            case "sources_ended":
                if self._ground.sources_over(host):
                    self._hear(SourcesEnded())

    async def hear(self, event: Event) -> None:
        """The session process tells what becomes of the run's frame; it may be before the beginning."""
        await self._begun.wait()
        self._hear(event)

    # -- carrying out --------------------------------------------------------------------------------
    async def _carry_out(self) -> None:
        """One instruction after the other: each is done before the next begins."""
        while not self._ended.is_set():
            await self._carry_out_one(await self._todo.get())

    async def _carry_out_one(self, instruction: Instruction) -> None:
        match instruction:
            case PlaceNode(node, epoch):
                await self._ground.placed.wait()
                self._actors.place(node, epoch)
            case RunNode(node, epoch):
                await self._run_node(node, epoch)
            case StartNode(node, epoch):
                start = self._operations.keeper.rates.start(node, self._clock.now())
                await self._agents.have(node, "command", epoch, start)
                if node in self._operations.paused:
                    await self._agents.have(node, "command", epoch, {"do": "pause"})
            case StopNode(node, epoch, within, again):
                if not again:
                    await self._ground.await_arrivals(node)
                await self._agents.have(node, "command", epoch, {"do": "stop", "within": within, "again": again})
            case StartSinks():
                await self._agents.have_all("start_sinks")
            case StartSources():
                await self._agents.have_all("start_sources")
                if self._running_since is None:
                    self._running_since = self._clock.now()
                    self._remember()
            case StopSources():
                await self._agents.have_all("stop_sources")
            case StopSinks():
                await self._agents.have_all("stop_sinks")
                self._hear(SinksStopped())

    async def _prepare(self, life: int) -> None:
        """Make the host agents that are missing, and let all prepare what they have not, or take over what is there."""
        adopt = self._machine.run.host_ready
        try:
            await self._ground.place()
            if life != self._machine.run.host_life:
                return  # one that has died already, before it was made
            self._agents.make(life, self._me)
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

    async def _run_node(self, node: str, epoch: int) -> None:
        await self._agents.have(node, "watch_console", epoch)
        operations = self._operations
        if self._watch is not None:  # before they are carried: what is written meanwhile is seen as a change
            self._watch.begin(node, self._setup.graph.script_path(node), self._clock.unix())
        await self._ground.carry_code(node, epoch)
        plan = self._ground.plan_of(node)
        params = self._ground.params_there(node, operations.definitions(node))
        setup = plan.setup(node, epoch, params, operations.frequencies.get(node))
        setup = replace(setup, reload=self._watch is not None)
        if node == self._setup.options.debug:
            setup.save(self._setup.debug_file)
            return
        await self._actors.run(node, epoch, setup)

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
            # What they leave there is the reaper's.
            log.warning("the agents of %s did not close", ", ".join(sorted(missing)))
        self._messages.close()
        self._books.close(self._known_status())
        Outcome(exit_code, failure, self._known_status(), self._running_since is not None).write(self._setup.folder)
        self._actors.end_all()
        self._agents.end()
        self._ended.set()

    # -- answering -----------------------------------------------------------------------------------
    async def _status(self) -> dict[str, Any]:
        if self._ground.ready and self._machine.phase is not Phase.ENDED:
            # A beat may be a quarter of a second old: ask for now, but answer in any case.
            for host, report in (await self._agents.may_all("report", within=1.0)).items():
                self._reports.heard(host, report)
        return self._known_status()

    async def _metrics(self) -> dict[str, Any]:
        detail: dict[str, Any] = {}
        if self._ground.ready and self._machine.phase is not Phase.ENDED:
            detail = merged_details(await self._agents.may_all("metrics", within=METRICS))
        return metrics_answer(await self._status(), detail, time.process_time())

    def _time_is_over(self) -> bool:
        run_for, since = self._setup.options.run_for, self._running_since
        return run_for is not None and since is not None and self._clock.now() - since >= run_for

    def _known_status(self) -> dict[str, Any]:
        since = self._running_since
        uptime = 0.0 if since is None else self._clock.now() - since
        paths = self._paths = self._paths or paths_to(self._setup.graph)
        params, keeping = self._operations.params, self._operations.keeper.status
        report, made_on = self._reports.merged(), self._ground.made_on
        status = make_status(self._setup, self._machine, report, params, keeping, uptime, paths, made_on)
        return {**status, "doing": self._environments.doing}

    def _keep_rates(self) -> None:
        for reaction in self._operations.keeper.heard(self._reports.merged(), self._machine.nodes, self._clock.now()):
            if isinstance(reaction, Command):
                self._spawn(self._command(reaction.node, {**reaction.message, "version": self._clock.now_ns()}))
            elif isinstance(reaction, Say):
                self._do([reaction])
            else:
                self._hear(reaction)

    async def _progress(self, node: str) -> dict[str, int] | None:
        """What of its orders the node has; None where no process runs it."""
        record = self._machine.nodes[node]
        if not record.run_sent or record.state not in ALIVE:
            return None
        return await self._agents.may(node, "progress", record.epoch, within=1.0) or {}

    async def _command(self, node: str, message: dict[str, Any]) -> None:
        """To the process that runs the node now; one that is still to come is told by its setup."""
        record = self._machine.nodes[node]
        if record.run_sent and record.state in ALIVE:
            await self._agents.have(node, "command", record.epoch, message)
