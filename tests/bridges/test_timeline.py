"""Timestamps from outside: what is changed, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.bridges.timeline import GapFinder, Timeline
from rena_graph.testing.memory import memory_row
from rena_graph.transport.board import StreamColumn

NOW = 100_000.0
wild = st.floats(allow_nan=True, allow_infinity=True, width=64)
near = st.floats(NOW - 3, NOW + 3)


@given(
    st.lists(st.lists(st.one_of(wild, near), min_size=1, max_size=8), max_size=8), st.sampled_from([0.0, 1.0, 250.0])
)
def test_whatever_comes_time_never_runs_backwards(chunks: list[list[float]], rate: float) -> None:
    timeline, row, last = Timeline(rate), memory_row(), -np.inf
    for chunk in chunks:
        stamps = timeline.clean(np.array(chunk), NOW, row)
        assert np.isfinite(stamps).all()
        assert (np.diff(stamps, prepend=last) >= 0).all()
        assert (np.abs(stamps - NOW) <= 3600).all()
        last = float(stamps[-1])


@given(st.lists(st.floats(NOW - 3000, NOW + 5), min_size=1, max_size=50))
def test_sound_timestamps_are_left_alone(values: list[float]) -> None:
    row = memory_row()
    stamps = np.sort(np.array(values))
    np.testing.assert_array_equal(Timeline(0.0).clean(stamps, NOW, row), stamps)
    assert row.ints[StreamColumn.SOURCE_BACKWARDS] == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0, NOW + 200_000, NOW - 4000, NOW - 2])
def test_what_cannot_be_believed_becomes_the_time_of_arrival(bad: float) -> None:
    timeline, row = Timeline(10.0), memory_row()
    timeline.clean(np.array([NOW - 0.2]), NOW, row)
    assert timeline.clean(np.array([bad]), NOW, row).tolist() == [NOW]
    assert row.ints[StreamColumn.SOURCE_BACKWARDS] == 1


def test_jitter_backwards_is_raised_and_counted() -> None:
    timeline, row = Timeline(0.0), memory_row()
    stamps = timeline.clean(np.array([NOW, NOW - 0.5, NOW + 0.1]), NOW, row)
    assert stamps.tolist() == [NOW, NOW, NOW + 0.1]
    assert row.ints[StreamColumn.SOURCE_BACKWARDS] == 1


@given(
    rate=st.sampled_from([1.0, 128.0, 250.0, 2048.0]),
    holes=st.lists(st.integers(1, 500), max_size=5),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=10),
)
def test_every_hole_in_an_even_stream_is_found_however_it_is_cut(
    rate: float, holes: list[int], cuts: list[int]
) -> None:
    index, parts = 0, []
    for hole in [0, *holes]:
        index += hole
        parts.append(np.arange(index, index + 30))
        index += 30
    stamps = NOW + np.concatenate(parts) / rate
    finder, found, lost, at, turn = GapFinder(rate), 0, 0, 0, 0
    while at < len(stamps):
        gaps, samples = finder.feed(stamps[at : at + cuts[turn % len(cuts)]])
        found, lost, at, turn = found + gaps, lost + samples, at + cuts[turn % len(cuts)], turn + 1
    assert (found, lost) == (len(holes), sum(holes))


def test_chunks_with_one_time_for_all_samples_are_no_gaps() -> None:
    finder = GapFinder(250.0)
    for chunk in range(50):
        assert finder.feed(np.full(10, NOW + chunk * 10 / 250)) == (0, 0)


def test_jittering_chunks_are_no_gaps_after_the_first_late_one() -> None:
    finder, rng, found = GapFinder(100.0), np.random.default_rng(1), 0
    for chunk in range(200):
        late = rng.uniform(0, 0.02)
        found += finder.feed(NOW + late + np.arange(chunk * 10, chunk * 10 + 10) / 100)[0]
    assert found <= 3


# Milliseconds; 30 and 130 would fall onto the very edge between jitter and a gap, where rounding decides.
step = st.integers(0, 200).filter(lambda ms: ms not in (30, 130))


@given(st.lists(st.lists(step, min_size=9, max_size=30), min_size=1, max_size=4))
def test_both_ways_to_count_agree(chunks: list[list[int]]) -> None:
    vectors, loop, now = GapFinder(50.0), GapFinder(50.0), NOW
    loop.forget(NOW)
    vectors.forget(NOW)
    for steps in chunks:
        stamps = now + np.cumsum(steps) / 1000
        assert vectors._feed_many(stamps, now) == loop._feed_few(stamps.tolist(), now)
        now = float(stamps[-1])


@pytest.mark.parametrize("error", [0.98, 1.02])
def test_a_device_that_is_a_little_fast_or_slow_has_no_gaps_and_hides_none(error: float) -> None:
    finder = GapFinder(100.0)
    stamps = NOW + np.arange(10_000) / (100 * error)
    assert finder.feed(stamps) == (0, 0)
    gaps, lost = finder.feed(stamps[-1:] + 1.0)
    assert gaps == 1
    assert lost == pytest.approx(99, abs=11)


def test_nothing_is_counted_around_stamps_that_were_replaced() -> None:
    timeline, row = Timeline(100.0), memory_row()
    timeline.clean(np.array([NOW - 5.0]), NOW, row)
    timeline.clean(np.array([np.nan]), NOW, row)
    timeline.clean(np.array([NOW + 0.01]), NOW, row)
    assert row.ints[StreamColumn.SOURCE_GAPS] == 0


@pytest.mark.parametrize("count", [3, 128, 129, 300])
def test_a_stamp_that_steps_back_is_raised_however_many_come_with_it(count: int) -> None:
    row = memory_row()
    stamps = NOW + np.arange(count + 1) / 1000
    stamps[count // 2] -= 0.01
    before = Timeline(1000.0)
    before.clean(stamps[:1] - 0.001, NOW, row)
    cleaned = before.clean(stamps[: count + 1], NOW + 1, row)
    assert (np.diff(cleaned) >= 0).all()
    assert row.ints[StreamColumn.SOURCE_BACKWARDS] == 1
