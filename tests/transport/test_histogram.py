"""Histograms: every duration falls into one bucket, and a quantile is the edge of the one that reaches its share."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.transport.histogram import BUCKETS, Histogram, bucket_of, quantile, upper_edge


@given(st.integers(0, 10**13))
def test_a_duration_lies_below_the_upper_edge_of_its_bucket_and_not_below_the_one_before(nanoseconds: int) -> None:
    bucket = bucket_of(nanoseconds)
    assert 0 <= bucket < BUCKETS
    if bucket < BUCKETS - 1:
        assert nanoseconds / 1e9 < upper_edge(bucket)
    if bucket:
        assert nanoseconds / 1e9 >= upper_edge(bucket - 1) * (1 - 1e-9)


@given(st.lists(st.integers(0, 10**11), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_is_at_least_its_share_and_a_bucket_above_at_most(durations: list[int], share: float) -> None:
    cells = memoryview(bytearray(8 * BUCKETS)).cast("Q")
    histogram = Histogram(cells)
    for duration in durations:
        histogram.add(duration)
    found = quantile(cells, share)
    assert found == histogram.quantile(share)
    exact = sorted(durations)[max(0, math.ceil(share * len(durations)) - 1)]
    assert found == upper_edge(bucket_of(exact))


def test_of_nothing_there_is_no_quantile() -> None:
    assert math.isnan(quantile([0] * BUCKETS, 0.5))
    assert math.isnan(quantile([], 0.5))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_empty_buckets_on_either_side_do_not_count(share: float) -> None:
    counts = [0] * BUCKETS
    counts[40] = 7
    assert quantile(counts, share) == upper_edge(40)
