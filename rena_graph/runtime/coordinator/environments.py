"""Which Python the process of each node is started with, where the graph asks for one of its own: made on its host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.model import Graph
from rena_graph.runtime.coordinator.agents import Agents
from rena_graph.runtime.coordinator.ray_words import plain
from rena_graph.runtime.hosts.environment import Made, Wanted, has_own, wanted_of
from rena_graph.runtime.hosts.layout import Layout

__all__ = ["Environments"]


class Environments:
    """Made once for each node and host, before the node is started there.

    Parameters
    ----------
    graph : Graph
        What runs.
    agents : Agents
        Who makes them.
    say : callable
        Tells whoever runs the graph: how much it weighs, and the words.
    made : callable
        Told what there is, for the run's books, once something has been made.
    """

    def __init__(
        self,
        graph: Graph,
        agents: Agents,
        say: Callable[[str, str], None],
        made: Callable[[dict[str, dict[str, Any]]], None],
    ) -> None:
        self._graph = graph
        self._agents = agents
        self._say = say
        self._tell = made
        self._own = [node for node in graph.nodes if has_own(graph, node)]
        self._made: dict[tuple[str, str], Made] = {}
        self._at_work: list[str] = []

    @property
    def doing(self) -> str | None:
        """What is being made now, in words for people."""
        return "; ".join(self._at_work) or None

    def python(self, node: str, host: str) -> str | None:
        """What a node's process is to be started with on a host; None for what the host runs Ray with."""
        made = self._made.get((node, host))
        return None if made is None else made.python

    def is_missing(self, node: str, host: str) -> bool:
        """Whether a node cannot be started on a host, since what it asks for is not there yet."""
        return node in self._own and (node, host) not in self._made

    def told(self) -> dict[str, dict[str, Any]]:
        """For the run's books, by node: its host, interpreter and installed packages."""
        return {
            node: {"host": host, "python": made.python, "packages": dict(made.packages)}
            for (node, host), made in self._made.items()
        }

    # -- for the coordinator that comes after this one -----------------------------------------------
    def save(self) -> list[Any]:
        """All of it, as JSON-able values."""
        return [[node, host, asdict(made)] for (node, host), made in self._made.items()]

    def restore(self, saved: list[Any]) -> None:
        """Know what :meth:`save` told."""
        self._made = {(node, host): Made(**made) for node, host, made in saved}

    # -- making --------------------------------------------------------------------------------------
    async def make(self, layout: Layout | None) -> None:
        """Make what is missing: hosts at the same time, on each one after the other.

        Raises
        ------
        GraphError, EnvironmentRefused
            A requirements file is gone; one or more could not be made, all said at once, by node and host.
        AgentGone, RayActorError
            An agent died over it.
        """
        assert layout is not None, "nodes have been placed"
        missing = [node for node in self._own if self.is_missing(node, layout.nodes[node])]
        if not missing:
            return
        wanted = await asyncio.to_thread(wanted_of, self._graph)
        todo: dict[str, dict[Wanted, list[str]]] = {}
        for node in missing:
            todo.setdefault(layout.nodes[node], {}).setdefault(wanted[node], []).append(node)
        done = await asyncio.gather(*(self._on(host, todo[host]) for host in todo), return_exceptions=True)
        refused = [str(error) for error in done if isinstance(error, EnvironmentRefused)]
        if refused:
            raise EnvironmentRefused("\n".join(refused))
        for error in done:
            if isinstance(error, BaseException):
                raise error
        self._tell(self.told())

    async def _on(self, host: str, todo: Mapping[Wanted, list[str]]) -> None:
        refused = []
        for wanted, nodes in todo.items():
            try:
                await self._one(host, wanted, nodes)
            except EnvironmentRefused as error:
                refused.append(f"{_whose(nodes, host)}: {plain(error)}")
        if refused:
            raise EnvironmentRefused("\n".join(refused))

    async def _one(self, host: str, wanted: Wanted, nodes: list[str]) -> None:
        doing = (
            f"{'installing packages for' if wanted.requirements else 'preparing the Python of'} {_whose(nodes, host)}"
        )
        self._at_work.append(doing)
        self._say("info", doing)
        try:
            made: Made = (await self._agents.ask_each("environment", {host: (wanted,)}))[host]
        finally:
            self._at_work.remove(doing)
        for node in nodes:
            self._made[node, host] = made
        how = "was there" if made.cached else f"{len(made.packages)} installed"
        self._say("info", f"packages for {_whose(nodes, host)}: {how} ({made.seconds:.1f} s)")


def _whose(nodes: list[str], host: str) -> str:
    names = ", ".join(nodes)
    return f"node{'s' if len(nodes) > 1 else ''} {names} on host {host}"
