"""A world for the coordinator's state machine: it carries out instructions and lets happen what a test chooses."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field

from rena_graph.errors import ExitCode
from rena_graph.graph.document import NodeDef
from rena_graph.runtime.coordinator.machine import Coordinator
from rena_graph.runtime.coordinator.memory import restore, save
from rena_graph.runtime.coordinator.signals import (
    EndRun,
    Event,
    HostFailed,
    HostGone,
    HostLost,
    HostPrepared,
    Instruction,
    KillNode,
    MoveNodes,
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
    lost: bool = False
    """Its host is lost."""
    failed: str | None = None
    """The kind of failure that it told of."""


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
    moved: set[str] = field(default_factory=set)
    """Nodes for which there is room on another host."""
    fails_next: str | None = None
    """Where the next process that is made fails."""
    swallows: bool = False
    """The host agent dies over the next command for a node."""

    def __post_init__(self) -> None:
        self.machine = self._coordinator()
        self._held: set[tuple[str, int]] = set()
        """Processes that the present coordinator has made itself, and whose end Ray tells it."""

    def _coordinator(self) -> Coordinator:
        return Coordinator(self.nodes, self.levels, self.debugged, self.reload)

    def begin(self) -> None:
        self._carry_out(self.machine.begin(self.now))

    def hear(self, event: Event) -> list[Instruction]:
        """The coordinator hears of something now. Returns what it wanted done."""
        instructions = self.machine.handle(event, self.now)
        self._carry_out(instructions)
        return instructions

    def crash(self) -> None:
        """The coordinator dies, with all that was on the way to it; another one goes on."""
        kept = json.dumps(save(self.machine))
        self.machine = self._coordinator()
        restore(self.machine, json.loads(kept))
        self.on_the_way.clear()
        self._held.clear()
        self._tell_anew()
        self.ended = None
        self._carry_out(self.machine.resume(self.now))

    def lose_host(self) -> None:
        """The host agent dies, with all that went through it."""
        self._lose_words()
        self.hear(HostLost())

    def lose_machine(self, nodes: tuple[str, ...], moved: int) -> None:
        """A host is lost for good, with these nodes, of which nothing is heard again; the first few are moved."""
        for process in self.processes:
            process.lost |= process.node in nodes
            process.alive &= not process.lost
        self.on_the_way = deque(
            event for event in self.on_the_way
            if not (isinstance(event, NodeReported | NodeGone) and event.node in nodes)
        )  # fmt: skip
        moves, stuck = nodes[:moved], nodes[moved:]
        to, why = tuple((node, "near") for node in moves), tuple((node, "it is bound") for node in stuck)
        self.hear(HostGone("far", 20.0, "", nodes, (), to, why))

    def _lose_words(self) -> None:
        """All but what Ray itself tells: the end of a process of which no agent knows yet."""
        unknown = {(p.node, p.epoch) for p in self.processes if not self._begun(p)} & self._held
        kept = [e for e in self.on_the_way if isinstance(e, NodeGone) and (e.node, e.epoch) in unknown]
        self.on_the_way = deque(kept)

    def _tell_anew(self) -> None:
        """What a host agent says to a coordinator that it did not know: all that stands on the board."""
        for process in [process for process in self.processes if not process.lost]:
            if process.failed is not None:
                state, kind = NodeState.FAILED, process.failed
                self.on_the_way.append(NodeReported(process.node, process.epoch, state, "boom", kind))
            else:
                self.on_the_way.append(NodeReported(process.node, process.epoch, process.state))
            if not process.alive and self._begun(process):
                self.on_the_way.append(NodeGone(process.node, process.epoch, "its process died"))

    def living(self, node: str) -> list[Process]:
        return [p for p in self.processes if p.node == node and p.alive]

    def _carry_out(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            assert self.ended is None, f"{instruction} after the end"
            self.order.append(type(instruction).__name__)
            if self.swallows and isinstance(instruction, StartNode | StopNode):
                self.swallows = False
                self._lose_words()
                self.on_the_way.append(HostLost())
                continue
            match instruction:
                case MoveNodes(moves):
                    self.moved |= set(moves)
                case PlaceNode(node, epoch):
                    self._place(node, epoch)
                case PrepareHost(life):
                    failed = HostFailed("no such stream", ExitCode.ENVIRONMENT)
                    self.on_the_way.append(failed if self.host_fails else HostPrepared(life))
                    self._tell_anew()
                case RunNode(node, epoch):
                    same = [p for p in self.processes if (p.node, p.epoch) == (node, epoch)]
                    if (node, epoch) not in self._held and not any(self._begun(p) for p in same):
                        self._place(node, epoch)
                    self._run(self._process(node, epoch))
                case StartNode(node, epoch):
                    process = self._process(node, epoch)
                    if process is not None and process.state is NodeState.READY:
                        self._enter(process, NodeState.RUNNING)
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

    @staticmethod
    def _begun(process: Process) -> bool:
        return process.alive or process.state is not NodeState.PLACING

    def _place(self, node: str, epoch: int) -> None:
        self._held.add((node, epoch))
        if self._process(node, epoch) is not None:
            return  # it is there already: asked for twice
        assert not self.living(node), f"two lives of {node} at once"
        if any(p.lost for p in self.processes if p.node == node) and self.machine.run.moves.get(node):
            assert node in self.moved, f"{node} begins before there is room for it"
        same = [p for p in self.processes if (p.node, p.epoch) == (node, epoch)]
        assert all(p.state is NodeState.PLACING for p in same), f"epoch {epoch} of {node} has run already"
        assert all(p.epoch <= epoch for p in self.processes if p.node == node)
        self.processes = [p for p in self.processes if p not in same]
        self.processes.append(Process(node, epoch, fails_in=self.fails_next))
        self.fails_next = None

    def _process(self, node: str, epoch: int) -> Process | None:
        return next((p for p in self.processes if (p.node, p.epoch) == (node, epoch) and p.alive), None)

    def _run(self, process: Process | None) -> None:
        if process is None or process.state is not NodeState.PLACING:
            return  # it runs already: asked for twice
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
        process.failed = kind
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
