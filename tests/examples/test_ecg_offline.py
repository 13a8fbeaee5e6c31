"""The ECG example, node by node and offline, against the recording's annotated beats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rena_graph.testing import ScriptHarness

RATE = 360.0
START = 100.0
TOLERANCE = 27  # samples: 75 ms
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Recording(NamedTuple):
    data: NDArray[np.float32]
    timestamps: FloatArray
    r_peaks: IntArray


class Score(NamedTuple):
    sensitivity: float
    positive_predictivity: float


@pytest.fixture(scope="module")
def recording(graphs: Path) -> Recording:
    with np.load(graphs / "ecg/data/ecg_mitbih_100.npz") as file:
        data = file["data"]
        return Recording(data, START + np.arange(len(data)) / RATE, file["r_peaks"])


@pytest.fixture(scope="module")
def r_peaks(script_module: Callable[[str], ModuleType]) -> ModuleType:
    return script_module("ecg/scripts/r_peaks.py")


@pytest.fixture(scope="module")
def found(graphs: Path, recording: Recording) -> tuple[FloatArray, FloatArray]:
    """What the node ``r_peaks`` of the graph makes of the whole recording: amplitudes and times."""
    with ScriptHarness.from_graph(graphs / "ecg/heart_rate_fast.json", "r_peaks") as node:
        node.play("ECG", recording.data, recording.timestamps)
        data, timestamps = node.outputs["R-peaks"]
    return data[:, 0], timestamps


def index_of(timestamps: FloatArray) -> IntArray:
    return np.round((timestamps - START) * RATE).astype(np.int64)


def score(found: IntArray, annotated: IntArray) -> Score:
    """Match one to one: each annotated beat takes the nearest beat not taken yet."""
    free = list(found)
    hits = 0
    for beat in annotated:
        near = [f for f in free if abs(f - beat) <= TOLERANCE]
        if near:
            free.remove(min(near, key=lambda f: abs(f - beat)))
            hits += 1
    return Score(hits / len(annotated), hits / max(1, len(found)))


def detect(
    module: ModuleType, ecg: NDArray[Any], stamps: FloatArray, cuts: Sequence[int], threshold: float = 0.25
) -> list[Any]:
    """Beats found in `ecg`, fed in the blocks between `cuts`."""
    detector = module.RPeakDetector(RATE, threshold)
    edges = [0, *sorted(set(cuts) - {0, len(ecg)}), len(ecg)]
    return [beat for a, b in pairwise(edges) for beat in detector.feed(ecg[a:b], stamps[a:b])]


def test_the_scorer_counts_misses_inventions_and_doubles() -> None:
    annotated = np.array([100, 400, 700, 1000])
    assert score(annotated + TOLERANCE, annotated) == (1.0, 1.0)
    assert score(annotated + TOLERANCE + 1, annotated) == (0.0, 0.0)
    assert score(annotated[:3], annotated) == (0.75, 1.0)
    assert score(np.array([100, 101, 400, 700, 1000]), annotated) == (1.0, 0.8)


def test_finds_the_annotated_beats_of_the_whole_recording(
    found: tuple[FloatArray, FloatArray], recording: Recording
) -> None:
    result = score(index_of(found[1]), recording.r_peaks)
    assert result.sensitivity >= 0.99
    assert result.positive_predictivity >= 0.99


def test_peaks_carry_the_stamp_and_the_value_of_their_own_sample(
    found: tuple[FloatArray, FloatArray], recording: Recording
) -> None:
    amplitudes, timestamps = found
    index = index_of(timestamps)
    np.testing.assert_array_equal(timestamps, recording.timestamps[index])
    np.testing.assert_array_equal(amplitudes, recording.data[index, 0])
    assert (np.diff(timestamps) > 0).all()


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_cutting_into_blocks_changes_nothing(r_peaks: ModuleType, recording: Recording, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, 90_000), label="first")
    ecg, stamps = recording.data[first : first + 9000, 0], recording.timestamps[first : first + 9000]
    # Silence in the middle makes the search-back and the relearning work too.
    silent = data.draw(st.integers(0, 2000), label="silent")
    ecg = np.where((np.arange(9000) >= 4000) & (np.arange(9000) < 4000 + silent), np.float32(0), ecg)
    cuts = data.draw(st.lists(st.integers(1, 8999), max_size=200), label="cuts")
    assert detect(r_peaks, ecg, stamps, cuts) == detect(r_peaks, ecg, stamps, [])


def test_single_samples_are_blocks_too(r_peaks: ModuleType, recording: Recording) -> None:
    ecg, stamps = recording.data[:5000, 0], recording.timestamps[:5000]
    assert detect(r_peaks, ecg, stamps, range(5000)) == detect(r_peaks, ecg, stamps, [])


@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(lambda ecg, t: -ecg, id="electrodes swapped"),
        pytest.param(lambda ecg, t: ecg + 2 * np.sin(2 * np.pi * 0.3 * t), id="baseline wander"),
        pytest.param(lambda ecg, t: ecg + 0.2 * np.sin(2 * np.pi * 50 * t), id="mains hum"),
        pytest.param(lambda ecg, t: ecg + 0.1 * np.random.default_rng(1).standard_normal(len(ecg)), id="noise"),
        pytest.param(lambda ecg, t: 1000 * ecg + 5000, id="µV with an offset"),
        pytest.param(lambda ecg, t: np.where(t < START + 100, ecg, ecg / 10), id="a tenth of the gain from here on"),
        pytest.param(lambda ecg, t: ecg + 50 * (np.abs(t - START - 50) < 0.05), id="an artefact"),
    ],
)
def test_disturbances_do_not_matter(
    r_peaks: ModuleType, recording: Recording, disturb: Callable[..., FloatArray]
) -> None:
    ecg = disturb(recording.data[:, 0].astype(np.float64), recording.timestamps)
    beats = detect(r_peaks, ecg, recording.timestamps, [])
    result = score(index_of(np.array([b.time for b in beats])), recording.r_peaks)
    assert result.sensitivity >= 0.99
    assert result.positive_predictivity >= 0.99


def test_a_weak_beat_is_found_by_looking_back(r_peaks: ModuleType, recording: Recording) -> None:
    ecg = recording.data[:7200, 0].astype(np.float64)
    weak = recording.r_peaks[9]
    ecg[weak - 40 : weak + 40] *= 0.45  # a fifth of the power: below the threshold, above half of it
    beats = detect(r_peaks, ecg, recording.timestamps[:7200], [])
    assert np.abs(index_of(np.array([b.time for b in beats])) - weak).min() <= 2
    detector = r_peaks.RPeakDetector(RATE)
    assert not any(
        abs(index_of(np.array([b.time]))[0] - weak) <= 2
        for b in detector.feed(ecg[: weak + 200], recording.timestamps[: weak + 200])
    ), "it was strong enough to be found at once: the test shows nothing"


def test_nothing_is_found_where_nothing_is(r_peaks: ModuleType, recording: Recording) -> None:
    assert detect(r_peaks, np.zeros(20_000), recording.timestamps[:20_000], range(0, 20_000, 6)) == []


def test_the_threshold_may_be_changed_while_it_runs(graphs: Path, recording: Recording) -> None:
    with ScriptHarness.from_graph(graphs / "ecg/heart_rate.json", "r_peaks") as node:
        node.play("ECG", recording.data[:3600], recording.timestamps[:3600])
        _, before = node.outputs.take("R-peaks")
        node.set_params(threshold=4.0)
        node.play("ECG", recording.data[3600:36_000], recording.timestamps[3600:36_000])
        _, strict = node.outputs.take("R-peaks")
        node.set_params(threshold=0.25)
        node.play("ECG", recording.data[36_000:], recording.timestamps[36_000:])
        _, after = node.outputs.take("R-peaks")
    assert len(before) == np.count_nonzero(recording.r_peaks < 3500)
    assert len(strict) <= 5
    settled = START + 106  # it learns anew after at most four seconds
    assert (
        score(index_of(after[after > settled]), recording.r_peaks[recording.r_peaks > 106 * RATE]).sensitivity >= 0.99
    )


def heart_rate(graphs: Path, times: FloatArray) -> dict[str, tuple[NDArray[Any], FloatArray]]:
    with ScriptHarness.from_graph(graphs / "ecg/heart_rate_fast.json", "heart_rate") as node:
        for time in times:
            node.feed("R-peaks", [[1.0]], [time])
            node.loop()
        return dict(node.outputs)


def test_heart_rate_and_intervals_agree_with_the_annotation(
    graphs: Path, found: tuple[FloatArray, FloatArray], recording: Recording
) -> None:
    outputs = heart_rate(graphs, found[1])
    annotated = np.diff(recording.r_peaks) * 1000 / RATE
    intervals, times = outputs["RR"]
    np.testing.assert_array_equal(times, found[1][1:])
    assert len(intervals) == len(annotated)
    assert np.abs(intervals[:, 0] - annotated).max() <= 4 * 1000 / RATE

    rates, times = outputs["Heart-rate"]
    expected = [60_000 / annotated[max(0, i - 7) : i + 1].mean() for i in range(len(annotated))]
    np.testing.assert_array_equal(times, found[1][1:])
    assert np.abs(rates[:, 0] - expected).max() <= 1.0


def test_many_peaks_at_once_are_as_good_as_one_by_one(graphs: Path) -> None:
    times = 10.0 + np.cumsum([0.8, 0.9, 1.0, 0.7, 0.8, 0.9, 1.1, 0.9, 0.8, 0.8])
    one_by_one = heart_rate(graphs, times)
    with ScriptHarness.from_graph(graphs / "ecg/heart_rate_fast.json", "heart_rate") as node:
        node.feed("R-peaks", np.ones((10, 1)), times)
        node.loop()
        for name, (data, stamps) in node.outputs.items():
            np.testing.assert_array_equal(data, one_by_one[name][0])
            np.testing.assert_array_equal(stamps, one_by_one[name][1])


def test_an_interval_that_cannot_be_one_is_left_out(graphs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = heart_rate(graphs, np.array([10.0, 11.0, 12.0, 17.0, 18.0]))
    np.testing.assert_allclose(outputs["RR"][0][:, 0], 1000.0)
    np.testing.assert_array_equal(outputs["RR"][1], [11.0, 12.0, 18.0])
    np.testing.assert_allclose(outputs["Heart-rate"][0][:, 0], 60.0)
    assert "5000 ms" in capsys.readouterr().out
