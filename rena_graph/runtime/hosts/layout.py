"""Who of a run is on which of its hosts: what became of a placement, as facts that outlive a coordinator. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rena_graph.graph.model import Graph
from rena_graph.runtime.hosts.machines import Machine
from rena_graph.runtime.hosts.planner import Placement

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """The hosts of one run.

    Parameters
    ----------
    here : str
        The coordinator's host.
    addresses : mapping of str to str
        Of every host that has something to do, the coordinator's first.
    nodes, streams : mapping of str to str
        The host of each node, and the one where each external stream comes in.
    machines : tuple of Machine
        What these hosts have.
    moved : mapping of str to str
        Of nodes whose host was lost: where they were at first.
    """

    here: str
    addresses: Mapping[str, str]
    nodes: Mapping[str, str]
    streams: Mapping[str, str]
    machines: tuple[Machine, ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, placement: Placement) -> Layout:
        """From what the planner says."""
        addresses = {machine.name: machine.address for machine in placement.used}
        nodes, streams = dict(placement.nodes), dict(placement.streams)
        return cls(placement.machines[0].name, addresses, nodes, streams, tuple(placement.used))

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Layout:
        """What :meth:`to_dict` gave."""
        return cls(**{**facts, "machines": tuple(Machine(**machine) for machine in facts["machines"])})

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        return asdict(self)

    def with_moved(self, moves: Mapping[str, str]) -> Layout:
        """The same run with these nodes on other hosts of it; a second time nothing changes."""
        moved = {node: self.nodes[node] for node, host in moves.items() if self.nodes[node] != host}
        return replace(self, nodes={**self.nodes, **moves}, moved={**moved, **self.moved})

    @property
    def first(self) -> Layout:
        """As it was when the run began: rows are numbered by that."""
        return replace(self, nodes={**self.nodes, **self.moved}, moved={})

    @property
    def several(self) -> bool:
        """Whether anything crosses from host to host."""
        return len(self.addresses) > 1

    def made_on(self, graph: Graph) -> dict[str, str]:
        """The host on which each stream is made, or comes in."""
        return {
            name: self.streams[name] if stream.producer is None else self.nodes[stream.producer]
            for name, stream in graph.streams.items()
        }

    def taken_on(self, graph: Graph, stream: str) -> list[str]:
        """The hosts whose nodes take a stream, each once, in the order of the graph."""
        return list(dict.fromkeys(self.nodes[edge.node] for edge in graph.consumers(stream)))

    def coming_to(self, graph: Graph, node: str) -> dict[str, tuple[str, ...]]:
        """What a node takes from other hosts: by host, its streams."""
        made_on = self.made_on(graph)
        found: dict[str, tuple[str, ...]] = {}
        for edge in graph.inputs_of(node):
            host = made_on[edge.stream]
            if host != self.nodes[node]:
                found[host] = (*found.get(host, ()), edge.stream)
        return found

    def crossings(self, graph: Graph) -> Iterator[tuple[str, str, str]]:
        """Every stream that goes from one host to another: its name, from where, to where."""
        made_on = self.made_on(graph)
        for stream in graph.streams:
            for host in self.taken_on(graph, stream):
                if host != made_on[stream]:
                    yield stream, made_on[stream], host
