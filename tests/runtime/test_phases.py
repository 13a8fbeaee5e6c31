"""Phases of clocks: what they are made of, and when they are moved."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.coordinator.phases import Stage, cascade, in_ratio, moved, spread
from rena_graph.runtime.coordinator.rates import FIRST_LOOK, GUESS, NEXT_LOOK, SPARE, START_DELAY, Rates
from tests.runtime.live import SCRIPTS, document, relay

RATES = [1.0, 10.0, 30.0, 60.0, 240.0, 1000.0]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Stage]:
    """Stages whose parents come before them; every fourth is started by data."""
    stages: dict[str, Stage] = {}
    for i in range(draw(st.integers(1, 8))):
        parents = draw(st.sets(st.sampled_from(sorted(stages)), max_size=3)) if stages else set()
        rate = None if draw(st.integers(0, 3)) == 0 else draw(st.sampled_from(RATES))
        takes = draw(st.floats(0.0, 0.9)) / (rate or 1000.0)
        stages[f"n{i}"] = Stage(rate, takes, tuple(sorted(parents)))
    return stages


@given(graphs())
def test_every_phase_is_within_its_period_and_only_clocks_have_one(stages: dict[str, Stage]) -> None:
    phases = cascade(list(stages), stages)
    assert set(phases) == {name for name, stage in stages.items() if stage.rate is not None}
    for name, phase in phases.items():
        assert 0.0 <= phase < 1.0 / (stages[name].rate or 1.0) + 1e-12


@given(st.sampled_from(RATES), st.lists(st.floats(0.0, 0.9), min_size=2, max_size=10), st.data())
def test_a_child_ticks_when_its_slowest_parent_is_done(rate: float, takes: list[float], data: st.DataObject) -> None:
    """In a graph of one rate whose loops fit into one period each node comes after all its parents, in that period."""
    total = sum(takes)
    stages: dict[str, Stage] = {}
    for i, share in enumerate(takes):
        parents = data.draw(st.sets(st.sampled_from(sorted(stages)), max_size=3)) if stages else set()
        stages[f"n{i}"] = Stage(rate, 0.9 * share / max(total, 1.0) / rate, tuple(sorted(parents)))
    phases = cascade(list(stages), stages)
    for name, stage in stages.items():
        ready = [phases[p] + stages[p].takes for p in stage.parents]
        assert phases[name] == pytest.approx(max(ready, default=0.0), abs=1e-12)


def test_a_slow_child_of_a_fast_parent_and_a_fast_child_of_a_slow_one() -> None:
    order = ["slow", "fast", "slow again"]
    stages = {
        "slow": Stage(10.0, 0.030),
        "fast": Stage(60.0, 0.002, ("slow",)),
        "slow again": Stage(10.0, 0.001, ("fast",)),
    }
    phases = cascade(order, stages)
    assert phases["slow"] == 0.0
    assert phases["fast"] == pytest.approx(0.030 - 1 / 60), "one of its ticks is when the slow one's data is there"
    assert phases["slow again"] == pytest.approx(0.032), "behind that very tick, not the first of the period"


def test_data_carries_a_phase_through() -> None:
    stages = {"a": Stage(50.0, 0.001), "b": Stage(None, 0.002, ("a",)), "c": Stage(50.0, 0.0, ("b",))}
    assert cascade("abc", stages)["c"] == pytest.approx(0.003)


def test_rates_that_are_no_multiple_have_nothing_to_do_with_each_other() -> None:
    stages = {"a": Stage(50.0, 0.001), "b": Stage(60.0, 0.001, ("a",))}
    assert cascade("ab", stages) == {"a": 0.0, "b": 0.0}
    assert not in_ratio(50.0, 60.0)
    assert in_ratio(20.0, 60.0)
    assert in_ratio(60.0, 20.0)
    assert in_ratio(0.1, 0.3)


def test_a_node_that_takes_longer_than_its_period_moves_its_child_by_one() -> None:
    stages = {"a": Stage(50.0, 3.0), "b": Stage(50.0, 0.0, ("a",))}
    assert math.remainder(cascade("ab", stages)["b"], 0.02) == pytest.approx(0.0)


def test_later_matters_sooner_than_earlier() -> None:
    assert moved(0.001, 0.002, 60)
    assert not moved(0.0018, 0.001, 60)
    assert moved(0.004, 0.001, 60)
    assert not moved(0.0, 1 / 60 - 1e-4, 60), "around the end of the period is near"


@given(st.text(max_size=20), st.sampled_from([0.001, *RATES]))
def test_free_clocks_have_a_phase_that_stays(name: str, rate: float) -> None:
    assert 0.0 <= spread(name, rate) <= min(1.0 / rate, 1.0)
    assert spread(name, rate) == spread(name, rate)


# -- when they are told ------------------------------------------------------------------------------
def chain(**more: Any) -> dict[str, Any]:
    nodes = {
        "c": relay("Y", "Z", 0, trigger="clock", run_frequency=50),
        "b": relay("X", "Y", 0, trigger="clock", run_frequency=50),
        "a": {
            "script": "talker.py",
            "run_frequency": 50,
            "outputs": {"X": {"channels": 2, "dtype": "float64"}},
            "loop_time": 0.004,
        },
    }
    return document({}, nodes, **more)


def report(**seconds: float) -> dict[str, Any]:
    return {"nodes": {name: {"out_p95": value, "origin": None} for name, value in seconds.items()}}


def made(frequencies: dict[str, float], **more: Any) -> Rates:
    return Rates(graph_from_dict(chain(**more), SCRIPTS), frequencies, {})


def test_a_run_begins_with_declared_times_and_goes_on_with_measured_ones() -> None:
    rates = made({})
    first = rates.start("a", 100.0)
    assert first == {"do": "start", "at": 100.0 + START_DELAY, "origin": 100.0 + START_DELAY, "phase": 0.0}
    assert rates.start("b", 100.1)["phase"] == pytest.approx(0.004 + GUESS)
    assert rates.start("c", 100.2)["phase"] == pytest.approx(0.004 + 2 * GUESS)
    assert rates.start("c", 100.2)["origin"] == first["origin"], "a node that comes later comes into the same grid"
    measured = report(a=0.0061, b=0.0012, c=0.001)
    assert rates.heard(measured, 101.0) == [], "not yet"
    sent = dict(rates.heard(measured, 100.1 + FIRST_LOOK))
    spare = SPARE / 50.0
    assert sent["b"] == {"do": "phase", "phase": pytest.approx(0.0061 + spare)}
    assert sent["c"] == {"do": "phase", "phase": pytest.approx(0.0073 + 2 * spare)}
    assert "a" not in sent
    assert rates.start("c", 105.0)["phase"] == pytest.approx(0.0073 + 2 * spare), "so does one that is restarted"
    assert rates.heard(measured, 200.0) == [], "nothing has changed"


def test_a_new_rate_has_its_phase_with_it_and_others_follow() -> None:
    frequencies: dict[str, float] = {}
    rates = made(frequencies)
    for node in "abc":
        rates.start(node, 0.0)
    frequencies["b"] = 70.0
    assert rates.change("b", 70.0, 1.0) == {"do": "rate", "hz": 70.0, "phase": 0.0}
    assert dict(rates.heard(report(), 1.1)) == {"c": {"do": "phase", "phase": 0.0}}, "nothing in its ratio any more"


@given(st.tuples(*[st.floats(0.0, 0.006) for _ in "abc"]), st.tuples(*[st.floats(0.0, 0.006) for _ in "abc"]))
def test_who_is_moved_is_moved_with_its_parents(before: tuple[float, ...], after: tuple[float, ...]) -> None:
    """One that moves earlier alone may come before the data of a parent whose own change is small."""
    rates = made({})
    for node in "abc":
        rates.start(node, 0.0)
    now = START_DELAY + FIRST_LOOK
    for takes in (before, after):
        sent = rates.heard(report(**dict(zip("abc", takes, strict=True))), now)
        now += 2 * NEXT_LOOK
        if sent:
            a, b, c = (each + SPARE / 50.0 for each in takes)
            wanted = cascade("abc", {"a": Stage(50.0, a), "b": Stage(50.0, b, ("a",)), "c": Stage(50.0, c, ("b",))})
            assert {node: rates.phases[node] for node in "abc"} == pytest.approx(wanted)


def test_quick_nodes_do_not_end_up_before_their_parents() -> None:
    """Taken for slower than they are: only the last one's phase is off by more than what moves one."""
    rates = made({})
    for node in "abc":
        rates.start(node, 0.0)
    rates.heard(report(a=0.003, b=0.0005, c=0.0005), START_DELAY + FIRST_LOOK)
    assert rates.phases["a"] <= rates.phases["b"] <= rates.phases["c"]


def test_free_clocks_are_left_alone() -> None:
    rates = made({}, phases="free")
    phase = {node: rates.start(node, 0.0)["phase"] for node in "abc"}
    assert len(set(phase.values())) == 3
    assert rates.heard(report(a=0.01), 100.0) == []


def test_a_coordinator_that_comes_back_finds_the_grid_where_it_is() -> None:
    rates = made({})
    known = {"out_p95": 0.002, "origin": 77.0, "phase": 0.001}
    rates.heard({"nodes": {"a": known, "b": known}}, 500.0)
    assert rates.start("c", 501.0)["origin"] == 77.0
