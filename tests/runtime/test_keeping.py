"""Whether nodes keep their rates: judgements of made-up counters, and what is done about them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.errors import ExitCode
from rena_graph.graph.document import NodeDef
from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.coordinator.keeping import TROUBLE_AFTER, Change, Counts, Keeping, Verdict, judge
from rena_graph.runtime.coordinator.node_record import NodeRecord
from rena_graph.runtime.coordinator.rate_keeper import Command, RateKeeper
from rena_graph.runtime.coordinator.signals import HostFailed, Say
from rena_graph.runtime.coordinator.throttle import BACK_AFTER, FLOOR, SLOWER_EVERY, STEP, Throttle
from rena_graph.runtime.host.load import HostLoad, processor_times
from rena_graph.runtime.lifecycle import NodeState
from tests.runtime.live import SCRIPTS, collect, counter, document

ZERO = Counts(at=0.0)


def after(seconds: float = 2.0, **counted: Any) -> Counts:
    return Counts(at=seconds, **counted)


# -- one judgement -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (after(loops=120, looped=0.5, had=0.5), Verdict.KEEPS_UP),
        (after(loops=118, skipped=2, looped=0.5, had=0.5, load=1.0), Verdict.KEEPS_UP),
        # A loop longer than its period, whether it computes or sleeps.
        (after(loops=40, skipped=80, overruns=40, looped=1.9, had=1.9), Verdict.LOOP_TOO_SLOW),
        (after(loops=40, skipped=80, overruns=40, looped=1.9, had=0.1), Verdict.LOOP_TOO_SLOW),
        # Long now and then.
        (after(loops=80, skipped=40, overruns=10, looped=1.0, had=0.2), Verdict.LOOP_TOO_SLOW),
        # In the midst of a long one.
        (after(loops=0, had=2.0), Verdict.LOOP_TOO_SLOW),
        # It would fit, if there were a processor.
        (after(loops=60, skipped=60, overruns=60, looped=1.6, had=0.4, waited=1.3, load=1.0), Verdict.HOST_OVERLOADED),
        (after(loops=60, skipped=60, looped=0.2, had=0.2, waited=1.0, load=1.0), Verdict.HOST_OVERLOADED),
        # Few loops, each of which waits for long: what it waits in the last is counted before the loop is.
        (after(loops=4, skipped=116, overruns=4, looped=1.9, had=0.02, waited=1.5, load=0.6), Verdict.HOST_OVERLOADED),
        # Too slow even alone, however busy the host.
        (after(loops=40, skipped=80, overruns=40, looped=1.9, had=1.5, waited=0.3, load=1.0), Verdict.LOOP_TOO_SLOW),
        # Someone does not read.
        (after(loops=30, skipped=90, looped=0.1, held=1.7, had=0.1), Verdict.HELD_UP),
    ],
)
def test_a_clock_that_misses_ticks_is_told_why(now: Counts, verdict: Verdict) -> None:
    said, figures = judge(ZERO, now, 60.0, clocked=True)
    assert said is verdict, figures
    assert "60 Hz" in figures.words(said)


@pytest.mark.parametrize(
    ("now", "asked", "verdict"),
    [
        (after(loops=50, looped=0.1, had=0.1), 1000.0, Verdict.WAITING),
        (after(loops=50, looped=0.1, had=0.1), float("inf"), Verdict.KEEPS_UP),
        (after(loops=2000, looped=0.1, dropped=7), 1000.0, Verdict.KEEPS_UP),
        (after(loops=50, looped=1.9, had=1.9, dropped=500), 1000.0, Verdict.LOOP_TOO_SLOW),
        (after(loops=50, looped=1.9, had=1.9, backlog=3.0), float("inf"), Verdict.LOOP_TOO_SLOW),
        (after(loops=50, looped=1.9, had=0.4, waited=1.4, backlog=3.0), float("inf"), Verdict.HOST_OVERLOADED),
        (after(loops=50, looped=0.2, held=1.7, backlog=3.0), 1000.0, Verdict.HELD_UP),
        # Samples that go though the node has nothing to do: its window is too short for how they come.
        (after(loops=50, looped=0.1, dropped=500), 1000.0, Verdict.WAITING),
    ],
)
def test_a_node_on_data_is_slow_only_if_input_is_left_behind(now: Counts, asked: float, verdict: Verdict) -> None:
    assert judge(ZERO, now, asked, clocked=False)[0] is verdict


counts = st.builds(
    Counts,
    at=st.just(2.0),
    loops=st.integers(0, 5000),
    skipped=st.integers(0, 5000),
    overruns=st.integers(0, 5000),
    dropped=st.integers(0, 10**6),
    looped=st.floats(0, 2.5),
    had=st.floats(0, 2.5),
    waited=st.floats(0, 2.5),
    held=st.floats(0, 2.5),
    backlog=st.floats(0, 1e3),
    load=st.floats(0, 1),
)


@given(counts, st.sampled_from([0.1, 1.0, 60.0, 1000.0, float("inf")]), st.booleans())
def test_whatever_was_counted_there_is_a_verdict_with_words(now: Counts, asked: float, clocked: bool) -> None:
    clocked = clocked and asked != float("inf")
    verdict, figures = judge(ZERO, now, asked, clocked=clocked)
    assert figures.words(verdict)
    if clocked and not now.skipped and now.loops:
        assert verdict is Verdict.KEEPS_UP
    if not clocked and not now.dropped and not now.backlog:
        assert not verdict.trouble


# -- over time ---------------------------------------------------------------------------------------
@dataclass
class Node:
    """The counters of one node on the clock at 60 Hz that is made to miss a share of its ticks."""

    missed: float = 0.0
    loop: float = 0.001
    waits: float = 0.0
    now: float = 0.0
    loops: float = 0.0
    skipped: float = 0.0
    looped: float = 0.0
    waited: float = 0.0
    frequency: float = 60.0

    def go(self, seconds: float) -> None:
        self.now += seconds
        ticks = seconds * self.frequency
        self.loops += ticks * (1 - self.missed)
        self.skipped += ticks * self.missed
        self.looped += ticks * (1 - self.missed) * self.loop
        self.waited += seconds * self.waits

    def report(self) -> dict[str, Any]:
        return {
            "loops": round(self.loops),
            "skipped": round(self.skipped),
            "overruns": round(self.skipped),
            "loop_mean": self.looped / self.loops if self.loops else None,
            "cpu_loop": self.looped / 2,
            "cpu_wait": self.waited,
            "frequency": self.frequency,
            "out_p95": None,
            "origin": None,
            "host": "here",
        }


def report(**nodes: Node) -> dict[str, Any]:
    return {
        "nodes": {name: node.report() for name, node in nodes.items()},
        "streams": {},
        "edges": [],
        "hosts": {"here": {"cpu": 0.5, "cores": 2, "clock": None}},
    }


def on_the_clock(**policies: dict[str, Any]) -> Any:
    nodes = {name: collect(Path("x.npz"), trigger="clock", run_frequency=60, **more) for name, more in policies.items()}
    return graph_from_dict(document({}, nodes), SCRIPTS)


def follow(keeping: Keeping, node: Node, seconds: float) -> list[Change]:
    changes = []
    for _ in range(round(seconds * 4)):
        node.go(0.25)
        changes += keeping.heard(report(n=node), {"n"}, node.now)
    return changes


def test_a_slow_node_is_named_once_with_its_reason_and_once_when_it_is_well() -> None:
    keeping, node = Keeping(on_the_clock(n={})), Node()
    assert keeping.status("n") is None
    assert follow(keeping, node, 10) == []
    assert keeping.status("n") == {"verdict": "keeps up", "reason": "60 of 60 Hz", "trouble": False}
    node.missed, node.loop = 0.5, 0.033
    (change,) = follow(keeping, node, 20)
    assert (change.before, change.now) == (Verdict.KEEPS_UP, Verdict.LOOP_TOO_SLOW)
    assert "33 ms" in change.reason
    assert "16.7 ms" in change.reason
    node.missed, node.loop = 0.0, 0.001
    (change,) = follow(keeping, node, 20)
    assert change.now is Verdict.KEEPS_UP


@dataclass
class Starved(Node):
    """Waits for a processor nearly all the time, which is counted as it goes; a loop is counted at its end."""

    def go(self, seconds: float) -> None:
        self.now += seconds
        self.waited += 0.97 * seconds
        self.loops = self.now // self.loop
        self.looped = self.loops * self.loop
        self.skipped = self.now * self.frequency - self.loops

    def report(self) -> dict[str, Any]:
        return {**super().report(), "cpu_loop": 0.005 * self.loops}


def follow_stale(keeping: Keeping, node: Node, seconds: float) -> list[Change]:
    """As the coordinator sees it: a node is stale once it has not looped for a second, and is not when it has."""
    changes, loops, since = [], node.loops, node.now
    for _ in range(round(seconds * 4)):
        node.go(0.25)
        if node.loops > loops:
            loops, since = node.loops, node.now
        stale = node.now - since > 1.0
        running = set() if stale else {"n"}
        changes += keeping.heard(report(n=node), running, node.now, {"n"} - running)
    return changes


@pytest.mark.parametrize("loop", [1.5, 2.5, 7.0, 1000.0])
def test_a_node_so_starved_that_it_is_stale_is_named_for_what_it_is(loop: float) -> None:
    keeping, node = Keeping(on_the_clock(n={})), Starved(loop=loop, frequency=20.0)
    (change,) = follow_stale(keeping, node, 20)
    assert change.now is Verdict.HOST_OVERLOADED
    assert "it waits for a processor 97% of the time" in change.reason


def test_a_node_that_hangs_is_stale_and_no_more() -> None:
    keeping, node = Keeping(on_the_clock(n={})), Node()
    follow(keeping, node, 10)
    hung = Node(missed=1.0, now=node.now, loops=node.loops, looped=node.looped, waits=0.3)
    assert follow_stale(keeping, hung, 20) == []
    assert keeping.verdict("n") is None


@given(st.floats(0.06, 0.9))
def test_a_starved_node_is_named_for_what_it_is_however_long_its_loops_are(loop: float) -> None:
    keeping, node = Keeping(on_the_clock(n={})), Starved(loop=loop, frequency=20.0)
    changes = follow(keeping, node, 20)
    assert [change.now for change in changes] == [Verdict.HOST_OVERLOADED]


def test_two_kinds_of_trouble_in_turn_are_trouble() -> None:
    keeping, node = Keeping(on_the_clock(n={})), Node()
    follow(keeping, node, 5)
    node.missed = 0.5
    changes = []
    for turn in range(8):  # a node that computes too much and one that waits, a second each
        node.loop, node.waits = (0.06, 0.0) if turn % 2 else (0.01, 0.9)
        changes += follow(keeping, node, 2.0)
    assert changes
    assert changes[0].now.trouble


def test_a_single_stall_is_not_held_against_a_node() -> None:
    keeping, node = Keeping(on_the_clock(n={})), Node()
    follow(keeping, node, 5)
    node.skipped += 60
    assert follow(keeping, node, 20) == []


@given(st.lists(st.sampled_from([0.0, 0.03, 0.04, 0.06, 0.3]), min_size=10, max_size=60))
def test_it_does_not_flap(shares: list[float]) -> None:
    keeping, node = Keeping(on_the_clock(n={})), Node(loop=0.04)
    times = []
    for share in shares:
        node.missed = share
        times += [node.now] * len(follow(keeping, node, 1.0))
    assert all(later - earlier >= TROUBLE_AFTER - 0.5 for earlier, later in pairwise(times))
    assert len(times) <= len(shares) / TROUBLE_AFTER + 1


def test_paused_nodes_and_new_lives_are_judged_anew() -> None:
    keeping, node = Keeping(on_the_clock(n={})), Node(missed=0.5, loop=0.033)
    assert len(follow(keeping, node, 20)) == 1
    keeping.heard(report(n=node), set(), node.now + 1)
    assert keeping.status("n") is None
    node.now += 1
    node.missed = 0.0
    assert follow(keeping, node, 5) == []
    node.looped = node.waited = 0.0  # another process
    assert follow(keeping, node, 1) == []


def test_what_lies_unread_is_counted_in_seconds() -> None:
    nodes = {"n": collect(Path("x.npz"), "C")}
    graph = graph_from_dict(document({"C": counter(100)}, nodes), SCRIPTS)
    keeping, node = Keeping(graph), Node(loop=0.016)
    for _ in range(40):
        node.go(0.25)
        node.frequency = 1000.0
        edge = {"stream": "C", "to": "n", "policy": "fifo", "in_flight": 500, "dropped": {}}
        full = {**report(n=node), "streams": {"C": {"rate": 100.0, "blocked": 0.0}}, "edges": [edge]}
        node.frequency = 60.0
        changes = keeping.heard(full, {"n"}, node.now)
        if changes:
            break
    assert [change.now for change in changes] == [Verdict.LOOP_TOO_SLOW]


# -- what is done ------------------------------------------------------------------------------------
def keep(keeper: RateKeeper, nodes: dict[str, Node], seconds: float) -> list[Any]:
    reactions = []
    running = NodeState.RUNNING
    records = {name: NodeRecord(name, NodeDef(script="x.py"), 0, state=running) for name in nodes}
    for _ in range(round(seconds * 4)):
        for node in nodes.values():
            node.go(0.25)
        now = next(iter(nodes.values())).now
        reactions += keeper.heard(report(**nodes), records, now)
    return reactions


@pytest.mark.parametrize("policy", ["skip", "newest", "stop"])
def test_one_line_says_who_why_and_what_is_done(policy: str) -> None:
    keeper = RateKeeper(on_the_clock(n={"on_overload": policy}), {})
    reactions = keep(keeper, {"n": Node(missed=0.5, loop=0.033)}, 20)
    (said,) = [r for r in reactions if isinstance(r, Say)]
    assert (said.level, said.node) == ("warning", "n")
    assert "loop too slow" in said.text
    done = {"skip": "skipped and counted", "newest": "passes over", "stop": "run stops"}
    assert done[policy] in said.text
    failures = [r for r in reactions if isinstance(r, HostFailed)]
    assert [r.exit_code for r in failures] == ([ExitCode.SCRIPT] if policy == "stop" else [])
    assert all("'n' cannot keep up: loop too slow" in r.error for r in failures)


def test_less_important_nodes_are_slowed_down_to_a_quarter_and_given_back() -> None:
    graph = on_the_clock(
        n={"on_overload": "throttle", "importance": 80}, low={"importance": 10}, mid={"importance": 50},
        same={"importance": 80},
    )  # fmt: skip
    frequencies: dict[str, float] = {}
    keeper = RateKeeper(graph, frequencies)
    nodes = {name: Node() for name in ("n", "low", "mid", "same")}
    nodes["n"] = Node(missed=0.5, waits=0.8)
    reactions = keep(keeper, nodes, 40)
    rates: dict[str, list[float]] = {}
    for r in reactions:
        if isinstance(r, Command) and r.message["do"] == "rate":
            rates.setdefault(r.node, []).append(r.message["hz"])
    assert list(rates) == ["low", "mid"], "the least important first, and never one of the same importance"
    assert rates["low"][0] == pytest.approx(60 * STEP)
    assert rates["low"][-1] == rates["mid"][-1] == 60 * FLOOR
    status = keeper.status("low")
    assert status is not None
    assert status["slowed_to"] == FLOOR
    assert keeper.rates.start("low", 50.0)["hz"] == 60 * FLOOR, "so does its next life"
    assert keeper.rates.change("low", 100.0, 50.0)["hz"] == 100 * FLOOR, "and a new rate"
    nodes["n"].missed = nodes["n"].waits = 0.0
    reactions = keep(keeper, nodes, 120)
    assert keeper.rates.given("low") == keeper.rates.given("mid") == 60.0
    back = [r.node for r in reactions if isinstance(r, Command) and r.message["do"] == "rate"]
    assert back == sorted(back, reverse=True), "the more important one first"


def test_a_coordinator_that_comes_back_gives_back_what_the_one_before_it_took() -> None:
    keeper = RateKeeper(on_the_clock(n={}, low={}), {"n": 30.0})
    nodes = {"n": Node(frequency=30.0), "low": Node(frequency=24.0)}
    reactions = keep(keeper, nodes, 1.0)
    assert reactions == []
    assert (keeper.rates.given("n"), keeper.rates.given("low")) == (30.0, 24.0)
    keep(keeper, nodes, 60.0)
    assert keeper.rates.given("low") == 60.0
    begun = RateKeeper(on_the_clock(n={}), {})
    begun.rates.start("n", 0.0)
    keep(begun, {"n": Node(frequency=24.0)}, 1.0)  # it has not taken up its rate yet
    assert begun.rates.given("n") == 60.0


def test_others_are_not_slowed_for_a_loop_that_is_slow_by_itself() -> None:
    graph = on_the_clock(n={"on_overload": "throttle", "importance": 80}, low={"importance": 10})
    keeper = RateKeeper(graph, {})
    reactions = keep(keeper, {"n": Node(missed=0.5, loop=0.033), "low": Node()}, 20)
    assert not [r for r in reactions if isinstance(r, Command)]
    (said,) = [r for r in reactions if isinstance(r, Say)]
    assert "would not help" in said.text


@given(st.lists(st.tuples(st.booleans(), st.floats(0.1, 5.0)), max_size=80))
def test_shares_stay_between_the_floor_and_all(steps: list[tuple[bool, float]]) -> None:
    throttle = Throttle({"a": 10, "b": 20, "c": 60})
    now = 0.0
    for needy, seconds in steps:
        now += seconds
        before = dict(throttle.shares)
        changed = throttle.update({"c": 60} if needy else {}, now)
        assert all(FLOOR <= share < 1.0 for share in throttle.shares.values())
        assert "c" not in throttle.shares
        assert {n for n in "abc" if before.get(n) != throttle.shares.get(n)} == set(changed)
        for node in changed:
            slower = throttle.shares.get(node, 1.0) < before.get(node, 1.0)
            assert slower is needy


def test_what_is_given_back_too_early_is_given_back_more_slowly_next_time() -> None:
    throttle = Throttle({"a": 10, "n": 50})
    waits = []
    now = 0.0
    for _ in range(3):
        for _ in range(3):
            now += SLOWER_EVERY
            throttle.update({"n": 50}, now)
        began = now
        while not throttle.update({}, now):
            now += 0.25
        waits.append(now - began)
    assert waits[0] == pytest.approx(BACK_AFTER, abs=0.5)
    assert waits[0] < waits[1] < waits[2]


# -- what the kernel counts --------------------------------------------------------------------------
def test_the_kernel_s_counts_are_read(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "schedstat").write_text("1500000000 250000000 99\n")
    assert processor_times(7, tmp_path) == (1.5, 0.25)
    assert processor_times(8, tmp_path) is None
    (tmp_path / "stat").write_text("cpu  100 0 0 100 0 0 0 0 0 0\n")
    load = HostLoad(tmp_path)
    assert load.read() is None
    (tmp_path / "stat").write_text("cpu  175 0 0 120 5 0 0 0 0 0\n")
    assert load.read() == pytest.approx(0.75)
    (tmp_path / "stat").write_text("cpu  176 0 0 120 5 0 0 0 0 0\n")
    assert load.read() == pytest.approx(0.75), "too short a time to tell anything new"
