"""While room is made for nodes that were moved, another host falls silent: nobody waits for it but these nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from rena_graph.errors import EnvironmentRefused, ExitCode
from rena_graph.runtime.coordinator.agents import Agents
from rena_graph.runtime.coordinator.commands import Commands
from rena_graph.runtime.coordinator.signals import (
    Event,
    HostFailed,
    Instruction,
    MoveNodes,
    PlaceNode,
    StopNode,
    StopSources,
)
from rena_graph.runtime.hosts.layout import Layout
from rena_graph.runtime.lifecycle import NodeState

ADDRESSES = {"here": "10.0.0.1", "near": "10.0.0.2", "far": "10.0.0.3"}
NOBODY: Any = None


class Run:
    """A run of three hosts, of which `far` is lost: node `b` has been moved from there to `here`."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.heard: list[Event] = []
        self.room = asyncio.Event()
        self.fails: Exception | None = None
        self.agents = Agents(NOBODY, lambda host: None)
        self.agents.lay_out(Layout("here", ADDRESSES, {"a": "near", "b": "here"}, {}, ()))
        self.link("far").give_up()
        placed = asyncio.Event()
        placed.set()
        ground: Any = SimpleNamespace(make_room=self._make_room, placed=placed, await_arrivals=self._nothing)
        records = {node: SimpleNamespace(run_sent=True, state=NodeState.PLACING, epoch=1) for node in "ab"}
        machine: Any = SimpleNamespace(nodes=records, run=SimpleNamespace(moves={"b": "here"}))
        actors: Any = SimpleNamespace(place=lambda node, epoch: self.done.append(f"place {node}"))
        self.commands = Commands(
            NOBODY, machine, self.agents, ground, actors, NOBODY, NOBODY, NOBODY, NOBODY,
            self.heard.append, NOBODY, NOBODY, NOBODY,
        )  # fmt: skip
        for name in ("here", "near"):
            link: Any = self.link(name)
            link.have = self._have

    def link(self, host: str) -> Any:
        return self.agents.link(host)

    async def _make_room(self, reports: Any) -> None:
        await self.room.wait()
        self.done.append("room")
        if self.fails is not None:
            raise self.fails

    async def _have(self, method: str, *arguments: Any) -> None:
        told = f"{arguments[0]} {arguments[2]['do']}" if method == "command" else method
        if told not in self.done:
            self.done.append(told)

    @staticmethod
    async def _nothing(node: str) -> None:
        pass

    async def settle(self) -> None:
        """Let everybody do what they can."""
        for _ in range(50):
            await asyncio.sleep(0)


def run(steps: Callable[[Run], Awaitable[None]], *instructions: Instruction) -> Run:
    """Carry out these, and do that beside it."""

    async def both() -> Run:
        world = Run()
        for instruction in instructions:
            world.commands.put(instruction)
        carrying = asyncio.ensure_future(world.commands.carry_out())
        await world.settle()
        await steps(world)
        await world.settle()
        carrying.cancel()
        return world

    return asyncio.run(both())


ALL = (MoveNodes({"b": "here"}), PlaceNode("b", 1), StopNode("a", 1, 1.0), StopSources())


def test_all_waits_for_the_room_where_all_hosts_are_heard() -> None:
    async def steps(world: Run) -> None:
        assert world.done == [], "a host that is lost for good is not waited for, nor does it hurry anybody"
        world.room.set()

    assert run(steps, *ALL).done == ["room", "place b", "a stop", "stop_sources"]


@pytest.mark.parametrize("before", [True, False])
def test_where_a_host_is_silent_only_the_moved_nodes_wait(before: bool) -> None:
    async def steps(world: Run) -> None:
        world.link("near").be_quiet(True)
        await world.settle()
        assert world.done == ["a stop", "stop_sources"]
        world.commands.put(StopNode("b", 1, 1.0))
        if before:
            await world.settle()
        world.room.set()

    done = run(steps, *ALL).done
    assert done == ["a stop", "stop_sources", "room", "place b", "b stop"], "in their order"


def test_a_node_that_is_killed_meanwhile_is_never_begun() -> None:
    async def steps(world: Run) -> None:
        world.link("near").be_quiet(True)
        await world.settle()
        assert world.commands.forget("b"), "no process will tell of its end"
        assert not world.commands.forget("a")
        world.room.set()

    assert run(steps, *ALL).done == ["a stop", "stop_sources", "room"]


def test_room_that_cannot_be_made_is_told_though_nobody_waits_for_it() -> None:
    async def steps(world: Run) -> None:
        world.fails = EnvironmentRefused("no memory")
        world.link("near").be_quiet(True)
        await world.settle()
        world.room.set()

    assert run(steps, *ALL).heard == [HostFailed("no memory", ExitCode.ENVIRONMENT)]
