"""The scripts and files of a graph on its other hosts: carried at the launch, and again where they have changed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rena_graph.errors import RenaGraphError
from rena_graph.graph.model import Graph
from rena_graph.runtime.coordinator.agents import Agents
from rena_graph.runtime.coordinator.ray_words import plain
from rena_graph.runtime.hosts.code import Bundle, pack
from rena_graph.runtime.hosts.layout import Layout

__all__ = ["CarriedCode"]


class CarriedCode:
    """Knows what lies where; of a run on one host nothing.

    Parameters
    ----------
    graph : Graph
        As it is on the coordinator's host.
    agents : Agents
        Who lays files out.
    say : callable
        Told of what could not be carried again: level, text, node.
    """

    def __init__(self, graph: Graph, agents: Agents, say: Callable[[str, str, str], None]) -> None:
        self._graph = graph
        self._agents = agents
        self._say = say
        self._lies: dict[str, tuple[Bundle, str]] = {}
        """By host what went there last, without its content, and where it is."""
        self._lives: dict[str, str] = {}
        """By node from where its present life was loaded."""
        self._roots: dict[str, str] = {}
        """By where something lies, or lay, from which folder here it came."""
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By host: what one node is to begin from must not be tidied away for another."""

    async def carry(self, layout: Layout) -> None:
        """Lay all out on the other hosts.

        Raises
        ------
        RenaGraphError
            Something is not there, or is refused.
        """
        if not layout.several:
            return
        bundle = await asyncio.to_thread(pack, self._graph)
        others = {host: (bundle,) for host in layout.addresses if host != layout.here}
        for host, at in (await self._agents.ask_each("place", others)).items():
            self._lies_now(host, bundle, str(at))

    def _lies_now(self, host: str, bundle: Bundle, at: str) -> None:
        self._lies[host] = replace(bundle, files=(), digest_of=bundle.digest), at
        self._roots[at] = bundle.root

    async def carry_anew(self, node: str, host: str, epoch: int) -> bool:
        """Before a life of a node begins: what has changed here since the last time goes to its host; whether any had.

        Where that cannot be, which is said, it begins with what is there.
        """
        if host not in self._lies:
            self._lives.pop(node, None)  # it may have been moved here, where all has its own place
            return False
        async with self._turns[host]:
            if epoch:
                try:
                    return await self._carry_again(node, host)
                except RenaGraphError as error:
                    self._say("warning", f"begins with the scripts that its host has: {plain(error)}", node)
            self._lives[node] = self._lies[host][1]
        return False

    async def _carry_again(self, node: str, host: str) -> bool:
        bundle = await asyncio.to_thread(pack, self._graph)
        before, at = self._lies[host]
        same = bundle.digest == before.digest and bundle.scripts == before.scripts
        if same and await self._agents.have_at(host, "has_code", at):
            self._lives[node] = at
            return False
        others = {where for name, where in self._lives.items() if name != node}
        at = str(await self._agents.have_at(host, "place", bundle, frozenset(others)))
        self._lies_now(host, bundle, at)
        self._lives[node] = at
        return True

    def moved(self, host: str, graph: Graph) -> Graph:
        """A graph as it is on this host."""
        if host not in self._lies:
            return graph
        bundle, at = self._lies[host]
        return bundle.moved(graph, Path(at))

    def here(self, node: str, path: Path) -> Path:
        """Which file of the coordinator's host one of a node's life was carried from; itself where it was not."""
        at = self._lives.get(node)
        if at is None or not path.is_relative_to(at):
            return path
        return Path(self._roots[at]) / path.relative_to(at)

    # -- for the coordinator that comes after this one -----------------------------------------------
    def save(self) -> dict[str, Any]:
        """All of it, as JSON-able values."""
        lies = {
            host: {"digest": bundle.digest, "folder": bundle.folder, "scripts": dict(bundle.scripts), "at": at}
            for host, (bundle, at) in self._lies.items()
        }
        return {"lies": lies, "lives": self._lives, "roots": self._roots}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Know what :meth:`save` told."""
        self._lives, self._roots = dict(saved["lives"]), dict(saved["roots"])
        self._lies = {
            host: (
                Bundle((), facts["folder"], facts["scripts"], self._roots[facts["at"]], facts["digest"]),
                facts["at"],
            )
            for host, facts in saved["lies"].items()
        }
