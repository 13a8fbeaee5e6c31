"""The neurofeedback cascade, live: each of its three nodes against SciPy and NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from tests.live.launching import example, launched, only_drops
from tests.live.processes import LslClient
from tests.runtime.live import balanced, collect, finish, kept

pytestmark = [pytest.mark.ray, pytest.mark.lsl, pytest.mark.slow]

RATE = 128.0
SPEED = 10
SECONDS = 60  # of the recording
WINDOW = 256  # samples: 2 s
BANDS = [(4.0, 8.0), (8.0, 13.0), (13.0, 30.0)]
Arrays = dict[str, NDArray[Any]]


def watched(graphs: Path, folder: Path) -> dict[str, Any]:
    """The example on the first part of its recording, ten times as fast, and a node that keeps all of its streams."""
    with np.load(graphs / "eeg/data/eeg_p300_midline.npz") as file:
        count = round(SECONDS * RATE)
        np.savez(folder / "eeg.npz", data=file["data"][:count], timestamps=file["timestamps"][:count], rate=RATE)
    document = example("eeg/feedback.json")
    document["streams"]["EEG"]["from"] = {"recording": {"path": str(folder / "eeg.npz"), "speed": SPEED}}
    blocking = {"policy": "block", "block_timeout": 10}
    document["nodes"]["bandpass"]["inputs"][0].update(blocking)
    inputs = [{"stream": name, **blocking} for name in ("EEG", "EEG-filtered", "Band-power", "Feedback")]
    keep = collect(folder / "all.npz", *inputs, buffer_duration=60, run_frequency=60)
    document["nodes"]["keep"] = {**keep, "script": "../../tests/scripts/collect.py"}
    return document


def test_the_cascade_computes_what_scipy_computes(ray_address: str, graphs: Path, tmp_path: Path) -> None:
    document = watched(graphs, tmp_path)
    name = document["nodes"]["feedback"]["outputs"]["Feedback"]["to"]["lsl"]["name"]
    with (
        LslClient(f"name='{name}'", tmp_path / "feedback.npz") as client,
        launched(document, ray_address, graphs / "eeg") as run,
    ):
        (found,) = client.connected()
        status = finish(run)
        (received,) = client.finished()
    assert (found["rate"], found["labels"]) == (0.0, ["relative alpha"])
    balanced(status)
    # At ten times the speed even a window of ten seconds holds one: what slides out of it unseen is counted.
    only_drops(status, ("band_power", "window"))
    all_of_it = kept(tmp_path / "all.npz")
    check_rates(status["nodes"])
    check_band_pass(all_of_it)
    check_band_power(all_of_it)
    check_feedback(all_of_it)

    count = len(received.stamps)
    assert count >= 10
    np.testing.assert_array_equal(received.data, all_of_it["Feedback"][-count:])
    np.testing.assert_allclose(received.stamps, all_of_it["Feedback.stamps"][-count:], atol=1e-9)


def check_rates(nodes: dict[str, Any]) -> None:
    """Three nodes, each at most at its own rate."""
    assert [nodes[name]["frequency"] for name in ("bandpass", "band_power", "feedback")] == [60, 10, 5]
    assert nodes["feedback"]["loops"] < nodes["band_power"]["loops"] < nodes["bandpass"]["loops"]
    assert all(node["exceptions"] == node["bad_outputs"] == node["restarts"] == 0 for node in nodes.values())


def check_band_pass(data: Arrays) -> None:
    """Every sample, at its own time, as if the whole recording had been filtered at once."""
    assert len(data["EEG"]) == round(SECONDS * RATE)
    np.testing.assert_array_equal(data["EEG-filtered.stamps"], data["EEG.stamps"])
    sections = signal.butter(4, (1.0, 40.0), btype="bandpass", fs=RATE, output="sos")
    steady = signal.sosfilt_zi(sections)[:, :, np.newaxis] * data["EEG"][0]
    expected, _ = signal.sosfilt(sections, data["EEG"].astype(np.float64), axis=0, zi=steady)
    np.testing.assert_allclose(data["EEG-filtered"], expected, rtol=1e-5, atol=1e-3)


def check_band_power(data: Arrays) -> None:
    """Each the power of the two seconds that end at its own time stamp."""
    stamps = data["Band-power.stamps"]
    assert len(stamps) >= 20
    assert (np.diff(stamps) > 0).all()
    ends = np.searchsorted(data["EEG-filtered.stamps"], stamps) + 1
    np.testing.assert_array_equal(data["EEG-filtered.stamps"][ends - 1], stamps)
    for powers, end in zip(data["Band-power"], ends, strict=True):
        window = data["EEG-filtered"][end - WINDOW : end].astype(np.float64)
        frequencies, density = signal.periodogram(window, RATE, window="hann", axis=0)
        bands = [density[(frequencies >= low) & (frequencies < high)].sum(axis=0) for low, high in BANDS]
        np.testing.assert_allclose(powers.reshape(3, 9), np.stack(bands) * frequencies[1], rtol=1e-4)


def check_feedback(data: Arrays) -> None:
    """Alpha's share of alpha and theta, smoothed over a second, whichever of its values were sent."""
    powers = data["Band-power"].astype(np.float64)
    share = powers[:, 9:18].sum(axis=1) / powers[:, :18].sum(axis=1)
    times = data["Band-power.stamps"]
    values = [share[0]]
    for before, now, new in zip(times, times[1:], share[1:], strict=False):
        decay = np.exp(before - now)
        values.append(decay * values[-1] + (1 - decay) * new)
    at = np.searchsorted(times, data["Feedback.stamps"])
    assert len(at) >= 10
    np.testing.assert_array_equal(times[at], data["Feedback.stamps"])
    np.testing.assert_allclose(data["Feedback"][:, 0], np.array(values)[at], rtol=1e-5)
    assert at[-1] == len(times) - 1
