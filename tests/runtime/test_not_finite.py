"""``on_nan``: samples that are not finite, on their way into a script and out of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rena_graph.errors import ExitCode, NodeFailed
from rena_graph.script import RenaScript
from rena_graph.streams.spec import StreamSpec
from rena_graph.testing import ScriptHarness
from rena_graph.transport.board import EdgeColumn, NodeColumn, StreamColumn
from tests.runtime.live import balanced, collect, counter, document, finish, kept, running, told
from tests.runtime.lives import RATE, Lives
from tests.runtime.test_going_on import Clearing, dropped, life, span
from tests.runtime.test_node_loop import Bench

DROP = [{"stream": "In", "on_nan": "drop"}]
FAIL = [{"stream": "In", "on_nan": "fail"}]
TINY = 5e-324


def feed(lives: Lives, count: int, bad: dict[int, float]) -> None:
    """The next `count` samples, numbered, but for those of `bad`."""
    numbers = np.arange(lives.fed, lives.fed + count, dtype=np.float64)
    values = np.array([bad.get(int(number), number) for number in numbers])
    lives.writer.publish(values[:, None], numbers / RATE)
    lives.fed += count


def test_what_is_not_finite_passes_unless_the_graph_says_otherwise(tmp_path: Path) -> None:
    with Lives(tmp_path) as lives, life(lives) as node:
        feed(lives, 4, {1: np.nan, 2: -np.inf, 3: TINY})
        seen = node.step()
    assert np.array_equal(seen, [0, np.nan, -np.inf, TINY], equal_nan=True)


def test_it_does_not_come_into_the_window_and_is_counted_and_told(tmp_path: Path) -> None:
    with Lives(tmp_path, inputs=DROP) as lives, life(lives) as node:
        feed(lives, 100, {})
        node.step()
        feed(lives, 100, {110: np.nan, 130: np.inf, 131: -np.inf, 140: TINY})
        numbers = [*span(100, 110), *span(111, 130), *span(132, 140), TINY, *span(141, 200)]
        assert node.step() == [*span(0, 100), *numbers]
        assert node.script.new[-1] == numbers
        assert dropped(lives) == {"nan": 3}
        assert lives.edge[EdgeColumn.DELIVERED] == 197
        (text,) = node.left_out
    assert text == (
        "node 'node', input 'In' (stream 'In'): 3 of 100 samples are not finite, the first: nan in channel 0 of "
        "sample 110, stamped 0.110000 s; dropped"
    )


def test_a_chunk_without_any_that_is_finite_starts_a_loop_with_nothing_new(tmp_path: Path) -> None:
    with Lives(tmp_path, inputs=DROP) as lives, life(lives) as node:
        feed(lives, 5, dict.fromkeys(range(5), np.nan))
        assert node.step() == [-1.0], "it is shown no such stream"
        feed(lives, 2, {})
        assert node.step() == [5.0, 6.0]
        assert dropped(lives) == {"nan": 5}


def test_more_than_a_window_of_which_some_is_not_finite_balances(tmp_path: Path) -> None:
    with Lives(tmp_path, inputs=DROP) as lives, life(lives) as node:
        feed(lives, 500, dict.fromkeys(range(0, 500, 2), np.nan))
        assert node.step() == span(0, 500)[301::2]
        assert dropped(lives) == {"nan": 100, "window": 300}
        assert lives.edge[EdgeColumn.DELIVERED] == 100


def test_the_next_life_finds_the_window_as_it_was(tmp_path: Path) -> None:
    with Lives(tmp_path, inputs=DROP) as lives:
        with life(lives) as first:
            feed(lives, 150, dict.fromkeys(range(0, 150, 2), np.nan))
            assert first.step() == span(0, 150)[1::2]
        with life(lives) as second:
            assert second.step() == span(0, 150)[1::2]
            assert second.script.new == [[]]
            assert dropped(lives) == {"nan": 75}


def test_the_next_life_is_not_shown_what_was_cleared(tmp_path: Path) -> None:
    with Lives(tmp_path, inputs=DROP) as lives:
        with life(lives, Clearing) as first:
            feed(lives, 10, {5: np.nan})
            first.step()
        with life(lives) as second:
            assert second.step() == []


def test_a_node_that_fails_for_it_goes_on_behind_it(tmp_path: Path) -> None:
    with Lives(tmp_path, inputs=FAIL) as lives:
        with life(lives) as first:
            feed(lives, 100, {})
            first.step()
            feed(lives, 50, {120: np.nan, 122: np.inf})
            with pytest.raises(NodeFailed, match=r"2 of 50 samples are not finite, the first: nan .* of sample 120"):
                first.step()
            assert len(first.script.seen) == 1
        with life(lives) as second:
            assert second.script.inputs["In"][0][:, 0].tolist() == span(0, 100)
            assert second.step() == [*span(0, 100), *span(123, 150)]
            assert dropped(lives) == {"nan": 23}
            assert lives.edge[EdgeColumn.DELIVERED] - lives.edge[EdgeColumn.REPEATED] == 127
        with life(lives) as third:
            seen = third.step()
            assert seen[-27:] == span(123, 150)
            assert np.isfinite(seen).all(), "nor is it shown later"


def test_only_the_channels_that_the_script_gets_matter() -> None:
    eeg = {"EEG": StreamSpec("EEG", 2, "float32", 10.0, ("C3", "Cz"))}
    node = {"inputs": [{"stream": "EEG", "pick": ["Cz"], "on_nan": "drop"}], "run_frequency": 10}
    with ScriptHarness(Idle, node, eeg) as harness:
        harness.feed("EEG", [[np.nan, 1], [2, np.nan], [3, 4]])
        harness.loop()
        assert harness.script.inputs["EEG"][0].tolist() == [[1], [4]]
        assert harness.dropped == {"EEG": 1}


class Idle(RenaScript):
    def loop(self) -> None:
        pass


class Divides(RenaScript):
    def loop(self) -> None:
        self.set_output("out", [[1.0, 2.0], [3.0, np.inf], [5.0, 6.0]], [1.0, 2.0, 3.0])
        self.outputs["beside"] = 7.0


@pytest.mark.parametrize("on_nan", ["pass", "drop", "fail"])
def test_outputs_leave_it_out_or_fail_the_node(on_nan: str) -> None:
    out = {"channels": 2, "on_nan": on_nan, "channel_names": ["a", "b"]}
    with ScriptHarness(Divides, {"outputs": {"out": out, "beside": {"channels": 1}}}, {}, name="divide") as harness:
        if on_nan == "fail":
            with pytest.raises(NodeFailed) as caught:
                harness.loop()
            assert str(caught.value).startswith(
                "node 'divide', output 'out' (stream 'out'): 1 of 3 samples is not finite, the first: inf in channel "
                "1 ('b') of sample 1, stamped 2.000000 s"
            )
        else:
            harness.loop()
        data, stamps = harness.outputs["out"]
        assert harness.outputs["beside"][0].tolist() == [[7.0]]
    assert stamps.tolist() == {"pass": [1.0, 2.0, 3.0], "drop": [1.0, 3.0], "fail": []}[on_nan]
    assert np.isfinite(data).all() == (on_nan != "pass")


@pytest.mark.parametrize("on_nan", ["drop", "fail"])
def test_the_loop_counts_what_it_left_out_and_stops_where_that_fails_it(on_nan: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, on_nan)  # type: ignore[arg-type]
    bench.script.gives = {2: float("nan")}
    bench.run(4)
    fails = on_nan == "fail"
    assert bench.sent == ([1.0] if fails else [1.0, 3.0, 4.0])
    assert bench.stream.ints[StreamColumn.NOT_FINITE] == 1
    assert bench.counter(NodeColumn.LOOPS) == (2 if fails else 4), "the loop itself went well, and is committed"
    assert bench.counter(NodeColumn.BAD_OUTPUTS) == 0
    ((text, failed),) = bench.left_out
    assert failed == fails
    assert "nan in channel 0 of sample 1" in text


@pytest.mark.ray
def test_a_run_counts_it_names_it_and_ends_where_it_is_told_to(ray_address: str, tmp_path: Path) -> None:
    doc = document(
        {"C": counter(250, samples=500)},
        {
            "maker": {
                "script": "makes_nan.py",
                "trigger": "data",
                "run_frequency": 1000,
                "inputs": [{"stream": "C", "as": "in"}],
                "outputs": {
                    "X": {"channels": 2, "dtype": "float64", "rate": 250},
                    "Y": {"channels": 2, "dtype": "float64", "rate": 250, "on_nan": "drop"},
                },
            },
            "drops": collect(tmp_path / "drops.npz", {"stream": "X", "on_nan": "drop"}),
            "sees": collect(tmp_path / "sees.npz", "X", "Y"),
            "fails": collect(
                tmp_path / "fails.npz",
                {"stream": "X", "on_nan": "fail"},
                restart={"policy": "never", "on_give_up": "degrade"},
            ),
        },
    )
    with running(doc, ray_address) as run:
        status = finish(run, ExitCode.SCRIPT)
        said = told(run)
    balanced(status)
    finite = np.flatnonzero(np.arange(500) % 10 != 3)
    assert np.array_equal(kept(tmp_path / "drops.npz")["X"][:, 0], finite)
    assert np.array_equal(kept(tmp_path / "sees.npz")["X"][:, 0], np.arange(500))
    assert np.array_equal(kept(tmp_path / "sees.npz")["Y"][:, 0], finite)
    dropped_of = {(edge["stream"], edge["to"]): edge["dropped"] for edge in status["edges"]}
    assert dropped_of["X", "drops"] == {"nan": 50}
    assert dropped_of["X", "sees"] == {}
    assert {name: stream["not_finite"] for name, stream in status["streams"].items()} == {"C": 0, "X": 0, "Y": 50}
    assert "node 'drops', input 'X' (stream 'X'): 1 of" in said
    assert "node 'maker', output 'Y' (stream 'Y'): 1 of" in said
    assert "nan in channel 1 of sample 3, " in status["nodes"]["fails"]["error"]
