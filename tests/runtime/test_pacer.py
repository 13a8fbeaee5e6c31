"""Pacing is arithmetic: these tests own the clock."""

from __future__ import annotations

import math

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
