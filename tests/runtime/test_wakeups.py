"""Supervision wakes nobody for nothing, and never too late: which beats are told, how long is slept, who is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from rena_graph.runtime.coordinator.commands import Commands
from rena_graph.runtime.coordinator.pause import Pause
from rena_graph.runtime.host.beats import REPORT_EVERY, Beats
from rena_graph.runtime.host.recent import RecentQuantiles
from rena_graph.runtime.lifecycle import NodeState
from rena_graph.transport.histogram import BUCKETS, Histogram

LONG = 600.0
"""Seconds that no test waits for."""


def told(beats: Beats, count: int) -> list[bool]:
    return [beats.to_tell(silent=False, lines=False) for _ in range(count)]


# -- beats -------------------------------------------------------------------------------------------
def test_the_coordinator_of_the_same_host_is_told_what_says_something() -> None:
    beats = Beats(elsewhere=False)
    assert told(beats, 2 * REPORT_EVERY) == [k % REPORT_EVERY == 0 for k in range(2 * REPORT_EVERY)]
    assert told(beats, 1) == [True]
    assert beats.to_tell(silent=False, lines=True), "somebody reads along"
    assert told(beats, 2) == [True, False]


def test_silence_is_told_at_once_and_its_end_too() -> None:
    beats = Beats(elsewhere=False)
    assert beats.to_tell(silent=False, lines=False)
    assert beats.to_tell(silent=True, lines=False)
    assert beats.to_tell(silent=True, lines=False)
    assert told(beats, 1) == [True], "the node is there again"
    assert told(beats, 2) == [True, False]


def test_the_coordinator_of_another_host_is_told_every_beat() -> None:
    assert all(told(Beats(elsewhere=True), 10))


# -- sleep -------------------------------------------------------------------------------------------
def slept(pause: Pause, seconds: float, meanwhile: Callable[[], None]) -> None:
    """Sleep, and do that once it has begun; fails where it is not over before a test would be given up."""

    async def both() -> None:
        sleep = asyncio.ensure_future(pause.sleep(seconds))
        await asyncio.sleep(0)
        meanwhile()
        await asyncio.wait_for(sleep, 30.0)

    asyncio.run(both())


def test_a_sleep_is_over_after_its_time_or_when_somebody_ends_it() -> None:
    pause = Pause()
    slept(pause, 0.01, lambda: None)
    slept(pause, LONG, pause.end)
    pause.end()
    slept(pause, 0.01, lambda: None)


def test_a_sleep_is_made_shorter_and_never_longer() -> None:
    pause = Pause()
    pause.within(0.01)  # nobody sleeps
    slept(pause, LONG, lambda: pause.within(0.01))
    slept(pause, 0.01, lambda: pause.within(LONG))


# -- commands ----------------------------------------------------------------------------------------
def test_several_nodes_are_told_with_one_call_to_each_host() -> None:
    calls: list[tuple[str, str, Any]] = []

    class Link:
        def __init__(self, host: str) -> None:
            self.host = host

        async def have(self, method: str, argument: Any) -> None:
            calls.append((self.host, method, argument))

    links = {"near": Link("near"), "far": Link("far")}
    homes = {"a": "near", "b": "far", "c": "near", "ended": "near", "waits": "far"}

    async def of(node: str) -> Link:
        return links[homes[node]]

    records = {name: SimpleNamespace(run_sent=name != "waits", state=NodeState.RUNNING, epoch=3) for name in homes}
    records["ended"].state = NodeState.STOPPED
    machine: Any = SimpleNamespace(nodes=records)
    nobody: Any = None
    agents: Any = SimpleNamespace(of=of)
    commands = Commands(nobody, machine, agents, *[nobody] * 10)
    orders = [(name, {"do": name}) for name in homes] + [("a", {"do": "more"})]
    asyncio.run(commands.command_many(orders))
    assert sorted(calls) == [
        ("far", "commands", [("b", 3, {"do": "b"})]),
        ("near", "commands", [("a", 3, {"do": "a"}), ("c", 3, {"do": "c"}), ("a", 3, {"do": "more"})]),
    ]


# -- quantiles ---------------------------------------------------------------------------------------
def test_quantiles_are_as_old_as_whoever_reads_them_allows() -> None:
    cells = memoryview(bytearray(8 * BUCKETS)).cast("Q")
    recent = RecentQuantiles(cells, 0.5)
    assert recent.read(0) == (None,)
    Histogram(cells).add(1_000_000)
    assert recent.read(3_000_000_000, every=5.0) == (None,)
    assert recent.read(3_000_000_000) != (None,)
