"""The EEG classifier in PyTorch: on windows that it was not trained on, against the rule it learned; and live."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from rena_graph.graph.load import load_graph
from rena_graph.testing import ScriptHarness
from tests.live.launching import example, launched, only_drops
from tests.runtime.live import balanced, collect, finish, kept, told, wait_until

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason='needs another Python environment: one with PyTorch (pip install "rena-graph[torch]")',
)

RATE, WINDOW, STEP = 128.0, 256, 32
UNSEEN = 0.65
"""Share of the recording behind which nothing was trained on."""


def alpha_share(window: np.ndarray) -> float:
    """Of 1 to 40 Hz, by the periodogram, averaged over the channels of a window ``(samples, channels)``."""
    frequencies, density = signal.periodogram(window, RATE, window="hann", axis=0)
    alpha = density[(frequencies >= 8) & (frequencies < 13)].sum(axis=0)
    return float(np.mean(alpha / density[(frequencies >= 1) & (frequencies < 40)].sum(axis=0)))


def test_it_tells_much_alpha_in_what_it_never_saw(graphs: Path) -> None:
    with np.load(graphs / "eeg/data/eeg_p300_midline.npz") as file:
        eeg = file["data"].astype(np.float64)
    with np.load(graphs / "eeg/data/alpha_classifier.npz") as file:
        threshold = float(file["threshold"])
    sections = signal.butter(4, (1.0, 40.0), btype="bandpass", fs=RATE, output="sos")
    steady = signal.sosfilt_zi(sections)[:, :, np.newaxis] * eeg[0]
    filtered = signal.sosfilt(sections, eeg, axis=0, zi=steady)[0].astype(np.float32)[int(UNSEEN * len(eeg)) :]
    with ScriptHarness.from_graph(graphs / "eeg/classifier.json", "classifier") as node:
        node.play("EEG-filtered", filtered, np.arange(len(filtered)) / RATE)
        found, stamps = node.outputs["Alpha"]
    ends = np.round(stamps * RATE).astype(int) + 1
    assert (np.diff(ends) == STEP).all()
    assert ends[0] == WINDOW
    assert len(ends) == (len(filtered) - WINDOW) // STEP + 1
    shares = np.array([alpha_share(filtered[end - WINDOW : end].astype(np.float64)) for end in ends])
    right = (found[:, 0] > 0.5) == (shares > threshold)
    assert right.mean() > 0.78
    # Where the rule itself is in no doubt, the network seldom is.
    clear = np.abs(np.log(shares / threshold)) > 0.5
    assert clear.sum() > 100
    assert right[clear].mean() > 0.9


def test_the_gpu_s_graph_differs_in_its_placement_only(graphs: Path) -> None:
    plain, gpu = (load_graph(graphs / "eeg" / name).document for name in ("classifier.json", "classifier_gpu.json"))
    assert gpu.nodes["classifier"].placement.num_gpus == 1
    same = {"placement": plain.nodes["classifier"].placement}
    assert gpu.nodes["classifier"].model_copy(update=same) == plain.nodes["classifier"]
    assert gpu.nodes["bandpass"] == plain.nodes["bandpass"]
    assert gpu.streams == plain.streams


@pytest.mark.ray
@pytest.mark.lsl
def test_it_classifies_live(ray_address: str, graphs: Path, tmp_path: Path) -> None:
    document = example("eeg/classifier.json")
    keep = collect(tmp_path / "a.npz", "EEG-filtered", "Alpha", buffer_duration=20)
    document["nodes"]["keep"] = {**keep, "script": "../../tests/scripts/collect.py"}
    with launched(document, ray_address, graphs / "eeg") as run:
        wait_until(lambda: run.status()["streams"]["Alpha"]["produced"] >= 8)
        run.stop()
        status = finish(run)
        assert "classifying on " in told(run)
    balanced(status)
    only_drops(status)
    data = kept(tmp_path / "a.npz")
    assert ((data["Alpha"] >= 0) & (data["Alpha"] <= 1)).all()
    # Each answer is stamped with the newest sample that it was made from: the last of a block of 32.
    at = np.searchsorted(data["EEG-filtered.stamps"], data["Alpha.stamps"])
    np.testing.assert_array_equal(data["EEG-filtered.stamps"][at], data["Alpha.stamps"])
    assert ((at + 1) % STEP == 0).all()
