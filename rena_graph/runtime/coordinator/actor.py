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

from rena_graph.errors import ExitCode, RenaGraphError, UsageError
from rena_graph.runtime.alive import hold_alive
from rena_graph.runtime.clock import SystemClock
from rena_graph.runtime.coordinator.books import RunBooks
from rena_graph.runtime.coordinator.control import ControlServer
from rena_graph.runtime.coordinator.flows import describe_streams
from rena_graph.runtime.coordinator.machine import Coordinator, Phase
from rena_graph.runtime.coordinator.operations import Operations
from rena_graph.runtime.coordinator.orders import Orders
from rena_graph.runtime.coordinator.paths import Way, paths_to
from rena_graph.runtime.coordinator.placement import node_options, refuse_unplaceable
from rena_graph.runtime.coordinator.rate_keeper import Command
from rena_graph.runtime.coordinator.ray_words import plain
from rena_graph.runtime.coordinator.signals import (
    EndRun,
    Event,
    HostFailed,
    HostLost,
    HostPrepared,
    Instruction,
    KillNode,
    LauncherGone,
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
from rena_graph.runtime.host.actor import AgentActor
from rena_graph.runtime.host.reload import ScriptWatch
from rena_graph.runtime.lifecycle import ALIVE, NodeState
from rena_graph.runtime.messages import MessageLog, log_to
from rena_graph.runtime.metrics.values import metrics_answer
from rena_graph.runtime.node.actor import NodeActor
from rena_graph.runtime.plan import HostPaths, Plan, make_plan
from rena_graph.runtime.run_setup import Outcome, RunSetup

__all__ = ["CoordinatorActor"]

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
CLOSE_PATIENCE = 15.0
METRICS = 7.0
"""Seconds that the host agent has to tell what metrics are made of: nvidia-smi may take five of them."""
KILL_PATIENCE = 0.5
"""Seconds that the host agent has to take everything down, in good order and after a kill."""
RELOAD_SECONDS = 0.25
"""Between two looks at the scripts; a change is taken up once the file has been left alone for one look."""
LAST_WORD = 1.0
"""Seconds to wait for the last event of a node whose process has ended."""


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
        self._operations = Operations(
            graph,
            Orders(self._command, self._progress, self._clock),
            lambda node: self._machine.nodes[node].state,
            self._status,
            self._hear,
            self._debug_ended,
            lambda: describe_streams(self._plan),
            self._metrics,
        )
        self._plan: Plan | None = None
        self._agent: Any = None
        self._actors: dict[str, Any] = {}
        self._report: dict[str, Any] = {"nodes": {}, "streams": {}, "edges": []}
        self._messages = MessageLog(setup.folder, self._clock.unix)
        self._books = RunBooks(setup.folder, graph, self._clock.unix)
        self._running_since: float | None = None
        self._paths: dict[str, list[Way]] | None = None
        self._todo: asyncio.Queue[Instruction] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun = asyncio.Event()
        self._ended = asyncio.Event()
        self._server = ControlServer(setup.socket, self._books.noting(self._operations.answer))

    # -- life ----------------------------------------------------------------------------------------
    async def run(self) -> int:
        """From the first instruction to the last; returns the exit code."""
        namespace = self._setup.namespace
        me = ray.get_runtime_context().current_actor
        self._agent = (
            ray.remote(AgentActor)
            .options(num_cpus=0, name="agent", namespace=namespace, lifetime="detached", max_concurrency=8)
            .remote(self._setup, me)
        )
        self._spawn(self._carry_out())
        self._spawn(self._mourn_agent())
        self._spawn(self._books.begin())
        if self._watch is not None:
            self._spawn(self._look_at_scripts(self._watch))
        self._do(self._machine.begin(self._clock.now()))
        self._begun.set()
        await self._server.start()
        while not self._ended.is_set():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), TICK_SECONDS)
            self._hear(StopAsked("the time is over") if self._time_is_over() else Tick())
        await self._server.close()
        return int(self._machine.exit_code)

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, RayActorError):
                self._hear(HostLost())  # whoever asked the agent for something finds out first
                return
            log.error("a task of the coordinator failed", exc_info=error)
            self._hear(HostFailed(f"{type(error).__name__}: {error}", ExitCode.INTERNAL))

    def _hear(self, event: Event) -> None:
        self._do(self._machine.handle(event, self._clock.now()))
        self._books.heard(self._machine.phase.value, self._machine.nodes)

    def _do(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Say(level, text, node):
                    self._messages.say(level, text, node)
                case KillNode(node, epoch):
                    # Not in the queue: what is before it there may be waiting for just this node.
                    self._spawn(self._kill(node, epoch))
                case EndRun(exit_code, failure):
                    # Nor this: after a kill it does not wait for what was going on.
                    self._spawn(self._end(exit_code, failure))
                case _:
                    self._todo.put_nowait(instruction)

    async def notify(self, message: dict[str, Any]) -> None:
        """A host agent reports."""
        match message["event"]:
            case "state":
                state = NodeState(message["state"])
                self._hear(NodeReported(message["node"], message["epoch"], state, message["error"], message["kind"]))
            case "files":
                self._spawn(self._books.imported(message["node"], message["files"]))
                if self._watch is not None and message["epoch"] == self._machine.nodes[message["node"]].epoch:
                    self._watch.note(message["node"], map(Path, message["files"]))
            case "beat":
                self._messages.extend(message["console"])
                if "report" in message:
                    self._report = message["report"]
                    if self._machine.phase is Phase.RUNNING:
                        self._keep_rates()
                    self._books.reported(self._known_status())
                self._hear(StaleSeen(tuple(message["stale"])))
            case "bridge_failed":
                self._hear(HostFailed(message["error"], ExitCode(message["exit_code"])))
            case "sources_ended":
                self._hear(SourcesEnded())

    async def launcher_gone(self) -> None:
        """The session process says so; it may be before the beginning."""
        await self._begun.wait()
        self._hear(LauncherGone())

    async def stop(self, why: str) -> None:
        """Whoever holds the run's frame wants it to end in good order; it may be before the beginning."""
        await self._begun.wait()
        self._hear(StopAsked(why))

    # -- carrying out --------------------------------------------------------------------------------
    async def _mourn_agent(self) -> None:
        """Until the agent has closed; its death before that ends this, and the run, with an error."""
        await self._agent.live.remote()

    async def _carry_out(self) -> None:
        """One instruction after the other: each is done before the next begins."""
        while not self._ended.is_set():
            await self._carry_out_one(await self._todo.get())

    async def _carry_out_one(self, instruction: Instruction) -> None:
        match instruction:
            case PrepareHost():
                self._spawn(self._prepare())
            case PlaceNode(node, epoch):
                self._place(node, epoch)
            case RunNode(node, epoch):
                await self._run_node(node, epoch)
            case StartNode(node, epoch):
                start = self._operations.keeper.rates.start(node, self._clock.now())
                await self._agent.command.remote(node, epoch, start)
            case StopNode(node, epoch, within):
                await self._agent.command.remote(node, epoch, {"do": "stop", "within": within})
            case StartSinks():
                await self._agent.start_sinks.remote()
            case StartSources():
                await self._agent.start_sources.remote()
                self._running_since = self._clock.now()
            case StopSources():
                await self._agent.stop_sources.remote()
            case StopSinks():
                await self._agent.stop_sinks.remote()
                self._hear(SinksStopped())

    async def _prepare(self) -> None:
        setup = self._setup
        try:
            refuse_unplaceable(setup.graph.nodes, await asyncio.to_thread(ray.nodes))
            specs = await self._agent.find.remote()
            paths = HostPaths.of(setup.id, setup.runtime)
            graph = setup.graph.with_formats(specs)
            self._plan = make_plan(graph, specs, setup.transport, paths)
            await self._agent.prepare.remote(self._plan)
        except RenaGraphError as error:
            # Ray hands an actor's exception on as one that is also of the original class.
            self._hear(HostFailed(plain(error), error.exit_code))
        except RayError as error:
            self._hear(HostFailed(f"the host agent failed: {error}", ExitCode.ENVIRONMENT))
        else:
            self._hear(HostPrepared())

    def _place(self, node: str, epoch: int) -> None:
        if node == self._setup.options.debug:
            return  # the launcher has a process for it
        options = node_options(self._setup.graph.nodes[node].placement)
        self._actors[node] = (
            ray.remote(NodeActor)
            .options(
                name=f"node:{node}:{epoch}",
                namespace=self._setup.namespace,
                lifetime="detached",
                max_restarts=0,
                max_concurrency=1,
                **options,
            )
            .remote()
        )

    async def _run_node(self, node: str, epoch: int) -> None:
        assert self._plan is not None
        await self._agent.watch_console.remote(node, epoch)
        operations = self._operations
        setup = self._plan.setup(node, epoch, operations.definitions(node), operations.frequencies.get(node))
        if self._watch is not None:
            self._watch.begin(node, Path(setup.script), self._clock.unix())
            setup = replace(setup, reload=True)
        if node == self._setup.options.debug:
            setup.save(self._setup.debug_file)
        else:
            self._spawn(self._wait_for_end(node, epoch, self._actors[node].run.remote(setup)))

    async def _wait_for_end(self, node: str, epoch: int, life: Any) -> None:
        try:
            await life
            cause = "its process ended without a word"
            await self._last_word(node, epoch)
        except RayActorError as error:
            cause = f"its process died ({plain(error)})"
        except RayError as error:
            cause = f"it failed outside of its script: {plain(error)}"
        await self._agent.release.remote(node)
        self._hear(NodeGone(node, epoch, cause))

    async def _debug_ended(self) -> None:
        """The launcher says that its node has returned; it has one life."""
        node = self._setup.options.debug
        if node is None:
            raise UsageError("no node of this run is under debug")
        await self._last_word(node, 0)
        await self._agent.release.remote(node)
        self._hear(NodeGone(node, 0, "it ended without a word"))

    async def _look_at_scripts(self, watch: ScriptWatch) -> None:
        while not self._ended.is_set():
            for change in await asyncio.to_thread(watch.look):
                self._hear(change)
            await asyncio.sleep(RELOAD_SECONDS)

    async def _last_word(self, node: str, epoch: int) -> None:
        """A node's last event travels another way than its end, and may arrive after it."""
        record = self._machine.nodes[node]
        for _ in range(int(LAST_WORD / TICK_SECONDS)):
            if record.epoch != epoch or record.state not in ALIVE:
                return
            await asyncio.sleep(TICK_SECONDS)

    async def _kill(self, node: str, epoch: int) -> None:
        if node == self._setup.options.debug:
            return  # it is the launcher, which ends with the run
        with suppress(RayError):
            await self._agent.kill.remote(node, epoch)
        actor = self._actors.get(node)
        if actor is not None:
            ray.kill(actor, no_restart=True)
            if not self._machine.nodes[node].run_sent:
                self._hear(NodeGone(node, epoch, "killed before it ran"))

    async def _end(self, exit_code: ExitCode, failure: str | None) -> None:
        try:
            patience = KILL_PATIENCE if exit_code is ExitCode.KILLED else CLOSE_PATIENCE
            last = await asyncio.wait_for(asyncio.wrap_future(self._agent.close.remote().future()), patience)
            self._messages.extend(last["console"])
            self._report = last.get("report", self._report)
        except (RayError, asyncio.TimeoutError) as error:
            # What it leaves on this host is the reaper's.
            log.warning("the host agent did not close: %s", error)
        self._messages.close()
        self._books.close(self._known_status())
        Outcome(exit_code, failure, self._known_status(), self._running_since is not None).write(self._setup.folder)
        for actor in (*self._actors.values(), self._agent):
            if actor is not None:
                ray.kill(actor, no_restart=True)
        self._ended.set()

    # -- answering -----------------------------------------------------------------------------------
    async def _status(self) -> dict[str, Any]:
        if self._plan is not None and self._machine.phase is not Phase.ENDED:
            # A beat may be a quarter of a second old: ask for now, but answer in any case.
            with suppress(RayError, asyncio.TimeoutError):
                report = await asyncio.wait_for(asyncio.wrap_future(self._agent.report.remote().future()), 1.0)
                self._report = report or self._report
        return self._known_status()

    async def _metrics(self) -> dict[str, Any]:
        detail: dict[str, Any] = {}
        if self._plan is not None and self._machine.phase is not Phase.ENDED:
            with suppress(RayError, asyncio.TimeoutError):
                detail = await asyncio.wait_for(asyncio.wrap_future(self._agent.metrics.remote().future()), METRICS)
        return metrics_answer(await self._status(), detail, time.process_time())

    def _time_is_over(self) -> bool:
        run_for, since = self._setup.options.run_for, self._running_since
        return run_for is not None and since is not None and self._clock.now() - since >= run_for

    def _known_status(self) -> dict[str, Any]:
        since = self._running_since
        uptime = 0.0 if since is None else self._clock.now() - since
        paths = self._paths = self._paths or paths_to(self._setup.graph)
        params, keeping = self._operations.params, self._operations.keeper.status
        return make_status(self._setup, self._machine, self._report, params, keeping, uptime, paths)

    def _keep_rates(self) -> None:
        for reaction in self._operations.keeper.heard(self._report, self._machine.nodes, self._clock.now()):
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
        has: dict[str, int] = await self._agent.progress.remote(node, record.epoch)
        return has

    async def _command(self, node: str, message: dict[str, Any]) -> None:
        """To the process that runs the node now; one that is still to come is told by its setup."""
        record = self._machine.nodes[node]
        if record.run_sent and record.state in ALIVE:
            await self._agent.command.remote(node, record.epoch, message)
