"""Why nothing flows: each cause on a made-up status, some together, and the main ones on real runs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from rena_graph.cli.why import answer_lines
from rena_graph.errors import UsageError
from rena_graph.runtime.why.explain import Explanation, explain, place_of
from rena_graph.runtime.why.situation import Situation
from tests.runtime.live import collect, counter, document, relay, running, wait_until

GRAPH: dict[str, Any] = {
    "streams": {"ECG": {"from": {"lsl": {"name": "ECG-100"}}}},
    "nodes": {
        "peaks": {
            "trigger": "data",
            "run_frequency": 60,
            "inputs": [{"stream": "ECG", "policy": "fifo"}],
            "outputs": {"R": {"channels": 1}},
        },
        "rate": {"inputs": ["R"], "outputs": {"HR": {"channels": 1}}, "buffer_duration": 10.0},
        "block": {"trigger": {"stream": "ECG", "every": 1000}, "inputs": ["ECG"], "outputs": {"B": {"channels": 1}}},
        "show": {"trigger": "data", "inputs": ["HR"]},
    },
}


def node(**changes: Any) -> dict[str, Any]:
    facts = {"state": "running", "stale": False, "loops": 600, "exceptions": 0, "bad_outputs": 0, "frequency": 60.0}
    return {**facts, "rate": 60.0, "restarts": 0, "error": None, **changes}


def stream(produced: int, **changes: Any) -> dict[str, Any]:
    facts = {"produced": produced, "age": 0.01, "source_state": None, "rejected": 0, "nominal_rate": 0.0}
    return {**facts, "ended": False, **changes}


def edge(of: str, to: str, delivered: int, **changes: Any) -> dict[str, Any]:
    return {
        "stream": of,
        "to": to,
        "produced": delivered,
        "delivered": delivered,
        "dropped": {},
        "in_flight": 0,
        **changes,
    }


def healthy(step: int) -> dict[str, Any]:
    """All is well; in each step of one second 360 samples of ECG come."""
    return {
        "state": "running",
        "uptime": 20.0 + step,
        "nodes": {name: node(loops=600 + 60 * step) for name in GRAPH["nodes"]},
        "streams": {
            "ECG": stream(7200 + 360 * step, source_state="connected", nominal_rate=360.0),
            "R": stream(20 + step),
            "HR": stream(20 + step),
            "B": stream(7 + step),
        },
        "edges": [
            edge("ECG", "peaks", 7200 + 360 * step),
            edge("ECG", "block", 7000 + 360 * step),
            edge("R", "rate", 20 + step),
            edge("HR", "show", 20 + step),
            edge("HR", "lsl:HR", 20 + step),
        ],
    }


def situation(*changes: tuple[str, dict[str, Any]], graph: dict[str, Any] | None = None) -> Situation:
    """A healthy run but for `changes`: ``nodes.NAME`` or ``streams.NAME`` or ``edges.STREAM>TO``, and what is other.

    A counter that is given stands still at that value; ``{"+": n}`` grows by n.
    """
    statuses = [healthy(0), healthy(1)]
    for target, values in changes:
        table, _, name = target.partition(".")
        for step, status in enumerate(statuses):
            if table == "edges":
                of, _, to = name.partition(">")
                (found,) = (e for e in status["edges"] if (e["stream"], e["to"]) == (of, to))
            else:
                found = status[table][name]
            for key, value in values.items():
                found[key] = value["+"] * step if isinstance(value, dict) and "+" in value else value
    return Situation(graph or GRAPH, *statuses)


def why(now: Situation, place: str) -> Explanation:
    return explain(now, *place_of(place, now))


def dry(name: str, produced: int = 20) -> tuple[str, dict[str, Any]]:
    return f"streams.{name}", {"produced": produced, "age": 14.2 if produced else None}


IDLE = {"loops": 600, "rate": 0.0}
LOST = ("streams.ECG", {"produced": 7200, "age": 5.0, "source_state": "lost"})
STARVED = [dry("R"), dry("HR"), dry("B"), ("nodes.peaks", IDLE), ("nodes.show", IDLE), ("nodes.block", IDLE)]


def test_it_flows_with_figures() -> None:
    for place in ("peaks", "rate", "show", "peaks.ECG", "peaks.R", "rate.HR"):
        answer = why(situation(), place)
        assert answer.flows, place
        assert answer.causes == ()
    lines = answer_lines(why(situation(), "rate"), "rate", "c0ffee12")
    assert lines[0] == "it flows at rate"
    assert any("1 Hz" in line for line in lines)
    assert any("21 samples left for lsl:HR; that nobody takes them is no fault" in line for line in lines)


@pytest.mark.parametrize(
    ("changes", "said", "remedy"),
    [
        ({"source_state": "waiting", "produced": 0, "age": None}, "no LSL stream with name 'ECG-100'", "streams lists"),
        ({"source_state": "lost", "produced": 7200, "age": 5.0}, "went away; 7,200 samples came", "start it again"),
        ({"source_state": "refused", "produced": 0, "age": None}, "another format", "says what differs"),
        ({"source_state": "ended", "produced": 7200, "age": 5.0}, "has ended after 7,200 samples", None),
        ({"source_state": "connected", "produced": 0, "age": None}, "has sent no sample yet", "the device"),
        ({"source_state": "connected", "produced": 7200, "age": 9.0}, "its newest sample is 9.0 s old", "still sends"),
        ({"produced": 0, "age": None, "rejected": {"+": 30}}, "rejected: 30 messages", "differ from the sender's"),
        ({"source_state": None, "produced": 0, "age": None}, "has not let it in yet", "status"),
    ],
)  # fmt: skip
def test_what_is_wrong_outside_is_found_from_the_far_end(
    changes: dict[str, Any], said: str, remedy: str | None
) -> None:
    now = situation(*STARVED, ("streams.ECG", changes))
    for place in ("show", "rate", "rate.R", "peaks", "peaks.ECG"):
        answer = why(now, place)
        assert not answer.flows
        assert answer.causes[0].place == "ECG", place
        assert said in answer.causes[0].text
        if remedy is not None:
            assert remedy in (answer.causes[0].remedy or "")


@pytest.mark.parametrize(
    ("changes", "said", "remedy"),
    [
        ({"state": "paused"}, "is paused, after 600 loops", "rena-graph resume RUN peaks"),
        ({"stale": True}, "is stale", "rena-graph restart RUN peaks"),
        ({"state": "failed", "error": "Traceback\nKeyError: x"}, "has failed: KeyError: x", "logs RUN --node peaks"),
        ({"state": "restarting", "restarts": 2, "error": "died"}, "for the second time: died", "logs"),
        ({"state": "stopped"}, "is stopped", "rena-graph restart RUN peaks"),
        ({"state": "initializing"}, "is still initializing", "logs RUN --node peaks"),
    ],
)  # fmt: skip
def test_a_node_that_does_not_loop_is_found_from_below(changes: dict[str, Any], said: str, remedy: str) -> None:
    now = situation(dry("R"), dry("HR"), ("nodes.show", IDLE), ("nodes.peaks", {**IDLE, **changes}))
    for place in ("show", "rate", "rate.R", "peaks"):
        answer = why(now, place)
        assert [cause.place for cause in answer.causes[:1]] == ["peaks"], place
        assert said in answer.causes[0].text
        assert remedy in (answer.causes[0].remedy or "")


def test_a_loop_that_raises_each_time() -> None:
    now = situation(dry("R", 0), dry("HR", 0), ("nodes.peaks", {"exceptions": {"+": 60}}))
    (cause,) = why(now, "rate").causes
    assert (cause.place, cause.text) == ("peaks", "loop() raises each time: 60 exceptions in 60 loops")


def test_outputs_that_are_refused() -> None:
    (cause,) = why(situation(dry("R", 0), ("nodes.peaks", {"bad_outputs": {"+": 60}})), "peaks").causes
    assert "60 values that the script set were refused in 60 loops" in cause.text


def test_outputs_that_are_not_finite() -> None:
    now = situation(dry("R", 0), ("nodes.peaks", {"bad_outputs": {"+": 60}}), ("streams.R", {"not_finite": {"+": 60}}))
    (cause,) = why(now, "peaks").causes
    assert cause.text == "60 samples that the script made were not finite, and so not sent ('on_nan')"


def test_a_script_that_sets_nothing() -> None:
    (cause,) = why(situation(dry("R")), "peaks").causes
    assert cause.place == "R"
    assert "60 loops in the last 1.0 s and set nothing here; 20 samples so far, the newest 14.2 s old" in cause.text


def test_a_first_window_that_is_not_full_is_no_fault_yet() -> None:
    graph = copy.deepcopy(GRAPH)
    graph["nodes"]["rate"]["buffer_duration"] = 60.0
    answer = why(situation(dry("HR", 0), graph=graph), "rate")
    assert answer.causes == ()
    assert "Perhaps it waits for its first window: 21.0 of 60 s are over" in answer.findings[-1].text


def test_a_block_that_is_not_complete() -> None:
    now = situation(dry("B"), ("nodes.block", IDLE), ("edges.ECG>block", {"in_flight": 720}))
    (cause,) = why(now, "block").causes
    assert cause.text == (
        "waits until a block of ECG is complete: 720 of 1,000 samples are there; at 360 Hz it takes 2.78 s"
    )


def test_an_edge_that_drops_everything() -> None:
    drops = {"delivered": 7200, "dropped": {"overrun": 0}}
    now = situation(dry("R"), ("nodes.peaks", IDLE), ("edges.ECG>peaks", drops))
    now.after["edges"][0]["dropped"] = {"overrun": 360}
    (cause,) = why(now, "peaks").causes
    assert "all is dropped before peaks sees it: 360 overrun" in cause.text
    assert "(policy 'fifo')" in cause.text


def test_a_loop_that_is_not_due_yet() -> None:
    graph = copy.deepcopy(GRAPH)
    graph["nodes"]["rate"]["run_frequency"] = 0.1
    now = situation(dry("HR"), ("nodes.rate", {**IDLE, "frequency": 0.1}), graph=graph)
    texts = [finding.text for finding in why(now, "rate").findings]
    assert "loops every 10 s, and none was due in the last 1.0 s" in texts


def test_rates_that_are_lower_than_the_graph_s_and_not_kept_are_said_where_it_flows_too() -> None:
    keeping = {"verdict": "loop too slow", "reason": "its loop takes 30 ms", "trouble": True}
    answer = why(situation(("nodes.peaks", {"frequency": 10.0, "keeping": keeping})), "peaks")
    assert answer.flows
    slows = [finding.text for finding in answer.findings if finding.verdict == "slows"]
    assert slows[0].startswith("may loop 10 times a second at most, the graph says 60")
    assert slows[1] == "loop too slow: its loop takes 30 ms"


def test_two_causes_are_both_said_the_farther_first() -> None:
    now = situation(*STARVED, LOST, ("nodes.rate", {**IDLE, "state": "paused"}))
    assert [cause.place for cause in why(now, "rate").causes] == ["rate"]
    graph = copy.deepcopy(GRAPH)
    graph["nodes"]["show"]["inputs"] = ["HR", "B"]
    found = situation(*STARVED, LOST, ("nodes.rate", {**IDLE, "state": "paused"}), graph=graph)
    answer = why(found, "show")
    assert {cause.place for cause in answer.causes} == {"ECG", "rate"}
    assert answer.causes[0].depth >= answer.causes[1].depth


def test_the_answer_fits_on_a_screen_and_comes_first() -> None:
    now = situation(dry("R"), dry("HR"), ("nodes.show", IDLE), ("nodes.peaks", {**IDLE, "state": "paused"}))
    lines = answer_lines(why(now, "show"), "show", "c0ffee12")
    assert lines[0] == "nothing flows at show, since peaks: is paused, after 600 loops"
    assert lines[1] == "  → rena-graph resume c0ffee12 peaks, or rena-graph step c0ffee12 peaks"
    assert len(lines) < 24
    assert "RUN" not in "\n".join(lines)


def test_places() -> None:
    now = situation()
    assert place_of("rate", now) == ("rate", None)
    assert place_of("rate.R", now) == ("rate", "R")
    for wrong, hint in (
        ("raet", "did you mean 'rate'"),
        ("rate.ECG", "neither takes nor makes"),
        ("x", "its nodes are"),
    ):
        with pytest.raises(UsageError, match=hint):
            place_of(wrong, now)


def test_a_cascade_that_feeds_back_ends() -> None:
    graph = copy.deepcopy(GRAPH)
    graph["nodes"]["peaks"]["inputs"].append({"stream": "HR", "delayed": True})
    now = situation(*STARVED, LOST, graph=graph)
    assert why(now, "rate").causes[0].place == "ECG"


# -- real runs ---------------------------------------------------------------------------------------
@pytest.mark.ray
def test_the_main_causes_on_a_real_run(ray_address: str, tmp_path: Path) -> None:
    import json

    nodes = {
        "first": relay("C", "D", 250),
        "second": relay("D", "E", 250),
        "last": collect(tmp_path / "a.npz", "E"),
        "bad": {"script": "faulty.py", "inputs": [{"stream": "D", "as": "in"}], "outputs": {"X": {"channels": 5}},
                "params": {"where": "never", "at": 0}},
    }  # fmt: skip
    with running(document({"C": counter(250)}, nodes), ray_address) as run:
        graph = json.loads((run.folder / "graph.json").read_text())

        def asked(place: str) -> Explanation:
            before = run.status()
            wait_until(lambda: run.status()["uptime"] > before["uptime"] + 0.5)
            return why(Situation(graph, before, run.status()), place)

        wait_until(lambda: asked("last").flows)
        run.pause("first")
        answer = wait_until(lambda: (found := asked("last.E")).causes and found)
        assert (answer.causes[0].place, answer.causes[0].remedy.split(",")[0]) == (
            "first",
            "rena-graph resume RUN first",
        )
        run.resume("first")
        wait_until(lambda: asked("last").flows)
        refused = wait_until(lambda: (found := asked("bad.X")).causes and found)
        assert "refused" in refused.causes[0].text
