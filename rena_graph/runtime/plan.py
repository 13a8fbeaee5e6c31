"""From a graph and the formats of its external streams to rows, rings and setups: where everything of a run is.

Pure: the same graph and formats give the same plan.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from rena_graph.graph.document import LslSink, ParamDef, ZmqSink
from rena_graph.graph.model import Edge, Graph
from rena_graph.runtime.setup import InputSetup, NodeSetup, OutputSetup
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.interface import EdgeOptions, StreamPort

__all__ = ["Crossing", "HostPaths", "Plan", "SinkPlan", "make_plan"]

RETENTION = 10.0
"""Seconds that a ring keeps beyond the longest input window of its readers."""
RETENTION_BYTES = 64 << 20
IRREGULAR_BYTES = 16 << 20
MIN_SAMPLES = 64
MIN_WIDE_SAMPLES = 4


@dataclass(frozen=True)
class HostPaths:
    """Where a run keeps its things on one host."""

    run: str
    runtime: Path
    board: Path

    @classmethod
    def of(cls, run: str, runtime: Path) -> HostPaths:
        """The usual places."""
        shm = Path("/dev/shm")
        return cls(run, runtime, (shm if shm.is_dir() else runtime) / f"rg-{run}-board")

    @property
    def commands(self) -> str:
        """Endpoint of the agent's commands."""
        return f"ipc://{self.runtime}/commands"

    @property
    def events(self) -> str:
        """Endpoint of the nodes' events."""
        return f"ipc://{self.runtime}/events"

    def console(self, node: str, epoch: int, index: int) -> str:
        """Path prefix of a node's console files; by index, since names may hold any character."""
        return str(self.runtime / f"console-{index}-{epoch}")

    def state(self, index: int) -> str:
        """Path prefix of a node's saved state."""
        return str(self.board.parent / f"rg-{self.run}-state-{index}")

    def stream(self, index: int, transport: str) -> str:
        """Address of a stream."""
        return f"/dev/shm/rg-{self.run}-{index}" if transport == "ring" else f"ipc://{self.runtime}/s{index}"


@dataclass(frozen=True)
class SinkPlan:
    """One broadcast: which stream leaves the graph, how, and the row of its edge."""

    stream: str
    definition: LslSink | ZmqSink
    edge: int
    label: str


@dataclass(frozen=True)
class Crossing:
    """One stream that goes to one other host, and the row of its edge; `policy` as of a reader."""

    stream: str
    to: str
    edge: int
    policy: Literal["fifo", "latest", "block"] = "fifo"
    block_timeout: float = 1.0


@dataclass(frozen=True)
class Plan:
    """Everything of a run on one host; of a run on one host, everything.

    Parameters
    ----------
    ports : dict
        By stream name.
    edges : tuple of (Edge, StreamSpec)
        The nodes' edges with their specification as the script sees it; row `i` is edge `i`.
    sinks : tuple of SinkPlan
        Rows after those of the nodes' edges.
    node_rows : dict
        Board row of each node.
    host : str
        Name of the host that this plan is of.
    links : tuple of Crossing
        Every stream that crosses from one host of the run to another, by its row; these come after those of the sinks.
    incoming : mapping of str to str
        Streams that come from other hosts, and from which.
    outgoing : tuple of Crossing
        Of the links, those that begin on this host.
    own_clock : bool
        Whether this host's clock is graph time: whether it is the coordinator's.
    link_rows : int
        Rows that are kept for links, also for those that come once a node is moved from a host that is lost.
    crossable : tuple of StreamPort
        Every stream that may ever come from another host; none in a run of one.
    """

    graph: Graph
    transport: Literal["ring", "zmq"]
    paths: HostPaths
    ports: dict[str, StreamPort]
    edges: tuple[tuple[Edge, StreamSpec], ...]
    sinks: tuple[SinkPlan, ...]
    node_rows: dict[str, int]
    host: str = ""
    links: tuple[Crossing, ...] = ()
    incoming: Mapping[str, str] = field(default_factory=dict)
    outgoing: tuple[Crossing, ...] = ()
    own_clock: bool = True
    link_rows: int = 0
    crossable: tuple[StreamPort, ...] = ()

    @property
    def edge_count(self) -> int:
        """Rows of the board's edge table."""
        return len(self.edges) + len(self.sinks) + self.link_rows

    @property
    def own_sinks(self) -> tuple[SinkPlan, ...]:
        """The broadcasts of this host: of what is made on it."""
        return tuple(sink for sink in self.sinks if sink.stream in self.ports and sink.stream not in self.incoming)

    @cached_property
    def own_edges(self) -> frozenset[int]:
        """Rows of the edges that are counted on this host."""
        nodes = {edge.index for edge, _ in self.edges if edge.node in self.node_rows}
        return frozenset(nodes | {sink.edge for sink in self.own_sinks} | {link.edge for link in self.outgoing})

    @cached_property
    def _edges_into(self) -> dict[str, list[tuple[Edge, StreamSpec]]]:
        into: dict[str, list[tuple[Edge, StreamSpec]]] = {}
        for edge, spec in self.edges:
            into.setdefault(edge.node, []).append((edge, spec))
        return into

    def setup(self, node: str, epoch: int, params: Mapping[str, ParamDef], frequency: float | None = None) -> NodeSetup:
        """What the process of `node` is told; `frequency` (Hz) where it is no longer the graph's."""
        definition = self.graph.nodes[node]
        if frequency is not None:
            definition = definition.model_copy(update={"run_frequency": frequency})
        inputs = tuple(self._input(edge, spec) for edge, spec in self._edges_into.get(node, ()))
        outputs = tuple(
            OutputSetup(out.as_ or name, self.ports[name], out.on_nan) for name, out in definition.outputs.items()
        )
        row = self.node_rows[node]
        return NodeSetup(
            run=self.paths.run,
            graph=self.graph.document.name,
            name=node,
            epoch=epoch,
            index=row,
            script=str(self.graph.script_path(node)),
            folder=str(self.graph.folder),
            definition=definition,
            inputs=inputs,
            outputs=outputs,
            board=str(self.paths.board),
            commands=self.paths.commands,
            events=self.paths.events,
            console=self.paths.console(node, epoch, row),
            runtime_dir=str(self.paths.runtime),
            state=self.paths.state(row),
            params=dict(params),
            transport=self.transport,
            own_clock=self.own_clock,
        )

    def _input(self, edge: Edge, spec: StreamSpec) -> InputSetup:
        port = self.ports[edge.stream]
        pick = edge.input.pick
        names = port.spec.channel_names
        return InputSetup(
            port=port,
            edge=EdgeOptions(edge.index, edge.input.policy, edge.input.block_timeout),
            definition=edge.input,
            pick=None if pick is None else tuple(names.index(p) for p in pick),
            spec=spec,
        )

    def consumers(self) -> dict[int, tuple[str, str]]:
        """(stream, who) of every edge that there is, by its row, for people."""
        nodes = {e.index: (e.stream, e.node) for e, _ in self.edges}
        sinks = {sink.edge: (sink.stream, sink.label) for sink in self.sinks}
        return {**nodes, **sinks, **{link.edge: (link.stream, f"host {link.to}") for link in self.links}}


def make_plan(
    graph: Graph,
    specs: Mapping[str, StreamSpec],
    transport: Literal["ring", "zmq"],
    paths: HostPaths,
) -> Plan:
    """Lay out a run on one host.

    Parameters
    ----------
    graph : Graph
        Checked, also against the formats found: see :meth:`Graph.with_formats`.
    specs : mapping
        The complete format of every external stream, as its bridge found it.
    transport : {'ring', 'zmq'}
        How streams move.
    paths : HostPaths
        Where.
    """
    full = {name: _spec_of(graph, name, specs) for name in graph.streams}
    edges = tuple((edge, _edge_spec(edge, full[edge.stream])) for edge in graph.edges)
    sinks = _sinks(graph, len(edges))
    # Sorted once by stream: a look at every edge for every stream takes seconds where there are thousands.
    readers_of: dict[str, list[Edge]] = {name: [] for name in graph.streams}
    for edge, _ in edges:
        readers_of[edge.stream].append(edge)
    sinks_of: dict[str, list[int]] = {name: [] for name in graph.streams}
    for sink in sinks:
        sinks_of[sink.stream].append(sink.edge)
    ports = {}
    for index, name in enumerate(graph.streams):
        readers = readers_of[name]
        rows = [e.index for e in readers] + sinks_of[name]
        capacity = _capacity(graph, full[name], readers)
        address = paths.stream(index, transport)
        ports[name] = StreamPort(full[name], transport, address, capacity, index, tuple(rows))
    rows_of = {node: i for i, node in enumerate(graph.nodes)}
    return Plan(graph, transport, paths, ports, edges, sinks, rows_of)


def _spec_of(graph: Graph, name: str, specs: Mapping[str, StreamSpec]) -> StreamSpec:
    if name in specs:
        return specs[name]
    output = graph.streams[name].output
    assert output is not None  # a stream is external (and found) or made by a node
    names = tuple(output.channel_names or ())
    return StreamSpec(name, output.channels, output.dtype, output.rate, names, output.unit)


def _edge_spec(edge: Edge, spec: StreamSpec) -> StreamSpec:
    """The stream as the script sees it."""
    pick = edge.input.pick
    if pick is None:
        return replace(spec, name=edge.name)
    return replace(spec, name=edge.name, channels=len(pick), channel_names=tuple(pick))


def _sinks(graph: Graph, first: int) -> tuple[SinkPlan, ...]:
    sinks: list[SinkPlan] = []
    for node in graph.nodes.values():
        for name, output in node.outputs.items():
            if output.to.lsl is not None:
                label = f"lsl:{output.to.lsl.name or name}"
                sinks.append(SinkPlan(name, output.to.lsl, first + len(sinks), label))
            if output.to.zmq is not None:
                sinks.append(SinkPlan(name, output.to.zmq, first + len(sinks), f"zmq:{output.to.zmq.port}"))
    return tuple(sinks)


def _capacity(graph: Graph, spec: StreamSpec, readers: list[Edge]) -> int:
    """Samples a ring keeps: the longest window of its readers plus the retention; see DESIGN."""
    sample = max(1, spec.sample_bytes + 8)
    if spec.rate == 0:
        wanted = max((e.input.max_samples for e in readers), default=1024)
        return max(MIN_WIDE_SAMPLES, min(wanted, IRREGULAR_BYTES // sample), 16)
    longest = max((graph.nodes[e.node].buffer_duration for e in readers), default=1.0)
    retention = min(math.ceil(spec.rate * RETENTION), RETENTION_BYTES // sample)
    floor = MIN_SAMPLES if sample * MIN_SAMPLES <= RETENTION_BYTES else MIN_WIDE_SAMPLES
    return max(floor, math.ceil(spec.rate * longest) + retention)
