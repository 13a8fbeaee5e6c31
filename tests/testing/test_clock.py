"""FakeClock stands still until told, and never runs backwards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.runtime.clock import Clock
from rena_graph.testing import FakeClock


def test_is_a_clock() -> None:
    clock: Clock = FakeClock(10.0, unix_start=1e9)
    assert (clock.now(), clock.now_ns(), clock.unix()) == (10.0, 10_000_000_000, 1e9)


def test_all_three_go_on_together() -> None:
    clock = FakeClock(10.0, unix_start=1e9)
    clock.advance(2.5)
    assert (clock.now(), clock.now_ns(), clock.unix()) == (12.5, 12_500_000_000, 1e9 + 2.5)


def test_steps_add_up_exactly() -> None:
    clock = FakeClock(0.0)
    for _ in range(1000):
        clock.advance(0.1)
    assert clock.now() == 100.0


def test_goes_to_a_later_time_only() -> None:
    clock = FakeClock(10.0)
    clock.advance_to(9.0)
    assert clock.now() == 10.0
    clock.advance_to(11.0)
    assert clock.now() == 11.0


@given(st.floats(max_value=0, exclude_max=True, allow_nan=False))
def test_cannot_go_back(seconds: float) -> None:
    with pytest.raises(ValueError, match="cannot go back"):
        FakeClock().advance(seconds)
