"""The arithmetic of figures: spreads, ratios, verdicts."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.bench.figures import Figure, Hops, Spread
from rena_graph.bench.payload import WARMUP

values = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=9)


@given(values)
def test_a_spread_holds_its_median(rounds: list[float]) -> None:
    spread = Spread.of(rounds)
    assert spread.low == min(rounds)
    assert spread.high == max(rounds)
    assert sum(v <= spread.median for v in rounds) * 2 >= len(rounds)
    assert sum(v >= spread.median for v in rounds) * 2 >= len(rounds)


def test_the_spread_of_nothing_is_unknown() -> None:
    assert math.isnan(Spread.of([]).median)


@given(st.lists(st.tuples(st.floats(0.01, 1e6), st.floats(0.01, 1e6)), min_size=1, max_size=9), st.floats(0.1, 10))
def test_a_target_is_met_where_the_middle_ratio_is_not_above_it(
    rounds: list[tuple[float, float]], at_most: float
) -> None:
    ours, floor = zip(*rounds, strict=True)
    figure = Figure("x", "µs", ours, "floor", floor, at_most)
    middle = float(np.median([a / b for a, b in rounds]))
    assert figure.verdict == ("met" if middle <= at_most else "missed")


def test_ratios_are_of_the_same_round() -> None:
    figure = Figure("x", "µs", (10.0, 300.0), "floor", (5.0, 100.0), 2.5)
    assert figure.ratios == (2.0, 3.0)
    assert figure.verdict == "met"


@pytest.mark.parametrize(
    ("ours", "reference", "verdict"),
    [((0, 0), (0, 0), "met"), ((1, 0), (0, 0), "missed"), ((0, 13), (10, 0), "met"), ((0, 14), (10, 0), "missed")],
)
def test_counts_are_compared_by_their_sums(ours: tuple[float, ...], reference: tuple[float, ...], verdict: str) -> None:
    assert Figure("x", "ticks", ours, "bare loop", reference, 1.3, counted=True).verdict == verdict


@pytest.mark.parametrize(("ours", "verdict"), [((9.0, 10.0, 50.0), "met"), ((9.0, 10.1, 50.0), "missed")])
def test_a_value_without_reference_is_judged_itself(ours: tuple[float, ...], verdict: str) -> None:
    assert Figure("x", "ppm", ours, at_most=10.0).verdict == verdict


@pytest.mark.parametrize(
    "figure",
    [
        Figure("x", "µs", (1.0,), "peer", (), 1.0, missing="not installed"),
        Figure("x", "µs", (), "floor", (), 1.0),
        Figure("x", "µs", (math.nan,), "floor", (1.0,), 1.0),
        Figure("x", "µs", (1.0,), "floor", (0.0,), 1.0),
    ],
)
def test_what_was_not_measured_is_never_met(figure: Figure) -> None:
    assert figure.verdict == "not measured"


def test_without_a_target_nothing_is_judged() -> None:
    assert Figure("x", "µs", (1.0,), "floor", (2.0,)).verdict == "no target"


def test_the_record_is_strict_json() -> None:
    figure = Figure("x", "µs", (math.nan, 2.0), "floor", (1.0, math.nan), 1.0)
    record = json.loads(json.dumps(figure.as_json(), allow_nan=False))
    assert record["ours"] == [None, 2.0]
    assert record["reference"] == [1.0, None]
    assert record["ratio"] is None
    assert record["verdict"] == "not measured"


def test_hops_leave_the_warm_up_out_and_count_what_is_missing() -> None:
    sent = WARMUP + 101
    numbers = np.delete(np.arange(sent), [3, WARMUP + 50])
    took = np.where(numbers < WARMUP, 10**9, 1000 * (numbers - WARMUP))
    hops = Hops.of(np.column_stack((numbers, np.full_like(numbers, 5), took + 5)), sent)
    assert hops.lost == 2
    assert hops.p50 == pytest.approx(50.0, abs=1)
    assert hops.p99 == pytest.approx(99.0, abs=1)


def test_hops_of_nothing() -> None:
    hops = Hops.of(np.zeros((0, 3), np.int64), 30)
    assert hops.lost == 30
    assert math.isnan(hops.p50)
