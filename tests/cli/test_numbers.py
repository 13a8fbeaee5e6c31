"""Numbers for people."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.cli.view.numbers import NONE, asked_rate, clock_time, count, duration, rate, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, NONE),
        (math.nan, NONE),
        (math.inf, NONE),
        (0.0, "0 µs"),
        (12e-6, "12 µs"),
        (0.00123, "1.2 ms"),
        (0.123, "123 ms"),
        (5.04, "5.0 s"),
        (428.9, "7:08"),
        (3723.0, "1:02:03"),
        (-0.004, "-4.0 ms"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(min_value=0, max_value=99.9))
def test_a_duration_is_never_wide_and_never_a_thousand_of_its_unit(seconds: float) -> None:
    text = duration(seconds)
    number = re.fullmatch(r"(\d+(?:\.\d)?) (?:µs|ms|s)", text)
    assert number is not None
    assert float(number.group(1)) < 1000


@pytest.mark.parametrize(
    ("hertz", "text"), [(None, NONE), (math.inf, "max"), (59.96, "60.0"), (0.5, "0.50"), (2048.0, "2,048")]
)
def test_rate(hertz: float | None, text: str) -> None:
    assert rate(hertz) == text


def test_a_node_without_a_limit_is_known_by_its_loops() -> None:
    assert asked_rate({"frequency": 60.0, "loops": 0}) == "60.0"
    assert asked_rate({"frequency": None, "loops": 7}) == "max"
    assert asked_rate({"frequency": None, "loops": 0}) == NONE


@pytest.mark.parametrize(
    ("amount", "text"),
    [(None, NONE), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (25.3e9, "25.3 GB")],
)
def test_size(amount: float | None, text: str) -> None:
    assert size(amount) == text


@given(st.integers(min_value=0, max_value=10**16))
def test_a_size_is_within_a_tenth_of_its_last_digit(amount: int) -> None:
    number, unit = size(amount).split()
    factor = 1000 ** ["B", "kB", "MB", "GB", "TB"].index(unit)
    assert abs(float(number) * factor - amount) <= 0.0501 * factor


def test_count_and_clock() -> None:
    assert (count(None), count(1234567)) == (NONE, "1,234,567")
    assert (clock_time(0.9), clock_time(59.9), clock_time(3600)) == ("0:00", "0:59", "1:00:00")
