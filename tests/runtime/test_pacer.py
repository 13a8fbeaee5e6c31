"""Pacing is arithmetic: these tests own the clock."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.runtime.node.pacer import ClockPacer, DataPacer

rates = st.floats(0.01, 5000.0)


def test_deadlines_do_not_drift() -> None:
    pacer = ClockPacer(60.0, 1000.0)
    for k in range(100_000):
        assert abs(pacer.deadline - (1000.0 + k / 60.0)) < 1e-9 * 1000
        assert pacer.begin(pacer.deadline + 1e-4) == 0


def test_missed_ticks_are_skipped_and_counted_not_replayed() -> None:
    pacer = ClockPacer(10.0, 0.0)
    assert pacer.begin(0.0) == 0
    assert pacer.begin(0.55) == 4
    assert math.isclose(pacer.deadline, 0.6)


@given(rates, st.lists(st.floats(0.0, 10.0), min_size=1, max_size=50))
def test_every_tick_is_either_met_or_skipped(rate: float, delays: list[float]) -> None:
    pacer = ClockPacer(rate, 0.0)
    now, met, skipped = 0.0, 0, 0
    for delay in delays:
        now = max(now, pacer.deadline) + delay
        skipped += pacer.begin(now)
        met += 1
        assert pacer.deadline > now - 1e-6
    assert met + skipped == round(pacer.deadline * rate)


@given(rates, rates, st.floats(0.0, 5.0))
def test_a_new_rate_holds_within_two_periods(old: float, new: float, late: float) -> None:
    pacer = ClockPacer(old, 0.0)
    pacer.begin(0.0)
    pacer.set_frequency(new, late / old)
    assert pacer.deadline <= late / old + 1 / new + 1e-6
    pacer.begin(max(pacer.deadline, late / old))
    assert pacer.frequency == new


@given(rates, st.floats(0.0, 1e6), st.floats(0.0, 1.0), st.floats(0.0, 1e4))
def test_nodes_that_begin_at_any_time_are_on_one_grid(rate: float, origin: float, phase: float, later: float) -> None:
    phase /= rate
    pacer = ClockPacer(rate, origin + later / rate, origin, phase)
    pacer.begin(max(pacer.deadline, origin + later / rate))
    ticks = (pacer.deadline - origin - phase) * rate
    assert abs(ticks - round(ticks)) < 1e-3


def test_a_node_that_begins_late_meets_the_tick_that_just_passed() -> None:
    pacer = ClockPacer(0.01, 1000.4, 1000.0)
    assert pacer.deadline == 1000.4, "it does not wait for a hundred seconds"
    assert pacer.begin(1000.4) == 0
    assert pacer.deadline == 1100.0


def test_a_pause_skips_nothing_and_gives_no_tick_two_loops() -> None:
    pacer = ClockPacer(10.0, 0.0)
    pacer.begin(0.0)
    pacer.join(0.05)
    assert pacer.deadline == pytest.approx(0.1), "the tick of now has had its loop"
    pacer.join(7.36)
    assert pacer.deadline == 7.36
    assert pacer.begin(7.36) == 0
    assert pacer.deadline == pytest.approx(7.4)


class Grid:
    """A clock that keeps its ticks while its rate and phase are changed, and what came of it."""

    def __init__(self, rate: float) -> None:
        self.now = 0.0
        self.pacer = ClockPacer(rate, 0.0, 0.0)
        self.begun: list[float] = []
        self.deadlines: list[float] = []

    def wait(self, late: float) -> None:
        """The next loop, late by so many periods."""
        self.now = max(self.now, self.pacer.deadline) + late / self.pacer.frequency
        self.begun.append(self.now)
        self.deadlines.append(self.pacer.deadline)
        assert self.pacer.begin(self.now) == 0, "none was late by a period"


@given(
    st.sampled_from([1.0, 10.0, 60.0, 250.0, 1000.0]),
    st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 0.45), st.floats(0.0, 0.9)), min_size=1, max_size=40),
)
def test_a_shift_skips_no_tick_and_makes_no_burst(rate: float, moves: list[tuple[float, float, float]]) -> None:
    grid = Grid(rate)
    grid.wait(0.0)
    for phase, late, wait in moves:
        grid.now += wait / rate
        grid.pacer.shift(phase / rate, grid.now)
        grid.wait(late if grid.now < grid.pacer.deadline else 0.0)
        between = (grid.deadlines[-1] - grid.deadlines[-2]) * rate
        assert 0.5 - 1e-6 <= between <= 1.5 + 1e-6
        on_grid = (grid.deadlines[-1] - phase / rate) * rate
        assert abs(on_grid - round(on_grid)) < 1e-6


def test_a_shift_while_a_tick_is_late_is_not_taken_for_a_missed_one() -> None:
    pacer = ClockPacer(10.0, 0.0, 0.0, 0.04)
    pacer.begin(0.04)
    pacer.shift(0.0, 0.2)  # the tick of 0.14 is late by 0.06; at the new phase it would have been that of 0.1
    assert pacer.begin(0.2) == 0


@given(
    st.lists(st.tuples(rates, st.floats(0.0, 1.0), st.integers(1, 5), st.floats(0.0, 0.99)), min_size=1, max_size=20)
)
def test_changes_of_rate_stay_on_the_grid_without_a_burst(changes: list[tuple[float, float, int, float]]) -> None:
    grid = Grid(60.0)
    grid.wait(0.0)
    for rate, phase, loops, wait in changes:
        grid.now += wait / grid.pacer.frequency
        grid.pacer.set_frequency(rate, grid.now, phase / rate)
        asked = grid.now
        for _ in range(loops):
            grid.wait(0.0)
            assert (grid.deadlines[-1] - grid.deadlines[-2]) * rate >= 0.5 - 1e-4
            ticks = (grid.deadlines[-1] - phase / rate) * rate
            assert abs(ticks - round(ticks)) < 1e-4
        assert grid.deadlines[-loops] <= asked + 1.5 / rate + 1e-6, "it holds within two periods"


@given(rates, st.lists(st.floats(0.0, 3.0), min_size=2, max_size=200))
def test_data_never_runs_faster_than_the_frequency(rate: float, gaps: list[float]) -> None:
    pacer = DataPacer(rate)
    arrival, began = 0.0, []
    for gap in gaps:
        arrival += gap / rate
        start = max(arrival, pacer.deadline)
        pacer.begin(start)
        began.append(start)
    for i in range(len(began)):
        for j in range(i + 1, len(began)):
            # Up to one period of lateness may be made good, never more.
            assert j - i <= (began[j] - began[i]) * rate + 1 + 1e-6


def test_data_at_exactly_the_frequency_does_not_fall_behind() -> None:
    pacer = DataPacer(100.0)
    late = 0.004
    for k in range(100):
        arrival = k * 0.01 + (late if k == 10 else 0.0)
        start = max(arrival, pacer.deadline)
        pacer.begin(start)
        assert start - arrival <= 1e-9 or k == 11
        if k > 11:
            assert math.isclose(start, arrival)


def test_unlimited_frequency() -> None:
    pacer = DataPacer(math.inf)
    for now in (0.0, 0.0, 1.0):
        assert pacer.deadline <= now
        pacer.begin(now)
