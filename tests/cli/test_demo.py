"""``demo``: what it listens to, what it compares, what it says."""

from __future__ import annotations

import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rena_graph.cli import demo, main
from rena_graph.cli import launch as launch_module
from rena_graph.cli.showcase.ecg import TOLERANCE, beat_times, compare, ecg_lines
from rena_graph.cli.showcase.taps import Point, Sample, Taps, with_taps
from rena_graph.cli.showcase.words import ValuesDisplay, value_text, what_it_showed
from rena_graph.errors import EnvironmentRefused, ExitCode
from rena_graph.examples import examples
from rena_graph.graph.changed import simulated
from rena_graph.graph.load import load_graph
from rena_graph.graph.model import Graph
from tests.cli.running import run_cli
from tests.cli.statuses import node, status
from tests.cli.test_attached import Shown
from tests.conftest import GRAPHS
from tests.limits import LIMIT

ECG = GRAPHS / "ecg" / "heart_rate.json"
RECORDING = GRAPHS / "ecg" / "data" / "ecg_mitbih_100.npz"


def annotated() -> NDArray[np.float64]:
    with np.load(RECORDING) as archive:
        return np.asarray(archive["r_peaks"] / float(archive["rate"]))


def intervals(beats: NDArray[np.float64], start: float = 5000.0) -> list[Sample]:
    """RR intervals as the example sends them, of beats at these seconds of the recording."""
    return [Sample(start + end, ((end - begin) * 1000,)) for begin, end in pairwise(beats)]


# -- the command -------------------------------------------------------------------------------------
def test_the_list_names_every_example() -> None:
    done = run_cli("demo", "--list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(examples())


def test_an_unknown_example() -> None:
    done = run_cli("demo", "hart_rate")
    assert done.returncode == ExitCode.USAGE
    assert "Did you mean 'heart_rate'?" in done.stderr


# -- listening ---------------------------------------------------------------------------------------
def test_every_stream_that_leaves_gets_a_port_of_its_own() -> None:
    graph, points = with_taps(load_graph(ECG))
    assert [(point.stream, point.node) for point in points] == [
        ("R-peaks", "r_peaks"), ("Heart-rate", "heart_rate"), ("RR", "heart_rate"),
    ]  # fmt: skip
    assert len({point.port for point in points}) == 3
    assert not {point.port for point in points} & {5560, 5561}
    for point in points:
        sinks = graph.streams[point.stream].sinks
        assert sinks.zmq is not None
        assert (sinks.zmq.bind, sinks.zmq.port, sinks.zmq.topic) == ("127.0.0.1", point.port, point.topic)
        assert sinks.lsl is not None  # what was there stays


def test_what_stays_inside_is_not_listened_to() -> None:
    graph, points = with_taps(load_graph(GRAPHS / "eeg" / "feedback.json"))
    assert "Feedback" in [point.stream for point in points]
    assert "Band-power" not in [point.stream for point in points]
    assert graph.streams["Band-power"].sinks.zmq is None


def test_a_stream_that_is_too_wide_is_not_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rena_graph.cli.showcase.taps.MAX_CHANNELS", 0)
    assert with_taps(load_graph(ECG))[1] == []


@pytest.mark.parametrize("name", examples())
def test_every_example_can_be_shown(name: str) -> None:
    graph = load_graph(examples()[name].path)
    if any(stream.live for stream in graph.external):
        graph = simulated(graph)
    assert with_taps(graph)[1]


def test_taps_hear_what_is_sent_in_the_wire_s_format() -> None:
    context = zmq.Context()
    publisher = context.socket(zmq.XPUB)
    publisher.linger = 0
    port = publisher.bind_to_random_port("tcp://127.0.0.1")
    point = Point("S", "n", "S", port, np.dtype("<f4"), None)
    heard = threading.Event()
    try:
        with Taps([point]) as taps:
            taps.samples["S"] = Noting(heard, 2)
            assert publisher.poll(60_000), "the tap did not subscribe"
            publisher.recv()
            publisher.send_multipart([b"S2", struct.pack("<d", 0.5), struct.pack("<2f", 9, 9)])  # only its prefix
            publisher.send_multipart([b"S", struct.pack("<d", 1.5), struct.pack("<2f", 1, 2)])
            publisher.send_multipart([b"S", struct.pack("<d", 2.5), struct.pack("<2f", 3, 4)])
            assert heard.wait(LIMIT)
    finally:
        publisher.close()
        context.term()
    assert list(taps.samples["S"]) == [Sample(1.5, (1.0, 2.0)), Sample(2.5, (3.0, 4.0))]


class Noting(deque[Sample]):
    """Sets an event once it holds so many."""

    def __init__(self, event: threading.Event, number: int) -> None:
        super().__init__()
        self._event = event
        self._number = number

    def append(self, sample: Sample) -> None:
        super().append(sample)
        if len(self) >= self._number:
            self._event.set()


# -- comparing ---------------------------------------------------------------------------------------
@given(
    first=st.integers(0, 10),
    number=st.integers(3, 60),
    start=st.floats(0, 1e6),
    jitter=st.lists(st.floats(-0.02, 0.02), min_size=70, max_size=70),
)
def test_true_beats_are_all_matched_wherever_they_begin(
    first: int, number: int, start: float, jitter: list[float]
) -> None:
    truth = annotated()
    beats = truth[first : first + number] + jitter[:number]
    result = compare(np.sort(beats) + start, truth)
    assert result is not None
    assert result.found == number
    assert result.matched == number
    assert result.annotated == number
    assert abs(result.rate - result.annotated_rate) < 60


def test_missed_and_invented_beats_are_counted() -> None:
    truth = annotated()
    found = np.sort(np.append(np.delete(truth[:40], [10, 20]), truth[30] + 0.3))
    result = compare(found + 123.0, truth)
    assert result is not None
    assert (result.annotated, result.found, result.matched) == (40, 39, 38)


def test_too_few_beats_say_nothing() -> None:
    assert compare(annotated()[:2], annotated()) is None
    assert ecg_lines([], RECORDING) == []


@given(st.lists(st.floats(0.3, 2.0), min_size=1, max_size=50))
def test_beats_are_recovered_from_intervals(gaps: list[float]) -> None:
    beats = np.cumsum([0.0, *gaps])
    recovered = beat_times(intervals(beats))
    assert len(recovered) == len(beats)
    np.testing.assert_allclose(recovered - 5000.0, beats, atol=1e-6)


def test_an_interval_that_was_left_out_keeps_its_beats() -> None:
    kept = intervals(np.array([0.0, 0.8, 1.6, 4.8, 5.6]))
    del kept[2]  # 3.2 s: not plausible, not sent
    np.testing.assert_allclose(beat_times(kept) - 5000.0, [0.0, 0.8, 1.6, 4.8, 5.6], atol=1e-6)


def test_the_comparison_in_words() -> None:
    good, rate = ecg_lines(intervals(annotated()[2:26]), RECORDING)
    assert "cardiologists marked 24 beats; the graph found all of them, and none that they did not mark" in good
    assert rate.startswith("Its heart rate is ")
    words = rate.split()
    assert abs(float(words[4]) - float(words[-1].rstrip("."))) < 0.1
    bad, _ = ecg_lines(intervals(np.delete(annotated()[2:26], 7)), RECORDING)
    assert "marked 24 beats; the graph found 23 of them" in bad
    assert TOLERANCE < 0.15


# -- showing -----------------------------------------------------------------------------------------
class Heard(Taps):
    """Taps that listen to nothing; the test puts samples in."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.samples = {point.stream: deque() for point in points}

    def close(self) -> None:
        pass


POINT = Point("HR", "heart_rate", "HR", 1, np.dtype("<f4"), "bpm")


def test_new_values_are_shown_once_a_second_at_most() -> None:
    shown, taps, now = Shown(), Heard([POINT]), [100.0]
    display = ValuesDisplay(shown, taps, [POINT], lambda: now[0])
    display.messages([])
    for step in range(30):
        now[0] = 100.0 + step / 10
        if step < 20:
            taps.samples["HR"].append(Sample(step, (70.0 + step,)))
        display.messages([{"text": "own"}] if step == 0 else [])
    # One at once, one a second later, and the last one, after which nothing is new.
    assert shown.of("message") == ["own", "HR = 70 bpm", "HR = 80 bpm", "HR = 89 bpm"]


def test_it_passes_everything_on_and_keeps_the_last_status() -> None:
    shown = Shown(period=0.5)
    display = ValuesDisplay(shown, Heard([]), [], lambda: 0.0)
    assert display.period == 0.5
    display.progress("p")
    display.say("s")
    display.status(status(uptime=1.0))
    last = status()
    display.finish(last, 0, Path("x"), None)
    display.close()
    assert [what for what, _ in shown.events] == ["progress", "say", "status", "finish", "close"]
    assert display.last is last


def test_wide_samples_are_cut() -> None:
    assert value_text(Sample(0, (1.23456, 2.0)), "mV") == "1.235, 2 mV"
    assert value_text(Sample(0, tuple(map(float, range(9)))), None) == "0, 1, 2, 3, 4, 5, …"


def test_what_it_showed_in_words() -> None:
    graph, points = with_taps(load_graph(ECG))
    taps = Heard(points)
    taps.samples["RR"].extend(intervals(annotated()[2:26]))
    nodes = {"r_peaks": node(loops=1200, rate=59.9), "heart_rate": node(loops=24, rate=None)}
    lines = what_it_showed(graph, status(nodes=nodes), taps, points)
    assert lines[0] == "Into the graph went ECG (a recording, played as if it were live)."
    assert lines[1] == "r_peaks.py ran as a process of its own: 1,200 loops, 59.9 times a second at the end."
    assert lines[2] == "heart_rate.py ran as a process of its own: 24 loops."
    assert lines[3].endswith("these samples: 0 of R-peaks, 0 of Heart-rate, 23 of RR.")
    assert lines[4].startswith("In the stretch that was played, cardiologists marked 24 beats")


# -- the whole, without the runtime ------------------------------------------------------------------
@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Graph]]:
    """Lets a launch end at once, with this exit code, after these samples came out; gives the graphs launched."""

    def play(code: int = 0, uptime: float = 20.0, samples: Mapping[str, Sequence[Sample]] | None = None) -> list[Graph]:
        graphs: list[Graph] = []

        def stand_in(graph: Graph, options: Any, display: ValuesDisplay, seconds: float | None) -> int:
            graphs.append(graph)
            for stream, values in (samples or {}).items():
                display._taps.samples[stream].extend(values)
            nodes = {name: node() for name in graph.nodes}
            display.finish(status(nodes=nodes, uptime=uptime), code, Path("/runs/x"), None)
            return code

        monkeypatch.setattr(launch_module, "run_attached", stand_in)
        return graphs

    return play


def test_the_demo_tells_what_it_showed(played: Callable[..., list[Graph]]) -> None:
    graphs = played(samples={"RR": intervals(annotated()[2:26])})
    result = CliRunner().invoke(demo.command, [])
    assert result.exit_code == ExitCode.OK
    assert [graph.name for graph in graphs] == ["heart-rate"]
    assert "found all of them" in result.output
    assert f"rena-graph launch {ECG}" in result.output


def test_a_demo_that_failed_claims_nothing(played: Callable[..., list[Graph]]) -> None:
    played(code=ExitCode.SCRIPT)
    result = CliRunner().invoke(demo.command, [])
    assert result.exit_code == ExitCode.SCRIPT
    assert "cardiologists" not in result.output


def test_a_demo_out_of_which_nothing_came_is_an_error(played: Callable[..., list[Graph]]) -> None:
    played()
    result = CliRunner().invoke(demo.command, [])
    assert isinstance(result.exception, EnvironmentRefused)
    assert "doctor" in str(result.exception)


def test_a_very_short_demo_need_not_show_anything(played: Callable[..., list[Graph]]) -> None:
    played(uptime=2.0)
    assert CliRunner().invoke(demo.command, ["--for", "2"]).exit_code == ExitCode.OK


def test_streams_from_outside_are_simulated(
    played: Callable[..., list[Graph]], capsys: pytest.CaptureFixture[str]
) -> None:
    graphs = played(samples={"Dummy-8Chan-add-X": [Sample(0.0, (1.0,) * 8)]})
    assert main(["demo", "dummy_8chan"]) == ExitCode.OK
    assert "simulates them" in capsys.readouterr().err
    assert not any(stream.live for stream in graphs[0].external)
