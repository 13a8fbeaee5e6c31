"""The host agents of a run, one a host: who is asked what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rena_graph.runtime.coordinator.agent_link import AgentGone, AgentLink
from rena_graph.runtime.host.part import HostPart
from rena_graph.runtime.hosts.layout import Layout
from rena_graph.runtime.run_setup import RunSetup

__all__ = ["Agents"]


class Agents:
    """One link to each host that has something to do; none before the run is laid out.

    Parameters
    ----------
    setup : RunSetup
        Which run.
    lost : callable
        Told once of each agent that has died, with the host's name.
    """

    def __init__(self, setup: RunSetup, lost: Callable[[str], None]) -> None:
        self._setup = setup
        self._lost = lost
        self._links: dict[str, AgentLink] = {}
        self._layout: Layout | None = None
        self._laid_out = asyncio.Event()
        self._tasks: set[asyncio.Future[Any]] = set()

    def lay_out(self, layout: Layout) -> None:
        """From now on it is known which hosts there are; a second time, that nodes have moved."""
        first, self._layout = self._layout is None, layout
        if not first:
            return
        for name, address in layout.addresses.items():
            streams = tuple(stream for stream, host in layout.streams.items() if host == name)
            part = HostPart(name, address, streams, name == layout.here, layout.several)
            self._links[name] = AgentLink(self._setup, part, self._lost)
        self._laid_out.set()

    def __iter__(self) -> Iterator[tuple[str, AgentLink]]:
        return iter(self._links.items())

    @property
    def lives(self) -> dict[str, int]:
        """Which agent each host has, for a coordinator that comes after this one."""
        return {name: link.life for name, link in self._links.items() if not link.lost}

    def link(self, host: str) -> AgentLink | None:
        """That of a host; None of one that the run does not use."""
        return self._links.get(host)

    def find(self, lives: Mapping[str, int]) -> bool:
        """Hold the agents that another coordinator has made; False where one of them is gone."""
        found = [link.find(lives[name]) for name, link in self._links.items() if name in lives]
        return all(found)

    async def attach(self, coordinator: Any, prepared: bool) -> None:
        """See :meth:`AgentLink.attach`; of all."""
        await asyncio.gather(*(link.attach(coordinator, prepared) for link in self._links.values()))

    def make(self, life: int, coordinator: Any) -> None:
        """Start an agent on each host that has none."""
        for link in self._links.values():
            link.make(life, coordinator)

    def are_ready(self) -> None:
        """All of them have everything prepared."""
        for link in self._links.values():
            link.is_ready(link.life)

    async def of(self, node: str) -> AgentLink:
        """That of a node's host, once it is known which that is."""
        await self._laid_out.wait()
        assert self._layout is not None
        return self._links[self._layout.nodes[node]]

    async def ask_all(self, method: str, *arguments: Any) -> dict[str, Any]:
        """One call to each agent, all at the same time; by host.

        Raises
        ------
        AgentGone, RayActorError, RenaGraphError
            What the first one raised; the others have finished by then.
        """
        return await self.ask_each(method, dict.fromkeys(self.lives, arguments))

    async def ask_each(self, method: str, arguments: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        """The same with arguments for each host."""
        there = {host: own for host, own in arguments.items() if not self._links[host].lost}
        calls = [self._links[host].ask(method, *own) for host, own in there.items()]
        return dict(zip(there, await _all(calls), strict=True))

    async def have(self, node: str, method: str, *arguments: Any) -> Any:
        """See :meth:`AgentLink.have`; of the node's host."""
        return await (await self.of(node)).have(method, node, *arguments)

    async def have_at(self, host: str, method: str, *arguments: Any) -> Any:
        """The same of one host by its name."""
        return await self._links[host].have(method, *arguments)

    async def have_all(self, method: str) -> None:
        """The same of every host, at the same time; a silent one does it when it is back, and keeps nobody waiting."""
        await self._laid_out.wait()
        await _all([link.unless_quiet(link.have(method)) for link in self._links.values()])

    async def in_turn(self, node: str, work: Any) -> None:
        """Do what concerns a node; see :meth:`AgentLink.unless_quiet`."""
        await (await self.of(node)).unless_quiet(work)

    async def unless_any_quiet(self, work: Any) -> None:
        """Do what concerns all hosts; where one is silent, or becomes so, do not wait: it is done when that is back."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        silent = [asyncio.ensure_future(link.silence()) for link in self._links.values() if not link.lost]
        try:
            await asyncio.wait([task, *silent], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in silent:
                waiting.cancel()
        if task.done():
            task.result()

    async def may(self, node: str, method: str, *arguments: Any, within: float) -> Any:
        """See :meth:`AgentLink.may`; of the node's host."""
        if self._layout is None:
            return None
        return await self._links[self._layout.nodes[node]].may(method, node, *arguments, within=within)

    async def may_at(self, host: str, method: str, *arguments: Any, within: float) -> Any:
        """See :meth:`AgentLink.may`; of one host by its name."""
        return await self._links[host].may(method, *arguments, within=within)

    async def may_all(self, method: str, within: float) -> dict[str, Any]:
        """The same of every host; those that did not answer are missing."""
        answers = await asyncio.gather(*(link.may(method, within=within) for link in self._links.values()))
        found = zip(self._links, answers, strict=True)
        return {name: answer for name, answer in found if answer is not None}

    async def have_drained(self, sources: Mapping[str, tuple[str, ...]], within: float) -> bool:
        """Whether, in time, all that these hosts made has arrived where it goes.

        Parameters
        ----------
        sources : mapping
            By host, its streams that matter.
        within : float
            Seconds.
        """
        deadline = asyncio.get_running_loop().time() + within
        while True:
            there = {self._links[host]: streams for host, streams in sources.items() if not self._links[host].lost}
            answers = [await link.may("drained", streams, within=within) for link, streams in there.items()]
            if all(answers):
                return True
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.02)

    def end(self) -> None:
        """End their processes."""
        for link in self._links.values():
            link.end()


async def _all(calls: list[Any]) -> list[Any]:
    """Every result; where any failed, what the first one of these raised, once all are over."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    # An agent that is gone says least of what is wrong.
    for error in sorted((r for r in results if isinstance(r, BaseException)), key=lambda e: isinstance(e, AgentGone)):
        raise error
    return results
