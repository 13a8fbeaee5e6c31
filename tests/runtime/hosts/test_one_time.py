"""Graph time on another host: estimated from round trips, and never jumping; all with made-up clocks."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rena_graph.runtime.hosts.offset import Estimate, OffsetEstimator
from rena_graph.runtime.hosts.slew import Slew


class OtherHost:
    """A clock that is `offset` ahead and drifts, behind a link with a base delay and jitter each way."""

    def __init__(self, offset: float, drift: float, delay: float, jitter: tuple[float, float], seed: int) -> None:
        self.offset, self.drift, self.delay, self.jitter = offset, drift, delay, jitter
        self.random = random.Random(seed)

    def at(self, local: float) -> float:
        return local + self.offset + self.drift * local

    def _way(self, jitter: float) -> float:
        """Mostly the bare delay and a little; now and then a queue in front of us."""
        slow = self.random.expovariate(1 / jitter) if jitter and self.random.random() < 0.5 else 0.0
        return self.delay + self.random.random() * 20e-6 + slow

    def ask(self, local: float) -> tuple[float, float, float, float]:
        arrived = local + self._way(self.jitter[0])
        left = arrived + 30e-6
        back = left + self._way(self.jitter[1])
        return local, self.at(arrived), self.at(left), back


@settings(max_examples=20, deadline=None)
@given(
    offset=st.floats(-1e6, 1e6),
    drift=st.floats(-100e-6, 100e-6),
    delay=st.floats(20e-6, 500e-6),
    there=st.sampled_from([0.0, 0.001, 0.01, 0.05]),
    back=st.sampled_from([0.0, 0.001, 0.01]),
    seed=st.integers(0, 1000),
)
def test_the_offset_is_known_to_a_millisecond_whatever_the_jitter(
    offset: float, drift: float, delay: float, there: float, back: float, seed: int
) -> None:
    other = OtherHost(offset, drift, delay, (there, back), seed)
    estimator, slew = OffsetEstimator(), Slew()
    previous = float("-inf")
    for step in range(20):  # as the host agent does before a run begins
        estimator.add(*other.ask(999 + 0.05 * step))
    for step in range(300):
        local = 1000 + 0.2 * step
        estimator.add(*other.ask(local))
        estimate = estimator.estimate()
        assert estimate is not None
        line = slew.aim(local + 0.1, estimate)
        graph = local + 0.1 + line.offset_at(local + 0.1)
        assert graph > previous, "time never runs backwards"
        previous = graph
        assert abs(line.slope) < 1e-3, "and never hurries"
        if step > 150:
            truth = other.at(local + 0.1) - (local + 0.1)
            assert abs(line.offset_at(local + 0.1) - truth) < 1e-3
            assert estimate.drift == pytest.approx(drift, abs=50e-6)
    assert estimate is not None
    assert abs(estimate.offset_at(local) - (other.at(local) - local)) <= max(1e-3, 2 * estimate.uncertainty)


def test_what_cannot_be_a_round_trip_is_left_out() -> None:
    estimator = OffsetEstimator()
    assert estimator.estimate() is None
    for times in ((2.0, 1.0, 1.0, 1.0), (0.0, 5.0, 4.0, 1.0), (0.0, float("nan"), 1.0, 2.0), (0.0, 0.0, 2.0, 1.0)):
        estimator.add(*times)
    assert estimator.estimate() is None
    assert estimator.count == 0


def test_the_uncertainty_is_half_of_the_shortest_round_trip() -> None:
    estimator = OffsetEstimator()
    estimator.add(0.0, 10.5, 10.5, 1.0)
    estimator.add(1.0, 11.05, 11.05, 1.1)
    estimate = estimator.estimate()
    assert estimate is not None
    assert estimate.offset == pytest.approx(10.0)
    assert estimate.uncertainty == pytest.approx(0.05)
    assert estimate.round_trip == pytest.approx(0.1)


def test_old_round_trips_are_forgotten() -> None:
    estimator = OffsetEstimator(window=20.0)
    for i in range(1000):
        at = i * 0.1
        estimator.add(at, at + 5, at + 5, at)
    for i in range(1000):
        at = 100 + i * 0.1
        estimator.add(at, at + 6, at + 6, at + 0.001)
    estimate = estimator.estimate()
    assert estimate is not None
    assert estimate.offset == pytest.approx(6.0, abs=1e-3)


def test_a_better_estimate_bends_the_line_and_does_not_break_it() -> None:
    slew = Slew()
    slew.aim(100.0, Estimate(100.0, 50.0, 0.0, 1e-4, 2e-4))
    line = slew.aim(110.0, Estimate(110.0, 49.99, 0.0, 1e-4, 2e-4))
    assert line.offset_at(110.0) == pytest.approx(50.0)
    assert slew.error == pytest.approx(-0.01)
    assert line.slope == pytest.approx(-500e-6)
    for second in range(111, 140):
        line = slew.aim(float(second), Estimate(110.0, 49.99, 0.0, 1e-4, 2e-4))
    assert line.offset_at(140.0) == pytest.approx(49.99, abs=1e-4)
    assert slew.leaps == 0


def test_after_a_suspend_time_leaps_forwards_only() -> None:
    slew = Slew()
    slew.aim(0.0, Estimate(0.0, 10.0, 0.0, 1e-4, 2e-4))
    assert slew.aim(1.0, Estimate(1.0, 3610.0, 0.0, 1e-4, 2e-4)).offset_at(1.0) == pytest.approx(3610.0)
    assert slew.leaps == 1
    back = slew.aim(2.0, Estimate(2.0, 10.0, 0.0, 1e-4, 2e-4))
    assert back.offset_at(2.0) == pytest.approx(3610.0)
    assert -1e-3 < back.slope < 0
