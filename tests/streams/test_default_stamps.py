"""Default timestamps: spacing, order, and when they are anchored anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.streams.stamps import DefaultStamps

CALLS = st.lists(st.tuples(st.integers(1, 50), st.floats(-0.5, 2.0)), min_size=1, max_size=40)


@given(CALLS, st.floats(0.5, 10_000), st.floats(0, 1e7))
def test_regular_stamps(calls: list[tuple[int, float]], rate: float, now: float) -> None:
    stamps = DefaultStamps(rate)
    previous: float | None = None
    for count, step in calls:
        now += step
        anchored = stamps.reanchored
        got = stamps.stamp(count, now)
        assert got.shape == (count,)
        np.testing.assert_allclose(np.diff(got), 1 / rate, atol=1e-8)
        if previous is None:
            assert got[-1] == pytest.approx(now, abs=1e-8)
        elif stamps.reanchored > anchored:
            assert got[-1] == pytest.approx(now, abs=1e-8)
            assert previous + count / rate < now - 0.05 + 1e-8
        else:
            assert got[0] - previous == pytest.approx(1 / rate, abs=1e-8)
        assert got[-1] >= now - 0.05 - 1e-8
        previous = stamps.previous
        assert previous == pytest.approx(got[-1], abs=1e-8)


@given(CALLS, st.floats(0, 1e8))
def test_irregular_stamps(calls: list[tuple[int, float]], now: float) -> None:
    stamps = DefaultStamps(0.0)
    last = -np.inf
    for count, step in calls:
        now += step
        got = stamps.stamp(count, now)
        assert (np.diff([last, *got]) > 0).all()
        assert got[-1] == pytest.approx(max(now, got[-1]), abs=1e-7)
        if got[0] - last > 1e-4:
            assert got[-1] == pytest.approx(now, abs=1e-7)
        last = got[-1]
    assert stamps.reanchored == 0


def test_many_chunks_add_no_rounding_error() -> None:
    stamps = DefaultStamps(300.0)
    stamps.stamp(1, 1000.0)
    for _ in range(1000):
        last = stamps.stamp(3000, 0.0)[-1]
    assert last == pytest.approx(1000.0 + 10_000, abs=1e-11)


def test_a_stream_faster_than_its_rate_runs_ahead_and_never_back() -> None:
    stamps = DefaultStamps(10.0)
    assert stamps.stamp(1, 5.0).tolist() == [pytest.approx(5.0)]
    assert stamps.stamp(3, 5.0).tolist() == pytest.approx([5.1, 5.2, 5.3])
    assert stamps.stamp(1, 5.01).tolist() == pytest.approx([5.4])
    assert stamps.reanchored == 0


def test_49_ms_off_is_left_and_51_ms_is_not() -> None:
    stamps = DefaultStamps(10.0)
    stamps.stamp(1, 5.0)
    assert stamps.stamp(1, 5.149).tolist() == [pytest.approx(5.1)]
    assert stamps.stamp(1, 5.251).tolist() == [pytest.approx(5.251)]
    assert stamps.reanchored == 1
    assert stamps.previous == pytest.approx(5.251)


def test_before_the_first_there_is_none() -> None:
    assert DefaultStamps(1.0).previous is None


def test_noted_stamps_are_gone_on_from() -> None:
    stamps = DefaultStamps(100.0)
    stamps.note(50.0)
    assert stamps.stamp(2, 50.02).tolist() == pytest.approx([50.01, 50.02])
