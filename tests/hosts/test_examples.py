"""The bundled examples spread over hosts: sample for sample what they give on one.

The recordings begin anew with each run, at another graph time: so of timestamps it is compared which sample of the
recording they are those of, bit for bit, and that the recording's own are evenly spaced.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import GRAPHS
from tests.hosts.cluster import Cluster
from tests.hosts.rig import BIN, Host
from tests.hosts.studies import Results, example, play, run_study, samples_of
from tests.hosts.test_several import nothing_left

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]

ECG = ("ECG", "R-peaks", "Heart-rate", "RR")
EEG = ("EEG", "EEG-filtered", "Band-power", "Feedback")
ONE_SAMPLE = 1e-9
"""Seconds by which the recording's steps may differ from run to run: the last bits of a float64, nothing else."""


def on(host: Host) -> dict[str, str]:
    return {"host": host.address}


def heart_rate(folder: Path, played: Host, peaks: Host, rate: Host, kept_on: Host) -> dict[str, Any]:
    """The whole ECG example, at sixty times its speed."""
    document = example("ecg/heart_rate_fast.json", folder / "kept.npz", ECG, **on(kept_on))
    play(document, "ECG", GRAPHS / "ecg/data/ecg_mitbih_100.npz", played, speed=60)
    document["nodes"]["r_peaks"]["placement"] = on(peaks)
    document["nodes"]["heart_rate"]["placement"] = on(rate)
    return document


def part_of_the_eeg(folder: Path) -> Path:
    """The first 100 s of the recording."""
    with np.load(GRAPHS / "eeg/data/eeg_p300_midline.npz") as file:
        np.savez(folder / "eeg.npz", data=file["data"][:12800], timestamps=file["timestamps"][:12800], rate=128.0)
    return folder / "eeg.npz"


def feedback(folder: Path, played: Host, filtered: Host, powers: Host, kept_on: Host) -> dict[str, Any]:
    """The EEG example, with its two clocks in samples: where a tick of a clock falls is chance on one host as well."""
    document = example("eeg/feedback.json", folder / "kept.npz", EEG, **on(kept_on))
    play(document, "EEG", part_of_the_eeg(folder), played, speed=25)
    nodes = document["nodes"]
    for name, stream, every in (("band_power", "EEG-filtered", 13), ("feedback", "Band-power", 2)):
        del nodes[name]["run_frequency"]
        nodes[name]["trigger"] = {"stream": stream, "every": every}
    nodes["bandpass"]["placement"] = on(filtered)
    nodes["band_power"]["placement"] = on(powers)
    nodes["feedback"]["placement"] = on(kept_on)
    return document


def classifier(folder: Path, played: Host, classified: dict[str, Any], kept_on: Host) -> dict[str, Any]:
    """The EEG example that asks for a GPU; the rest of it beside the recording."""
    document = example("eeg/classifier_gpu.json", folder / "kept.npz", ("EEG", "EEG-filtered", "Alpha"), **on(kept_on))
    play(document, "EEG", part_of_the_eeg(folder), played, speed=25)
    document["nodes"]["bandpass"]["placement"] = on(played)
    document["nodes"]["classifier"]["placement"] = classified
    return document


def same(one: Results, other: Results, source: str, streams: tuple[str, ...]) -> None:
    """Every sample of every stream, its value and the sample of the source that it is stamped with."""
    assert set(one) == set(other)
    for results in (one, other):
        np.testing.assert_allclose(
            np.diff(results[f"{source}.stamps"]), np.diff(one[f"{source}.stamps"]), rtol=0, atol=ONE_SAMPLE
        )
    for stream in streams:
        np.testing.assert_array_equal(other[stream], one[stream], stream)
        np.testing.assert_array_equal(samples_of(stream, source, other), samples_of(stream, source, one), stream)


def crossings(status: dict[str, Any]) -> set[tuple[str, str]]:
    """Streams and the hosts to which they went from another."""
    return {
        (edge["stream"], edge["to"].removeprefix("host ")) for edge in status["edges"] if edge["to"].startswith("host ")
    }


def test_the_heart_rate_is_the_same_over_two_hosts(cluster: Cluster, tmp_path: Path) -> None:
    head, far = cluster.head, cluster.workers["gpu"]
    one, status = run_study(cluster, heart_rate(tmp_path, head, head, head, head), "ecg", tmp_path / "kept.npz")
    assert crossings(status) == set()
    # The recording lies on the other host, whose clock is two hours ahead.
    two, status = run_study(cluster, heart_rate(tmp_path, far, far, head, head), "ecg", tmp_path / "kept.npz")
    assert crossings(status) == {("ECG", head.address), ("R-peaks", head.address)}
    now = float(head.run(str(BIN / "python"), "-c", "import time; print(time.monotonic())"))
    assert now - 200 < two["ECG.stamps"][0] < now, "graph time is the clock here"
    assert (len(two["ECG"]), len(two["R-peaks"])) == (108_000, 371)
    assert len(two["RR"]) == len(two["Heart-rate"]) == 370
    same(one, two, "ECG", ("ECG", "R-peaks"))
    same_rates(one, two)
    nothing_left(cluster)


def same_rates(one: Results, two: Results) -> None:
    """What is computed from differences of stamps has their last bits in it: at most one of a float32's last place."""
    for stream in ("RR", "Heart-rate"):
        np.testing.assert_array_max_ulp(one[stream], two[stream], maxulp=1)
        np.testing.assert_array_equal(samples_of(stream, "ECG", two), samples_of(stream, "ECG", one), stream)


def test_the_feedback_is_the_same_over_two_hosts(cluster: Cluster, tmp_path: Path) -> None:
    head, far = cluster.head, cluster.workers["gpu"]
    one, _ = run_study(cluster, feedback(tmp_path, head, head, head, head), "eeg", tmp_path / "kept.npz")
    two, status = run_study(cluster, feedback(tmp_path, head, head, far, head), "eeg", tmp_path / "kept.npz")
    assert crossings(status) == {("EEG-filtered", far.address), ("Band-power", head.address)}
    assert len(two["EEG"]) == len(two["EEG-filtered"]) == 12_800
    assert len(two["Feedback"]) == len(two["Band-power"]) // 2 > 400
    same(one, two, "EEG", ("EEG", "EEG-filtered", "Band-power"))
    # Its smoothing weighs by differences of stamps.
    np.testing.assert_array_max_ulp(one["Feedback"], two["Feedback"], maxulp=1)
    np.testing.assert_array_equal(samples_of("Feedback", "EEG", two), samples_of("Feedback", "EEG", one))
    nothing_left(cluster)


def test_the_classifier_runs_where_the_gpu_is_and_says_the_same(cluster: Cluster, tmp_path: Path) -> None:
    """The study lies on the head, and its weights go to the other host with the script."""
    pytest.importorskip(
        "torch", reason='needs another Python environment: one with PyTorch (pip install "rena-graph[torch]")'
    )
    head, far = cluster.head, cluster.workers["gpu"]
    one, _ = run_study(cluster, classifier(tmp_path, head, on(head), head), "eeg", tmp_path / "kept.npz")
    # As the example asks for it: a GPU, on whichever host there is one.
    two, status = run_study(cluster, classifier(tmp_path, head, {"num_gpus": 1}, head), "eeg", tmp_path / "kept.npz")
    assert crossings(status) == {("EEG-filtered", far.address), ("Alpha", head.address)}
    assert len(two["Alpha"]) == (12_800 - 256) // 32 + 1
    same(one, two, "EEG", ("EEG", "EEG-filtered", "Alpha"))
    nothing_left(cluster)
