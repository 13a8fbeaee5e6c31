"""Where each node runs, so that as little as possible flows between hosts: within what the hosts have. Pure.

Nodes that say ``near`` move together. Where there are few ways to place what the graph leaves open, all are tried;
else from several beginnings one move after the other is made for as long as one helps.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.document import PlacementDef
from rena_graph.graph.model import Graph
from rena_graph.runtime.hosts.machines import Machine
from rena_graph.runtime.hosts.traffic import Crossing, crossings, total

__all__ = ["Placement", "may_be", "place", "together"]

_ALL_WAYS = 4096
"""Ways to place a graph up to which all are tried."""
_KINDS = ("CPU", "GPU", "memory")


@dataclass(frozen=True)
class Placement:
    """Who is where.

    Attributes
    ----------
    machines : tuple of Machine
        All hosts, the coordinator's first.
    nodes, streams : dict of str to str
        Host of each node, and of each external stream, by name.
    crossings : tuple of Crossing
        What flows between hosts.
    """

    machines: tuple[Machine, ...]
    nodes: dict[str, str]
    streams: dict[str, str]
    crossings: tuple[Crossing, ...]

    @property
    def used(self) -> list[Machine]:
        """The hosts that have something to do, the coordinator's among them in any case."""
        busy = {*self.nodes.values(), *self.streams.values(), self.machines[0].name}
        return [machine for machine in self.machines if machine.name in busy]


@dataclass
class _Group:
    """Nodes that stay together, or one external stream; with the hosts where they may be."""

    nodes: list[str] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    needs: dict[str, float] = field(default_factory=dict)
    hosts: list[Machine] = field(default_factory=list)


def place(
    graph: Graph,
    machines: Sequence[Machine],
    fixed: Mapping[str, str] | None = None,
    taken: Mapping[str, Mapping[str, float]] | None = None,
    entering: Mapping[str, str] | None = None,
    lost: Collection[str] = (),
) -> Placement:
    """Place every node and every external stream.

    Parameters
    ----------
    graph : Graph
        What is to run.
    machines : sequence of Machine
        The hosts, the coordinator's first. Streams from devices, and recordings, enter there where the graph says
        nothing else.
    fixed : mapping | None
        Nodes that are bound to a host for another reason than the graph's.
    taken : mapping | None
        By host, how much of ``CPU``, ``GPU`` and ``memory`` others use.
    entering : mapping | None
        External streams that come in on a host already.
    lost : collection of str
        Hosts that are away for good: of the nodes only those are there that are bound to them.

    Raises
    ------
    EnvironmentRefused
        It cannot be; says who asks for what, and what the hosts have.
    """
    groups = _groups(graph, machines, fixed or {}, entering or {}, lost)
    free = {m.name: _free(m, (taken or {}).get(m.name, {})) for m in machines}
    _refuse(graph, groups, machines, free)
    best: tuple[float, int, list[Machine]] | None = None
    for choice in _candidates(graph, groups, machines, free):
        cost = _cost(graph, groups, choice)
        # Among equals: as much as possible where the coordinator is, which needs no link and no second clock.
        away = sum(machine is not machines[0] for machine in choice)
        if best is None or (cost, away) < best[:2]:
            best = (cost, away, choice)
    if best is None:
        raise EnvironmentRefused(_too_little(graph, machines))
    nodes, streams = _spread(groups, best[2])
    order = {name: nodes[name] for name in graph.nodes}
    return Placement(tuple(machines), order, streams, tuple(crossings(graph, nodes, streams)))


# -- what belongs together -----------------------------------------------------------------------------
def together(graph: Graph) -> list[list[str]]:
    """The nodes by who has to be on one host."""
    if all(node.placement.near is None for node in graph.nodes.values()):
        return [[name] for name in graph.nodes]
    import networkx as nx

    near: nx.Graph[str] = nx.Graph()
    near.add_nodes_from(graph.nodes)
    for name, node in graph.nodes.items():
        if node.placement.near is not None:
            near.add_edge(name, node.placement.near)
    return [[name for name in graph.nodes if name in members] for members in nx.connected_components(near)]


def _groups(
    graph: Graph,
    machines: Sequence[Machine],
    fixed: Mapping[str, str],
    entering: Mapping[str, str],
    lost: Collection[str],
) -> list[_Group]:
    groups = []
    for names in together(graph):
        there = [m for m in machines if m.name not in lost or all(n in fixed for n in names)]
        hosts = [m for m in there if all(may_be(graph.nodes[n].placement, m, fixed.get(n)) for n in names)]
        needs = {kind: sum(_needs(graph.nodes[n].placement)[kind] for n in names) for kind in _KINDS}
        groups.append(_Group(nodes=names, needs=needs, hosts=hosts))
    for stream in graph.external:
        assert stream.source is not None
        if stream.name in entering:
            hosts = [m for m in machines if m.called(entering[stream.name])]
        elif stream.source.host is not None:
            hosts = [m for m in machines if m.called(stream.source.host)]
        else:
            hosts = list(machines) if stream.source.source.simulate is not None else [machines[0]]
        groups.append(_Group(streams=[stream.name], hosts=hosts))
    return groups


def may_be(placement: PlacementDef, machine: Machine, fixed: str | None = None) -> bool:
    """Whether a node may be there, as far as names and labels say."""
    if fixed is not None and not machine.called(fixed):
        return False
    if placement.host is not None and not machine.called(placement.host):
        return False
    return all(machine.labels.get(key) == value for key, value in placement.labels.items())


def _needs(placement: PlacementDef) -> dict[str, float]:
    return {"CPU": placement.num_cpus, "GPU": placement.num_gpus, "memory": float(placement.memory or 0)}


def _free(machine: Machine, taken: Mapping[str, float]) -> dict[str, float]:
    has = {"CPU": machine.cpus, "GPU": machine.gpus, "memory": machine.memory}
    return {kind: has[kind] - taken.get(kind, 0.0) for kind in _KINDS}


def _fit(needs: Mapping[str, float], free: Mapping[str, float]) -> bool:
    return all(needs.get(kind, 0.0) <= free[kind] + 1e-9 for kind in _KINDS)


# -- ways to place -------------------------------------------------------------------------------------
def _candidates(
    graph: Graph, groups: list[_Group], machines: Sequence[Machine], free: Mapping[str, Mapping[str, float]]
) -> Iterator[list[Machine]]:
    open_to = [[m for m in group.hosts if _fit(group.needs, free[m.name])] for group in groups]
    if math.prod(len(hosts) for hosts in open_to) <= _ALL_WAYS:
        for choice in itertools.product(*open_to):
            if _all_fit(groups, choice, free):
                yield list(choice)
        return
    for first in machines:
        start = _begin(groups, open_to, first, free)
        if start is not None:
            yield _improved(graph, groups, open_to, start, free)


def _all_fit(groups: list[_Group], choice: Sequence[Machine], free: Mapping[str, Mapping[str, float]]) -> bool:
    used: dict[str, dict[str, float]] = {}
    for group, machine in zip(groups, choice, strict=True):
        if group.needs:
            sums = used.setdefault(machine.name, dict.fromkeys(_KINDS, 0.0))
            for kind, amount in group.needs.items():
                sums[kind] += amount
    return all(_fit(sums, free[name]) for name, sums in used.items())


def _begin(
    groups: list[_Group], open_to: list[list[Machine]], first: Machine, free: Mapping[str, Mapping[str, float]]
) -> list[Machine] | None:
    """All on `first` where that goes, the greediest placed first; None where this way does not."""
    left = {name: dict(amounts) for name, amounts in free.items()}
    choice: list[Machine | None] = [None] * len(groups)
    for i in sorted(range(len(groups)), key=lambda i: (len(open_to[i]), -sum(groups[i].needs.values()))):
        for machine in sorted(open_to[i], key=lambda m: m is not first):
            if _fit(groups[i].needs, left[machine.name]):
                choice[i] = machine
                for kind, amount in groups[i].needs.items():
                    left[machine.name][kind] -= amount
                break
    return [m for m in choice if m is not None] if None not in choice else None


def _improved(
    graph: Graph,
    groups: list[_Group],
    open_to: list[list[Machine]],
    choice: list[Machine],
    free: Mapping[str, Mapping[str, float]],
) -> list[Machine]:
    """Move one group at a time to where it costs less, until no move helps."""
    cost = _cost(graph, groups, choice)
    helped = True
    while helped:
        helped = False
        for i, hosts in enumerate(open_to):
            for machine in hosts:
                tried = [*choice[:i], machine, *choice[i + 1 :]]
                if machine is choice[i] or not _all_fit(groups, tried, free):
                    continue
                now = _cost(graph, groups, tried)
                if now < cost - 1e-9:
                    choice, cost, helped = tried, now, True
    return choice


def _spread(groups: list[_Group], choice: Sequence[Machine]) -> tuple[dict[str, str], dict[str, str]]:
    pairs = list(zip(groups, choice, strict=True))
    nodes = {name: machine.name for group, machine in pairs for name in group.nodes}
    return nodes, {name: machine.name for group, machine in pairs for name in group.streams}


def _cost(graph: Graph, groups: list[_Group], choice: Sequence[Machine]) -> float:
    return total(crossings(graph, *_spread(groups, choice)))


# -- what is wrong -------------------------------------------------------------------------------------
def _refuse(
    graph: Graph, groups: list[_Group], machines: Sequence[Machine], free: Mapping[str, Mapping[str, float]]
) -> None:
    problems = []
    for group in groups:
        if any(_fit(group.needs, free[machine.name]) for machine in group.hosts):
            continue
        if group.streams:
            (name,) = group.streams
            source = graph.streams[name].source
            problems.append(f"stream {name!r} enters on host {source.host if source else None}, which is not there")
        else:
            who = " and ".join(f"node {name!r}" for name in group.nodes)
            verb = "asks" if len(group.nodes) == 1 else "together ask"
            problems.append(f"{who} {verb} for {_wanted(graph, group)}, which no host has")
    if problems:
        raise EnvironmentRefused("\n".join([*problems, _hosts(machines)]))


def _wanted(graph: Graph, group: _Group) -> str:
    parts = [f"{amount:g} {kind}" for kind, amount in group.needs.items() if amount]
    for name in group.nodes:
        placement = graph.nodes[name].placement
        parts += [f"host {placement.host}"] if placement.host is not None else []
        parts += [f"label {key}={value}" for key, value in placement.labels.items()]
    return ", ".join(dict.fromkeys(parts)) or "the launcher's host"


def _too_little(graph: Graph, machines: Sequence[Machine]) -> str:
    asking = [
        f"node {name!r}: {', '.join(f'{amount:g} {kind}' for kind, amount in needs.items() if amount)}"
        for name, node in graph.nodes.items()
        if any((needs := _needs(node.placement)).values())
    ]
    return "\n".join(["the hosts have too little for all nodes together, which ask for", *asking, _hosts(machines)])


def _hosts(machines: Sequence[Machine]) -> str:
    return "\n".join(["the hosts are", *(f"  {machine}" for machine in machines)])
