"""A world for the coordinator's state machine: it carries out instructions and lets happen what a test chooses."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from rena_graph.errors import ExitCode
from rena_graph.graph.document import NodeDef
from rena_graph.runtime.coordinator.machine import Coordinator
from rena_graph.runtime.coordinator.signals import (
    EndRun,
    Event,
    HostFailed,
    HostPrepared,
    Instruction,
    KillNode,
    NodeGone,
    NodeReported,
    PlaceNode,
    PrepareHost,
    RunNode,
    SinksStopped,
    StartNode,
    StartSinks,
    StartSources,
    StopNode,
    StopSinks,
    StopSources,
    Tick,
)
from rena_graph.runtime.lifecycle import NodeState


@dataclass
class Process:
    """One incarnation of a node."""

    node: str
    epoch: int
    state: NodeState = NodeState.PLACING
    alive: bool = True
    fails_in: str | None = None
    hangs: bool = False


@dataclass
class World:
    """Processes, a clock, and events on their way to the coordinator."""

    nodes: dict[str, NodeDef]
    levels: list[list[str]]
    now: float = 0.0
    processes: list[Process] = field(default_factory=list)
    on_the_way: deque[Event] = field(default_factory=deque)
    order: list[str] = field(default_factory=list)
    ended: EndRun | None = None
    host_fails: bool = False
    debugged: str | None = None
    reload: bool = False
    fails_next: str | None = None
    """Where the next process that is made fails."""

    def __post_init__(self) -> None:
        self.machine = Coordinator(self.nodes, self.levels, self.debugged, self.reload)

    def begin(self) -> None:
        self._carry_out(self.machine.begin(self.now))

    def hear(self, event: Event) -> list[Instruction]:
        """The coordinator hears of something now. Returns what it wanted done."""
        instructions = self.machine.handle(event, self.now)
        self._carry_out(instructions)
        return instructions

    def living(self, node: str) -> list[Process]:
        return [p for p in self.processes if p.node == node and p.alive]

    def _carry_out(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            assert self.ended is None, f"{instruction} after the end"
            self.order.append(type(instruction).__name__)
            match instruction:
                case PlaceNode(node, epoch):
                    assert not self.living(node), f"two lives of {node} at once"
                    assert all(p.epoch < epoch for p in self.processes if p.node == node)
                    self.processes.append(Process(node, epoch, fails_in=self.fails_next))
                    self.fails_next = None
                case PrepareHost():
                    failed = HostFailed("no such stream", ExitCode.ENVIRONMENT)
                    self.on_the_way.append(failed if self.host_fails else HostPrepared())
                case RunNode(node, epoch):
                    self._run(self._process(node, epoch))
                case StartNode(node, epoch):
                    self._enter(self._process(node, epoch), NodeState.RUNNING)
                case StopNode(node, epoch, _):
                    process = self._process(node, epoch)
                    if process is not None and not process.hangs:
                        self._enter(process, NodeState.STOPPING)
                        self._enter(process, NodeState.STOPPED)
                        self.die(process)
                case KillNode(node, epoch):
                    process = self._process(node, epoch)
                    if process is not None:
                        self.die(process)
                case StopSinks():
                    self.on_the_way.append(SinksStopped())
                case EndRun():
                    self.ended = instruction
                case StartSinks() | StartSources() | StopSources() | _:
                    pass

    def _process(self, node: str, epoch: int) -> Process | None:
        return next((p for p in self.processes if (p.node, p.epoch) == (node, epoch) and p.alive), None)

    def _run(self, process: Process | None) -> None:
        if process is None:
            return
        for state in (NodeState.LOADING, NodeState.INITIALIZING, NodeState.READY):
            if process.fails_in == state.label:
                self.fail(process, "load" if state is NodeState.LOADING else "init")
                return
            self._enter(process, state)

    def _enter(self, process: Process | None, state: NodeState) -> None:
        if process is not None and process.alive:
            process.state = state
            self.on_the_way.append(NodeReported(process.node, process.epoch, state))

    def fail(self, process: Process, kind: str) -> None:
        """The process says that it failed, and ends."""
        self.on_the_way.append(NodeReported(process.node, process.epoch, NodeState.FAILED, "boom", kind))
        self.die(process)

    def die(self, process: Process) -> None:
        process.alive = False
        self.on_the_way.append(NodeGone(process.node, process.epoch, "its process died"))

    def deliver(self, index: int = 0) -> None:
        """Let one event arrive; any of them may overtake the others."""
        if self.on_the_way:
            self.on_the_way.rotate(-(index % len(self.on_the_way)))
            self.hear(self.on_the_way.popleft())

    def settle(self, seconds: float = 0.0) -> None:
        """Let everything arrive, then time pass."""
        end = self.now + seconds
        while self.on_the_way or self.now < end:
            while self.on_the_way:
                self.deliver()
            self.now = min(end, self.now + 0.1) if self.now < end else self.now
            self.hear(Tick())
