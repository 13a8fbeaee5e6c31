"""How long a writer waits for readers of policy ``block``, those that run and those that are away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rena_graph.transport.backpressure import AWAY_SECONDS, Brake, leave
from rena_graph.transport.board import Board, EdgeColumn, Row, StreamColumn

PATIENCE = 1.0


class Bench:
    """A writer's brake, two readers on a board, and what happens to them while the writer naps."""

    def __init__(self, board: Board) -> None:
        self.now = 1000.0
        self.stream = board.stream(0)
        self.edges = [board.edge(0), board.edge(1)]
        self.plans: list[tuple[float, Callable[[], None]]] = []
        for row in self.edges:
            row.ints[EdgeColumn.BLOCK_NS] = int(PATIENCE * 1e9)
        self.edges[0].ints[EdgeColumn.ACTIVE] = 1
        self.brake = Brake(self.stream, self.edges, self._nap, self.clock)

    def clock(self) -> float:
        return self.now

    def _nap(self, row: Row, position: int, seconds: float) -> None:
        self.now += max(seconds, 1e-9)
        for plan in [plan for plan in self.plans if self.now >= plan[0]]:
            self.plans.remove(plan)
            plan[1]()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self.plans.append((self.now + seconds, act))

    def waits(self, floor: int = 100) -> float:
        """For how long the writer waits before it overwrites what is below `floor`."""
        began = self.now
        self.brake.hold(floor)
        return self.now - began

    def dies(self, reader: int = 0, returns: bool = True) -> None:
        leave(self.edges[reader], returns=returns, clock=self.clock)

    def opens(self) -> None:
        self.edges[0].ints[EdgeColumn.ACTIVE] = 1

    def takes(self, position: int) -> None:
        self.edges[0].ints[EdgeColumn.AWAY_NS] = 0
        self.edges[0].ints[EdgeColumn.POSITION] = position

    @property
    def timeouts(self) -> int:
        return int(self.stream.ints[StreamColumn.BLOCK_TIMEOUTS])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Board.create(tmp_path / "board", streams=1, edges=2, nodes=0) as board:
        made = Bench(board)
        yield made
        del made.stream, made.edges, made.brake


def test_a_running_reader_has_its_timeout_once(bench: Bench) -> None:
    assert bench.waits() == pytest.approx(PATIENCE, abs=0.03)
    assert bench.waits() == 0.0, "it has not moved since"
    assert bench.timeouts == 1
    bench.takes(100)
    assert bench.waits() == 0.0
    assert bench.waits(150) == pytest.approx(PATIENCE, abs=0.03)
    assert bench.stream.ints[StreamColumn.BLOCKED_NS] == pytest.approx(2e9, abs=0.1e9)


def test_one_that_is_gone_for_good_has_none(bench: Bench) -> None:
    bench.dies(returns=False)
    assert bench.waits() == 0.0
    assert bench.timeouts == 0


def test_one_that_comes_back_is_waited_for_beyond_its_timeout(bench: Bench) -> None:
    bench.dies()
    bench.after(4.0, bench.opens)
    bench.after(6.0, lambda: bench.takes(100))
    assert bench.waits() == pytest.approx(6.0, abs=0.03)
    assert bench.timeouts == 0


def test_one_that_dies_while_the_writer_waits_too(bench: Bench) -> None:
    bench.after(0.9, bench.dies)
    bench.after(7.0, lambda: bench.takes(200))
    assert bench.waits() == pytest.approx(7.0, abs=0.03)
    assert bench.timeouts == 0


def test_once_it_is_back_its_timeout_begins_anew(bench: Bench) -> None:
    bench.dies()
    bench.after(6.0, bench.opens)
    bench.after(6.0, lambda: bench.takes(50))
    assert bench.waits() == pytest.approx(6.0 + PATIENCE, abs=0.06)
    assert bench.timeouts == 1


def test_one_that_does_not_come_is_given_up_once(bench: Bench) -> None:
    bench.dies()
    assert bench.waits() == pytest.approx(AWAY_SECONDS, abs=0.03)
    assert bench.waits() == 0.0
    assert bench.timeouts == 1


def test_a_longer_timeout_holds_for_one_that_is_away_too(bench: Bench) -> None:
    bench.edges[0].ints[EdgeColumn.BLOCK_NS] = int(30e9)
    bench.dies()
    assert bench.waits() == pytest.approx(30.0, abs=0.03)


def test_a_death_that_is_learnt_of_late_counts_all_the_same(bench: Bench) -> None:
    assert bench.waits() == pytest.approx(PATIENCE, abs=0.03)
    bench.dies()
    bench.after(3.0, lambda: bench.takes(100))
    assert bench.waits() == pytest.approx(3.0, abs=0.03)


def test_nobody_waits_for_one_that_is_away_once_there_is_no_hope(bench: Bench) -> None:
    bench.dies()
    bench.after(2.0, bench.brake.give_up_hope)
    assert bench.waits() == pytest.approx(2.0, abs=0.03)
    assert bench.brake.limit == float("inf")
    bench.opens()
    assert bench.waits() == pytest.approx(PATIENCE, abs=0.03), "one that runs is waited for as ever"


def test_the_slowest_of_several_holds_the_writer(bench: Bench) -> None:
    bench.edges[1].ints[EdgeColumn.ACTIVE] = 1
    bench.edges[1].ints[EdgeColumn.POSITION] = 500
    bench.dies()
    bench.after(2.0, lambda: bench.takes(100))
    assert bench.waits() == pytest.approx(2.0, abs=0.03)


def test_a_reader_of_another_policy_is_not_waited_for_when_it_dies(bench: Bench) -> None:
    bench.edges[0].ints[EdgeColumn.BLOCK_NS] = 0
    bench.dies()
    assert bench.edges[0].ints[EdgeColumn.AWAY_NS] == 0
    assert bench.waits() == 0.0
