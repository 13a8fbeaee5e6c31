"""Being awake for what is expected: when it wakes, what it rehearses, and that a rehearsal leaves no trace."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rena_graph.runtime.node import going_first
from rena_graph.runtime.node.eager import EagerWait
from rena_graph.runtime.node.rehearsal import Rehearsal
from tests.bench.test_hot_path import SAMPLES, hop


class World:
    """A clock that moves when somebody looks at it or sleeps, and data that comes at given times."""

    def __init__(self, arrivals: list[float]) -> None:
        self.time = 0.0
        self.arrivals = arrivals
        self.taken = 0
        self.slept = 0.0
        self.rehearsals: list[float] = []
        self.rings_at: float | None = None

        def sleep(deadline: float | None, on_data: bool) -> None:
            assert deadline is not None
            due = [t for t in self.arrivals[self.taken :] if t > self.time][:1] if on_data else []
            until = min([deadline, *due, *([self.rings_at] if self.rings_at is not None else [])])
            self.slept += max(0.0, until - self.time)
            self.time = max(self.time, until)

        self.eager = EagerWait(_Waiter(sleep), 0.001, self.now, (self.pending,), self.rehearse)

    def now(self) -> float:
        self.time += 1e-5
        return self.time

    def pending(self) -> int:
        return sum(t <= self.time for t in self.arrivals) - self.taken

    def rehearse(self) -> None:
        self.rehearsals.append(self.time)


class _Waiter:
    def __init__(self, sleep: Callable[[float | None, bool], None]) -> None:
        self.wait = sleep

    @property
    def doorbell(self) -> _Waiter:
        return self

    def ring(self) -> None:
        raise AssertionError("nobody rings here")

    def close(self) -> None:
        raise AssertionError("nobody closes this")


def test_of_the_clock_it_is_awake_shortly_before_the_deadline() -> None:
    world = World([])
    world.eager.wait(0.1, False)
    assert world.rehearsals == [pytest.approx(0.099, abs=2e-5)]
    assert 0.1 <= world.time < 0.1001


def test_the_doorbell_ends_the_wait_without_a_rehearsal() -> None:
    world = World([])
    world.rings_at = 0.05
    world.eager.wait(0.1, False)
    assert world.time == pytest.approx(0.05, abs=1e-4)
    assert not world.rehearsals


def test_of_data_with_a_rhythm_it_is_awake_before_each_arrival() -> None:
    arrivals = [0.01 * k for k in range(1, 50)]
    world = World(arrivals)
    for _ in arrivals:
        while not world.pending():
            world.eager.wait(world.time + 0.25, True)
        assert world.time - arrivals[world.taken] < 1e-4
        world.taken += 1
    assert len(world.rehearsals) >= 40
    before = [arrivals[np.searchsorted(arrivals, t)] - t for t in world.rehearsals]
    assert all(0 < lead < 0.0012 for lead in before), "rehearsed a moment before something came"
    assert world.slept > 0.8 * arrivals[-1], "and asleep most of the time"


def test_data_that_does_not_come_is_given_up_and_slept_for() -> None:
    world = World([0.01, 0.02, 0.5])
    for _ in range(3):
        while not world.pending():
            world.eager.wait(world.time + 1.0, True)
        world.taken += 1
    assert world.time == pytest.approx(0.5, abs=1e-3)
    assert world.slept > 0.49


def test_a_rehearsal_leaves_no_trace(tmp_path: Path) -> None:
    with hop(tmp_path / "h") as made:
        consumer, producer = made.consumers[0], made.producer
        rows = [made.board.edge(0).ints, made.board.stream(0).ints, made.board.node(0).ints, made.board.node(1).ints]
        made.step(made.out)
        made.step(made.into[0])
        seen = [array.copy() for array in consumer.script.inputs["X"]]
        new = [array.copy() for array in consumer.script.inputs.new("X")]
        before = [row.tolist() for row in rows]
        for parts in (consumer, producer):
            rehearsal = Rehearsal(parts.feeds, parts.outputs, parts.writers, made.clock.now)
            for _ in range(1000):  # more than the spare room of the window's array
                rehearsal()
        assert [row.tolist() for row in rows] == before
        for then, now in zip(seen, consumer.script.inputs["X"], strict=True):
            assert np.array_equal(then, now)
        for then, now in zip(new, consumer.script.inputs.new("X"), strict=True):
            assert np.array_equal(then, now)
        made.step(made.out)
        made.step(made.into[0])
        assert len(consumer.script.inputs.new("X")[0]) == SAMPLES
        assert np.array_equal(consumer.script.inputs["X"][0][:-SAMPLES], seen[0][SAMPLES:])


def test_a_rehearsal_takes_nothing_that_waits(tmp_path: Path) -> None:
    with hop(tmp_path / "h") as made:
        made.step(made.out)
        parts = made.consumers[0]
        Rehearsal(parts.feeds, parts.outputs, parts.writers, made.clock.now)()
        assert parts.feeds[0].reader.pending() == SAMPLES


def test_a_refused_real_time_scheduling_says_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    said = going_first.go_first()
    assert said is not None
    assert "Operation not permitted" in said
    assert "rtprio" in said


def test_real_time_scheduling_is_the_calling_thread_s_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda pid, policy, p: asked.append((pid, policy, p.sched_priority)))
    thread = threading.Thread(target=going_first.go_first)
    thread.start()
    thread.join()
    assert asked == [(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, 1)]
