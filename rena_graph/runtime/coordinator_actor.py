"""The coordinator's Ray shell: carries out what the state machine decides, and answers the control socket."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from rena_graph.errors import ExitCode, ParamRefused, RenaGraphError, UsageError
from rena_graph.graph.document import ParamDef
from rena_graph.runtime.agent_actor import AgentActor
from rena_graph.runtime.alive import hold_alive
from rena_graph.runtime.clock import SystemClock
from rena_graph.runtime.control import ControlServer
from rena_graph.runtime.lifecycle import ALIVE, NodeState
from rena_graph.runtime.machine import Coordinator, Phase
from rena_graph.runtime.messages import MessageLog, log_to
from rena_graph.runtime.node_actor import NodeActor
from rena_graph.runtime.placement import node_options, refuse_unplaceable
from rena_graph.runtime.plan import HostPaths, Plan, make_plan
from rena_graph.runtime.run_setup import Outcome, RunSetup
from rena_graph.runtime.signals import (
    EndRun,
    Event,
    HostFailed,
    HostPrepared,
    Instruction,
    KillAsked,
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
from rena_graph.streams.params import ParamChanges, Params

__all__ = ["CoordinatorActor"]

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
START_DELAY = 0.02
"""Seconds from the order to start to the first tick, so that it reaches every node before."""
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
        self._machine = Coordinator(graph.nodes, graph.levels)
        self._params = {name: Params(graph.params_of(name), folder=graph.folder) for name in graph.nodes}
        self._plan: Plan | None = None
        self._agent: Any = None
        self._actors: dict[str, Any] = {}
        self._report: dict[str, Any] = {"nodes": {}, "streams": {}, "edges": []}
        self._messages = MessageLog(setup.folder, self._clock.unix)
        self._running_since: float | None = None
        self._todo: asyncio.Queue[Instruction] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._server = ControlServer(setup.socket, self._answer)

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
        await self._server.start()
        self._spawn(self._carry_out())
        self._do(self._machine.begin(self._clock.now()))
        while not self._ended.is_set():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), TICK_SECONDS)
            self._hear(Tick())
        await self._server.close()
        return int(self._machine.exit_code)

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
        self._do(self._machine.handle(event, self._clock.now()))

    def _do(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Say(level, text, node):
                    self._messages.say(level, text, node)
                case KillNode(node, epoch):
                    # Not in the queue: what is before it there may be waiting for just this node.
                    self._spawn(self._kill(node, epoch))
                case _:
                    self._todo.put_nowait(instruction)

    async def notify(self, message: dict[str, Any]) -> None:
        """A host agent reports."""
        match message["event"]:
            case "state":
                state = NodeState(message["state"])
                self._hear(NodeReported(message["node"], message["epoch"], state, message["error"], message["kind"]))
            case "beat":
                self._messages.extend(message["console"])
                if "report" in message:
                    self._report = message["report"]
                self._hear(StaleSeen(tuple(message["stale"])))
            case "bridge_failed":
                self._hear(HostFailed(message["error"], ExitCode(message["exit_code"])))
            case "sources_ended":
                self._hear(SourcesEnded())

    async def launcher_gone(self) -> None:
        """The session process says so."""
        self._hear(LauncherGone())

    # -- carrying out --------------------------------------------------------------------------------
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
                at = self._clock.now() + START_DELAY
                await self._agent.command.remote(node, epoch, {"do": "start", "at": at})
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
            case EndRun(exit_code, failure):
                await self._end(exit_code, failure)

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
            self._hear(HostFailed(_plain(error), error.exit_code))
        except RayError as error:
            self._hear(HostFailed(f"the host agent failed: {error}", ExitCode.ENVIRONMENT))
        else:
            self._hear(HostPrepared())

    def _place(self, node: str, epoch: int) -> None:
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
        actor = self._actors[node]
        self._spawn(self._watch(node, epoch, actor.run.remote(self._plan.setup(node, epoch, self._definitions(node)))))

    async def _watch(self, node: str, epoch: int, life: Any) -> None:
        try:
            await life
            cause = "its process ended without a word"
            await self._last_word(node, epoch)
        except RayActorError as error:
            cause = f"its process died ({_plain(error)})"
        except RayError as error:
            cause = f"it failed outside of its script: {_plain(error)}"
        self._hear(NodeGone(node, epoch, cause))

    async def _last_word(self, node: str, epoch: int) -> None:
        """A node's last event travels another way than its end, and may arrive after it."""
        record = self._machine.nodes[node]
        for _ in range(int(LAST_WORD / TICK_SECONDS)):
            if record.epoch != epoch or record.state not in ALIVE:
                return
            await asyncio.sleep(TICK_SECONDS)

    async def _kill(self, node: str, epoch: int) -> None:
        await self._agent.kill.remote(node, epoch)
        actor = self._actors.get(node)
        if actor is not None:
            ray.kill(actor, no_restart=True)
            if not self._machine.nodes[node].run_sent:
                self._hear(NodeGone(node, epoch, "killed before it ran"))

    async def _end(self, exit_code: ExitCode, failure: str | None) -> None:
        try:
            last = await self._agent.close.remote()
            self._messages.extend(last["console"])
            self._report = last.get("report", self._report)
        except RayError as error:
            log.warning("the host agent did not close: %s", error)
        self._messages.close()
        Outcome(exit_code, failure, self._status(), self._running_since is not None).write(self._setup.folder)
        for actor in (*self._actors.values(), self._agent):
            ray.kill(actor, no_restart=True)
        self._ended.set()

    # -- answering -----------------------------------------------------------------------------------
    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request.get("op"):
            case "status":
                await self._refresh()
                return {"status": self._status()}
            case "params":
                return await self._change_params(request)
            case "stop":
                self._hear(StopAsked(str(request.get("why", "asked to"))))
                return {}
            case "kill":
                self._hear(KillAsked())
                return {}
            case other:
                raise UsageError(f"the control socket knows no {other!r}; it knows status, params, stop, kill")

    async def _refresh(self) -> None:
        if self._plan is None or self._machine.phase is Phase.ENDED:
            return
        with suppress(RayError, asyncio.TimeoutError):
            report = await asyncio.wait_for(asyncio.wrap_future(self._agent.report.remote().future()), 1.0)
            self._report = report or self._report

    def _definitions(self, node: str) -> dict[str, ParamDef]:
        """The node's parameters as they are now: what a restarted node starts with."""
        params = self._params[node]
        return {name: d.model_copy(update={"value": params[name]}) for name, d in params.definitions.items()}

    async def _change_params(self, request: dict[str, Any]) -> dict[str, Any]:
        node = str(request.get("node"))
        if node not in self._params:
            raise ParamRefused(f"there is no node {node!r}; the nodes are {', '.join(self._params)}")
        params = self._params[node]
        change = ParamChanges(
            dict(request.get("set", {})), dict(request.get("add", {})), tuple(request.get("remove", ()))
        )
        if change != ParamChanges():
            params.apply(change)
            record = self._machine.nodes[node]
            message = {"do": "params", "set": change.values, "add": change.add, "remove": change.remove}
            if record.run_sent:
                await self._agent.command.remote(node, record.epoch, message)
        return {"params": dict(params)}

    def _status(self) -> dict[str, Any]:
        machine, report = self._machine, self._report
        dropped: dict[str, int] = {}
        for edge in report["edges"]:
            dropped[edge["to"]] = dropped.get(edge["to"], 0) + sum(edge["dropped"].values())
        nodes = {}
        for name, record in machine.nodes.items():
            nodes[name] = {
                **report["nodes"].get(name, {}),
                "state": record.state.label,
                "stale": record.stale_for is not None,
                "restarts": record.restarts,
                "error": record.error,
                "dropped": dropped.get(name, 0),
                "params": dict(self._params[name]),
            }
        since = self._running_since
        return {
            "run": self._setup.id,
            "graph": self._setup.graph.document.name,
            "state": machine.phase.value,
            "uptime": 0.0 if since is None else self._clock.now() - since,
            "exit_code": int(machine.exit_code) if machine.phase is Phase.ENDED else None,
            "failure": machine.failure,
            "transport": self._setup.transport,
            "pid": os.getpid(),
            "nodes": nodes,
            "streams": report["streams"],
            "edges": report["edges"],
        }


def _plain(error: BaseException) -> str:
    """The error's own words, without the frames that Ray puts around them."""
    cause = getattr(error, "cause", None)
    text = str(cause if isinstance(cause, BaseException) else error).strip()
    return text if len(text) < 4000 else text[:4000] + " …"
