"""The EEG example, node by node and offline, against SciPy and NumPy run over the whole recording at once."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from rena_graph.errors import ScriptLoadError
from rena_graph.testing import ScriptHarness

RATE = 128.0
BANDS = [(4.0, 8.0), (8.0, 13.0), (13.0, 30.0)]
FloatArray = NDArray[np.float64]


class Recording(NamedTuple):
    data: NDArray[np.float32]
    timestamps: FloatArray


@pytest.fixture(scope="module")
def recording(graphs: Path) -> Recording:
    with np.load(graphs / "eeg/data/eeg_p300_midline.npz") as file:
        return Recording(file["data"], file["timestamps"])


@pytest.fixture(scope="module")
def graph(graphs: Path) -> Path:
    return graphs / "eeg/feedback.json"


def filtered_at_once(eeg: NDArray[Any], low: float = 1.0, high: float = 40.0) -> FloatArray:
    sections = signal.butter(4, (low, high), btype="bandpass", fs=RATE, output="sos")
    steady = signal.sosfilt_zi(sections)[:, :, np.newaxis] * eeg[0]
    result: FloatArray = signal.sosfilt(sections, eeg.astype(np.float64), axis=0, zi=steady)[0]
    return result


def test_band_pass_is_scipy_s_and_loses_nothing(graph: Path, recording: Recording) -> None:
    """The whole recording, in blocks as uneven as a busy machine makes them."""
    cuts = np.random.default_rng(1).integers(1, 30, 4000).cumsum()
    with ScriptHarness.from_graph(graph, "bandpass") as node:
        for part, stamps in zip(np.split(recording.data, cuts), np.split(recording.timestamps, cuts), strict=True):
            if len(part):
                node.feed("EEG", part, stamps)
            node.loop()
        data, timestamps = node.outputs["EEG-filtered"]
    np.testing.assert_array_equal(timestamps, recording.timestamps)
    np.testing.assert_allclose(data, filtered_at_once(recording.data), rtol=1e-5, atol=1e-3)


def test_band_pass_goes_on_after_a_restart(graph: Path, recording: Recording) -> None:
    eeg, stamps = recording.data[:1000], recording.timestamps[:1000]
    with ScriptHarness.from_graph(graph, "bandpass") as node:
        for part in (slice(0, 300), slice(300, 1000)):
            node.play("EEG", eeg[part], stamps[part])
            node.restart()
        data, timestamps = node.outputs["EEG-filtered"]
    np.testing.assert_array_equal(timestamps, stamps)
    np.testing.assert_allclose(data, filtered_at_once(eeg), rtol=1e-5, atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 999), max_size=50))
def test_cutting_into_blocks_changes_nothing(graph: Path, recording: Recording, cuts: list[int]) -> None:
    edges = sorted({0, 1000, *cuts})
    with ScriptHarness.from_graph(graph, "bandpass") as node:
        for a, b in pairwise(edges):
            for first in range(a, b, 256):  # the window is 2 s
                last = min(b, first + 256)
                node.feed("EEG", recording.data[first:last], recording.timestamps[first:last])
                node.loop()
        data, _ = node.outputs["EEG-filtered"]
    np.testing.assert_array_equal(data, filtered_at_once(recording.data[:1000]).astype(np.float32))


def test_an_electrode_s_offset_does_not_ring(graph: Path) -> None:
    with ScriptHarness.from_graph(graph, "bandpass") as node:
        node.feed("EEG", np.full((256, 9), 20_000.0))
        node.loop()
        data, _ = node.outputs["EEG-filtered"]
    assert np.abs(data).max() < 0.01


def test_the_band_may_be_changed_while_it_runs(graph: Path, recording: Recording) -> None:
    with ScriptHarness.from_graph(graph, "bandpass") as node:
        node.feed("EEG", recording.data[:256])
        node.loop()
        node.set_params(low=8.0, high=13.0)
        node.feed("EEG", recording.data[256:512])
        node.loop()
        data, _ = node.outputs["EEG-filtered"]
    np.testing.assert_allclose(data[:256], filtered_at_once(recording.data[:256]), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(data[256:], filtered_at_once(recording.data[256:512], 8.0, 13.0), rtol=1e-5, atol=1e-3)


def test_without_scipy_the_error_says_what_to_install(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ScriptLoadError, match=r'pip install "rena-graph\[signal\]"'):
        ScriptHarness.from_graph(graph, "bandpass")


def band_power_at_once(window: FloatArray) -> FloatArray:
    frequencies, density = signal.periodogram(window, RATE, window="hann", axis=0)
    bands = [density[(frequencies >= a) & (frequencies < b)].sum(axis=0) for a, b in BANDS]
    result: FloatArray = np.stack(bands) * frequencies[1]
    return result


def test_band_power_is_that_of_the_last_two_seconds(graph: Path, recording: Recording) -> None:
    eeg = filtered_at_once(recording.data[:6000]).astype(np.float32)
    steps = np.random.default_rng(2).integers(0, 30, 400).cumsum()
    ends = steps[steps <= 6000]
    with ScriptHarness.from_graph(graph, "band_power") as node:
        for a, b in zip([0, *ends], ends, strict=False):
            if b > a:
                node.feed("EEG-filtered", eeg[a:b], recording.timestamps[a:b])
            node.loop()
        data, timestamps = node.outputs["Band-power"]
    ends = np.unique(ends[ends >= 256])
    np.testing.assert_array_equal(timestamps, recording.timestamps[ends - 1])
    for row, end in zip(data, ends, strict=True):
        expected = band_power_at_once(eeg[end - 256 : end].astype(np.float64))
        np.testing.assert_allclose(row.reshape(3, 9), expected, rtol=1e-4)


def test_a_sine_s_power_is_half_its_amplitude_squared(graph: Path) -> None:
    """In its own band, in the channel that has it, and nowhere else."""
    eeg = np.zeros((512, 9))
    eeg[:, 4] = 10 * np.sin(2 * np.pi * 10 * np.arange(512) / RATE)
    with ScriptHarness.from_graph(graph, "band_power") as node:
        node.feed("EEG-filtered", eeg)
        node.loop()
        powers = node.outputs["Band-power"][0].reshape(3, 9)
    assert powers[1, 4] == pytest.approx(50.0, rel=1e-3)
    powers[1, 4] = 0
    assert powers.max() < 1e-3


def test_nothing_new_gives_nothing(graph: Path) -> None:
    with ScriptHarness.from_graph(graph, "band_power") as node:
        node.feed("EEG-filtered", np.random.default_rng(0).standard_normal((255, 9)))
        node.loop()
        assert len(node.outputs["Band-power"][1]) == 0, "the window is not full yet"
        node.feed("EEG-filtered", np.zeros((1, 9)))
        node.loop(3)
        assert len(node.outputs["Band-power"][1]) == 1, "three loops saw the same window"


def test_feedback_is_alpha_s_share_smoothed(graph: Path) -> None:
    rng = np.random.default_rng(3)
    powers = rng.uniform(1, 100, (60, 27))
    times = 10 + np.cumsum(rng.uniform(0.09, 0.11, 60))
    with ScriptHarness.from_graph(graph, "feedback") as node:
        node.set_params(smoothing=0.7)
        for a, b in zip(range(0, 60, 2), range(2, 62, 2), strict=True):
            node.feed("Band-power", powers[a:b], times[a:b])
            node.loop()
        data, timestamps = node.outputs["Feedback"]

    share = powers[:, 9:18].sum(axis=1) / powers[:, :18].sum(axis=1)
    value, expected = share[0], []
    for k in range(60):
        if k:
            decay = np.exp((times[k - 1] - times[k]) / 0.7)
            value = decay * value + (1 - decay) * share[k]
        expected.append(value)
    np.testing.assert_array_equal(timestamps, times[1::2])
    np.testing.assert_allclose(data[:, 0], expected[1::2], rtol=1e-5)


def test_feedback_is_neutral_where_there_is_no_power(graph: Path) -> None:
    with ScriptHarness.from_graph(graph, "feedback") as node:
        node.feed("Band-power", np.zeros((1, 27)))
        node.loop()
        assert node.outputs["Feedback"][0].tolist() == [[0.5]]


def test_the_cascade_gives_one_number_from_0_to_1(graph: Path, recording: Recording) -> None:
    """Three nodes, each at its own rate, over a minute of the recording."""
    with (
        ScriptHarness.from_graph(graph, "bandpass") as bandpass,
        ScriptHarness.from_graph(graph, "band_power") as band_power,
        ScriptHarness.from_graph(graph, "feedback") as feedback,
    ):
        for tick in range(600):  # of 0.1 s, at a nominal 12.8 samples
            a, b = round(tick * 12.8), round((tick + 1) * 12.8)
            bandpass.feed("EEG", recording.data[a:b], recording.timestamps[a:b])
            bandpass.loop()
            band_power.feed("EEG-filtered", *bandpass.outputs.take("EEG-filtered"))
            band_power.loop()
            powers, times = band_power.outputs.take("Band-power")
            if len(powers):
                feedback.feed("Band-power", powers, times)
            if tick % 2:
                feedback.loop()
        data, timestamps = feedback.outputs["Feedback"]
    assert 285 <= len(data) <= 291  # 5 a second, once the window of 2 s is full
    assert (np.diff(timestamps) > 0).all()
    assert data.min() > 0
    assert data.max() < 1
    assert data.std() > 0.02
