"""The graph: a checked document with its names made into streams and edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rena_graph.graph.document import (
    GraphDocument,
    InputDef,
    NodeDef,
    OutputDef,
    OutputSinks,
    ParamDef,
    StreamDef,
)
from rena_graph.graph.param_check import param_def
from rena_graph.graph.problems import Problem

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Edge", "Graph", "Stream", "simulated_name"]


@dataclass(frozen=True)
class Stream:
    """One stream of a graph.

    Parameters
    ----------
    name : str
        Its name in the graph.
    producer : str | None
        The node that makes it; None for an external stream.
    source, output : StreamDef | None, OutputDef | None
        What the document says of it: `source` for an external stream, `output` for one that a node makes.
    channels, rate, dtype, unit : int | None, float | None, str | None, str | None
        What is known of its format before the start; `rate` in Hz, 0 where irregular. None where only the outside
        knows.
    channel_names : tuple of str
        One per channel, or none.
    """

    name: str
    producer: str | None
    source: StreamDef | None
    output: OutputDef | None
    channels: int | None
    rate: float | None
    dtype: str | None
    channel_names: tuple[str, ...] = ()
    unit: str | None = None

    @property
    def sinks(self) -> OutputSinks:
        """Where it is broadcast."""
        return self.output.to if self.output is not None else OutputSinks()

    @property
    def live(self) -> bool:
        """Whether it comes from outside, from somebody who cannot be made to wait."""
        return self.source is not None and self.source.source.live

    @property
    def complete(self) -> bool:
        """Whether channels, rate and dtype are all known."""
        return self.channels is not None and self.rate is not None and self.dtype is not None

    @property
    def script_name(self) -> str:
        """The name by which the script that makes it knows it."""
        return (self.output.as_ if self.output is not None else None) or self.name


@dataclass(frozen=True)
class Edge:
    """One stream into one node.

    Parameters
    ----------
    stream : str
        Name of the stream in the graph; ``S@node`` where the node's input `S` is simulated.
    node : str
        The node that takes it.
    input : InputDef
        What the node says of it.
    index : int
        Its place among all edges of the graph.
    """

    stream: str
    node: str
    input: InputDef
    index: int

    @property
    def name(self) -> str:
        """The name by which the script knows the stream."""
        return self.input.name


@dataclass(frozen=True, eq=False)
class Graph:
    """A checked graph; picklable, and never changed.

    Parameters
    ----------
    path, folder : Path
        The document as the user named it, and the absolute folder that its paths are relative to.
    document : GraphDocument
        What it was made from.
    streams : dict of str to Stream
        External ones first, then those of the nodes, in the document's order.
    nodes : dict of str to NodeDef
        In the document's order.
    edges : tuple of Edge
        Ordered by node, then by input.
    warnings : tuple of Problem
        What does not keep it from running.
    allow_code : tuple of Path
        Folders besides `folder` from which scripts may come.
    """

    path: Path
    folder: Path
    document: GraphDocument
    streams: dict[str, Stream]
    nodes: dict[str, NodeDef]
    edges: tuple[Edge, ...]
    warnings: tuple[Problem, ...] = ()
    allow_code: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The graph's name."""
        return self.document.name

    @cached_property
    def _by_node(self) -> dict[str, tuple[Edge, ...]]:
        return _grouped(self.edges, "node", self.nodes)

    @cached_property
    def _by_stream(self) -> dict[str, tuple[Edge, ...]]:
        return _grouped(self.edges, "stream", self.streams)

    @cached_property
    def _made_by(self) -> dict[str, tuple[Stream, ...]]:
        made: dict[str, list[Stream]] = {node: [] for node in self.nodes}
        for stream in self.streams.values():
            if stream.producer is not None:
                made[stream.producer].append(stream)
        return {node: tuple(streams) for node, streams in made.items()}

    def inputs_of(self, node: str) -> tuple[Edge, ...]:
        """The edges into `node`, in the order of its inputs."""
        return self._by_node[node]

    def outputs_of(self, node: str) -> tuple[Stream, ...]:
        """The streams that `node` makes, in the order of its outputs."""
        return self._made_by[node]

    def consumers(self, stream: str) -> tuple[Edge, ...]:
        """The edges that take `stream`."""
        return self._by_stream[stream]

    def edge_names(self, node: str) -> list[str]:
        """The name of the stream behind each input of `node`, in their order, whether or not somebody makes it."""
        definition = self.nodes[node]
        names = [input_.stream for input_ in definition.input_defs]
        return [simulated_name(name, node) for name in names] if definition.simulate_input else names

    def params_of(self, node: str) -> dict[str, ParamDef]:
        """The parameters of `node`, those written as a value alone with their type."""
        return {name: param_def(value) for name, value in self.nodes[node].params.items()}

    def script_path(self, node: str) -> Path:
        """The absolute path of the node's script, links followed."""
        return (self.folder / self.nodes[node].script).resolve()

    def recording_path(self, stream: str) -> Path:
        """The absolute path of the recording that `stream` is played from, links followed."""
        source = self.streams[stream].source
        if source is None or source.source.recording is None:
            raise ValueError(f"{stream} does not come from a recording")
        return (self.folder / source.source.recording.path).resolve()

    @cached_property
    def external(self) -> tuple[Stream, ...]:
        """The streams that enter from outside, simulated ones included."""
        return tuple(stream for stream in self.streams.values() if stream.source is not None)

    @cached_property
    def levels(self) -> tuple[tuple[str, ...], ...]:
        """The nodes by their depth: each takes streams of earlier levels only, delayed edges left out."""
        waiting = dict.fromkeys(self.nodes, 0)
        after: dict[str, list[str]] = {node: [] for node in self.nodes}
        for edge in self.edges:
            producer = self.streams[edge.stream].producer
            if producer is not None and not edge.input.delayed:
                after[producer].append(edge.node)
                waiting[edge.node] += 1
        levels = []
        ready = [node for node, count in waiting.items() if count == 0]
        while ready:
            levels.append(tuple(ready))
            following = []
            for node in ready:
                for successor in after[node]:
                    waiting[successor] -= 1
                    if waiting[successor] == 0:
                        following.append(successor)
            ready = following
        return tuple(levels)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The nodes, each behind those whose streams it takes, delayed edges left out."""
        return tuple(node for level in self.levels for node in level)

    def dag(self, *, delayed: bool = False) -> nx.DiGraph[str]:
        """The nodes as a networkx graph; `delayed` edges only where asked for.

        Each arrow from a producer to a consumer has ``streams``, the names of the streams that it stands for.
        """
        import networkx as nx

        dag: nx.DiGraph[str] = nx.DiGraph()
        dag.add_nodes_from(self.nodes)
        for edge in self.edges:
            producer = self.streams[edge.stream].producer
            if producer is not None and (delayed or not edge.input.delayed):
                if not dag.has_edge(producer, edge.node):
                    dag.add_edge(producer, edge.node, streams=[])
                dag.edges[producer, edge.node]["streams"].append(edge.stream)
        return dag

    def __getstate__(self) -> dict[str, Any]:
        # What is cached is cheap to make anew, and would travel to every node.
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}


def _grouped(edges: tuple[Edge, ...], key: str, names: Mapping[str, object]) -> dict[str, tuple[Edge, ...]]:
    groups: dict[str, list[Edge]] = {name: [] for name in names}
    for edge in edges:
        groups[getattr(edge, key)].append(edge)
    return {name: tuple(group) for name, group in groups.items()}


def simulated_name(stream: str, node: str) -> str:
    """The name of the stream of its own that `node` gets for its simulated input `stream`."""
    return f"{stream}@{node}"
