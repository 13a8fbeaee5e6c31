"""NaN rows where samples are missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.streams.gaps import fill_gaps

RATE = 100.0


def test_without_a_gap_the_very_arrays_come_back() -> None:
    data, stamps = np.ones((3, 2)), np.array([0.0, 0.01, 0.02])
    filled = fill_gaps(data, stamps, previous=-0.01, rate=RATE, limit=100)
    assert filled[0] is data
    assert filled[1] is stamps
    assert filled[2] == 0


def test_gaps_before_and_within_a_chunk() -> None:
    data, stamps = np.arange(3.0).reshape(3, 1).astype(np.float32), np.array([0.03, 0.04, 0.07])
    got, times, filled = fill_gaps(data, stamps, previous=0.0, rate=RATE, limit=100)
    np.testing.assert_array_equal(got[:, 0], [np.nan, np.nan, 0, 1, np.nan, np.nan, 2])
    np.testing.assert_allclose(times, [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07])
    assert filled == 4
    assert got.dtype == np.float32


def test_a_long_gap_is_filled_at_its_end_as_far_as_the_window_goes() -> None:
    got, times, filled = fill_gaps(np.ones((1, 1)), np.array([3600.0]), previous=0.0, rate=RATE, limit=3)
    assert filled == 3
    np.testing.assert_allclose(times, [3599.97, 3599.98, 3599.99, 3600.0])
    assert np.isnan(got[:3]).all()


@pytest.mark.parametrize("stamp", [-5.0, np.nan, np.inf, -np.inf])
def test_time_that_jumps_back_or_is_not_finite_is_left(stamp: float) -> None:
    with np.errstate(invalid="ignore"):
        got, times, filled = fill_gaps(np.ones((2, 1)), np.array([stamp, stamp]), previous=0.0, rate=RATE, limit=9)
    assert filled == 0
    assert len(got) == len(times) == 2


def test_the_first_chunk_and_an_empty_one() -> None:
    assert fill_gaps(np.ones((1, 1)), np.array([50.0]), previous=None, rate=RATE, limit=9)[2] == 0
    assert fill_gaps(np.ones((0, 1)), np.zeros(0), previous=1.0, rate=RATE, limit=9)[2] == 0


def test_dtypes_without_nan_are_refused() -> None:
    with pytest.raises(TypeError, match="not in int16"):
        fill_gaps(np.ones((1, 1), np.int16), np.zeros(1), previous=None, rate=RATE, limit=9)


@given(
    lost=st.lists(st.booleans(), min_size=2, max_size=60),
    cut=st.integers(1, 59),
    jitter=st.lists(st.floats(-0.2, 0.2), min_size=60, max_size=60),
)
def test_with_any_samples_lost_the_grid_is_whole_again(lost: list[bool], cut: int, jitter: list[float]) -> None:
    kept = np.flatnonzero(~np.array([False, *lost]))
    stamps = (kept + np.array(jitter)[: len(kept)]) / RATE
    data = kept.astype(float).reshape(-1, 1)
    rows: list[float] = []
    times: list[float] = []
    previous = None
    for part in (slice(0, cut), slice(cut, None)):
        got, at, _ = fill_gaps(data[part], stamps[part], previous=previous, rate=RATE, limit=1000)
        rows += got[:, 0].tolist()
        times += at.tolist()
        previous = times[-1]
    expected = np.where(np.isin(np.arange(kept[-1] + 1), kept), np.arange(kept[-1] + 1), np.nan)
    np.testing.assert_array_equal(rows, expected)
    assert (np.diff(times) > 0).all()
