"""The heart rate, live: what leaves the graph against the beats that cardiologists annotated."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.live.launching import example, launched, only_drops
from tests.live.processes import LslClient, Message, Received, ZmqSubscriber
from tests.runtime.live import balanced, collect, finish, kept, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.lsl, pytest.mark.slow]

RATE = 360.0
TOLERANCE = 0.075  # s
BEATS = 8  # the heart rate is the mean over so many intervals


class Outcome(NamedTuple):
    """What a run gave, times in seconds of the recording."""

    peaks: NDArray[np.float64]
    rate_times: NDArray[np.float64]
    rates: NDArray[np.float64]
    intervals: NDArray[np.float64]
    played: float


@pytest.fixture(scope="module")
def annotated(graphs: Path) -> NDArray[np.float64]:
    """The annotated beats, in seconds of the recording."""
    with np.load(graphs / "ecg/data/ecg_mitbih_100.npz") as file:
        beats: NDArray[np.float64] = file["r_peaks"] / RATE
    return beats


def watched(file: str, path: Path) -> dict[str, Any]:
    """The example, and a node that keeps all of its streams; its edges block where those of the example do."""
    document = example(file)
    blocking = document["nodes"]["r_peaks"]["inputs"][0].get("policy") == "block"
    policy = {"policy": "block", "block_timeout": 10} if blocking else {}
    inputs = [{"stream": name, **policy} for name in ("ECG", "R-peaks", "Heart-rate", "RR")]
    document["nodes"]["keep"] = {
        **collect(path, *inputs, buffer_duration=60),
        "script": "../../tests/scripts/collect.py",
    }
    document["nodes"]["keep"]["run_frequency"] = 60
    return document


def outcome(path: Path) -> Outcome:
    """From graph time to the recording's: its first sample was at 0."""
    data = kept(path)
    start = data["ECG.stamps"][0]
    np.testing.assert_allclose(np.diff(data["ECG.stamps"]), 1 / RATE, atol=1e-9)
    return Outcome(
        data["R-peaks.stamps"] - start,
        data["Heart-rate.stamps"] - start,
        data["Heart-rate"][:, 0],
        data["RR"][:, 0],
        len(data["ECG.stamps"]) / RATE,
    )


def hits(found: NDArray[np.float64], annotated: NDArray[np.float64]) -> int:
    """How many beats of the one have one of their own in the other."""
    nearest = np.abs(found[:, np.newaxis] - annotated).argmin(axis=0)
    near = np.abs(found[nearest] - annotated) <= TOLERANCE
    return len(np.unique(nearest[near]))


def check_rates(result: Outcome, annotated: NDArray[np.float64]) -> None:
    """Each heart rate within 1 beat per minute of that of the annotated beats at the same time."""
    for time, rate in zip(result.rate_times, result.rates, strict=True):
        beat = int(np.abs(annotated - time).argmin())
        intervals = np.diff(annotated[max(0, beat - BEATS) : beat + 1])
        assert abs(rate - 60 / intervals.mean()) <= 1.0


def check_tail(part: Received, whole: NDArray[Any], stamps: NDArray[np.float64], least: int) -> None:
    """A client that came a little late has everything from then on."""
    count = len(part.stamps)
    assert count >= least
    np.testing.assert_array_equal(part.data[:, 0].astype(np.float32), whole[-count:, 0])
    np.testing.assert_allclose(part.stamps, stamps[-count:], atol=1e-9)


def decoded(messages: list[Message]) -> Received:
    """What PhysioLabXR would read: topic, float64 time, the sample's bytes."""
    assert {message[0] for message in messages} == {b"Heart-rate"}
    assert {tuple(map(len, message[1:])) for message in messages} == {(8, 4)}
    data = [struct.unpack("<f", message[2]) for message in messages]
    stamps = [struct.unpack("<d", message[1])[0] for message in messages]
    return Received(np.array(data), np.array(stamps))


def test_five_minutes_against_the_annotation(
    ray_address: str, graphs: Path, tmp_path: Path, annotated: NDArray[np.float64]
) -> None:
    document = watched("ecg/heart_rate_fast.json", tmp_path / "all.npz")
    name = document["nodes"]["r_peaks"]["outputs"]["R-peaks"]["to"]["lsl"]["name"]
    port = document["nodes"]["heart_rate"]["outputs"]["Heart-rate"]["to"]["zmq"]["port"]
    with (
        LslClient(f"name='{name}'", tmp_path / "peaks.npz") as lsl,
        ZmqSubscriber(port, "Heart-rate") as zmq,
        launched(document, ray_address, graphs / "ecg") as run,
    ):
        (found,) = lsl.connected()
        status = finish(run)
        (peaks,) = lsl.finished()
        rates = decoded(zmq.finished())
    balanced(status)
    only_drops(status)
    assert (found["labels"], found["units"]) == (["amplitude"], ["millivolts"])

    result = outcome(tmp_path / "all.npz")
    assert result.played == 300.0
    matched = hits(result.peaks, annotated)
    assert matched >= 0.99 * len(annotated), "sensitivity"
    assert matched >= 0.99 * len(result.peaks), "positive predictivity"
    assert len(result.rates) == len(result.intervals) == len(result.peaks) - 1
    check_rates(result, annotated)

    whole = kept(tmp_path / "all.npz")
    check_tail(peaks, whole["R-peaks"], whole["R-peaks.stamps"], least=len(annotated) // 4)
    check_tail(rates, whole["Heart-rate"], whole["Heart-rate.stamps"], least=len(annotated) // 4)


@pytest.mark.long
def test_twenty_seconds_at_the_recording_s_own_speed(
    ray_address: str, graphs: Path, tmp_path: Path, annotated: NDArray[np.float64]
) -> None:
    document = watched("ecg/heart_rate.json", tmp_path / "all.npz")
    port = document["nodes"]["heart_rate"]["outputs"]["Heart-rate"]["to"]["zmq"]["port"]
    with ZmqSubscriber(port, "Heart-rate") as zmq, launched(document, ray_address, graphs / "ecg") as run:
        wait_until(lambda: run.status()["streams"]["ECG"]["produced"] >= 20 * RATE)
        run.stop()
        status = finish(run)
        rates = decoded(zmq.finished())
    balanced(status)
    only_drops(status)

    result = outcome(tmp_path / "all.npz")
    assert result.played >= 20
    # A peak is certain a moment after it was; so those of the last second may not have been found yet.
    complete = annotated[annotated < result.played - 1]
    assert len(complete) >= 20
    assert hits(result.peaks, complete) == len(complete)
    assert hits(annotated, result.peaks) == len(result.peaks)
    check_rates(result, annotated)
    whole = kept(tmp_path / "all.npz")
    check_tail(rates, whole["Heart-rate"], whole["Heart-rate.stamps"], least=10)
