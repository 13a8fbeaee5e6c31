"""Recordings: read, refused, played."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rena_graph.bridges.base import DeclaredFormat, SourceState
from rena_graph.bridges.recording import RecordingBridge
from rena_graph.bridges.recording_file import load_recording
from rena_graph.errors import StreamFormatError, StreamNotFound
from rena_graph.graph.document import RecordingSource
from rena_graph.testing.memory import MemoryStream
from rena_graph.transport.board import StreamColumn

DATA = Path(__file__).parent / "data"
OPEN = DeclaredFormat()


def play(virtual: Any, path: Path, declared: DeclaredFormat = OPEN, **source: Any) -> MemoryStream:
    bridge = RecordingBridge("R", RecordingSource(path=path.name, **source), declared, virtual, path.parent)
    stream = MemoryStream(bridge.find(0, threading.Event()))
    bridge.run(stream.writer, stream.row, virtual.stop)
    bridge.close()
    return stream


def npz(folder: Path, **arrays: Any) -> Path:
    path = folder / "recording.npz"
    np.savez(path, **arrays)
    return path


def test_an_ecg_with_a_rate(virtual: Any) -> None:
    stream = play(virtual, DATA / "ecg.npz")
    with np.load(DATA / "ecg.npz") as file:
        np.testing.assert_array_equal(stream.data, file["data"])
    assert (stream.spec.rate, stream.spec.channel_names, stream.spec.unit) == (360.0, ("MLII", "V5"), "mV")
    np.testing.assert_allclose(stream.timestamps, 1000.0 + np.arange(3600) / 360, rtol=0, atol=1e-9)
    assert stream.row.ints[StreamColumn.SOURCE_STATE] == SourceState.ENDED
    assert virtual.now == pytest.approx(1000.0 + 3599 / 360)


def test_an_eeg_whose_timestamps_run_backwards(virtual: Any) -> None:
    stream = play(virtual, DATA / "eeg.npz")
    with np.load(DATA / "eeg.npz") as file:
        recorded = file["timestamps"] - file["timestamps"][0]
    assert (np.diff(recorded) < 0).sum() == 2
    np.testing.assert_array_equal(stream.timestamps, 1000.0 + np.maximum.accumulate(recorded))
    raised = int((np.maximum.accumulate(recorded) != recorded).sum())
    assert stream.row.ints[StreamColumn.SOURCE_BACKWARDS] == raised >= 2


@pytest.mark.parametrize("speed", [0.5, 20.0, 1e6])
def test_speed_changes_delivery_and_not_time(virtual: Any, speed: float) -> None:
    stream = play(virtual, DATA / "ecg.npz", speed=speed)
    assert stream.spec.rate == 360.0
    np.testing.assert_allclose(np.diff(stream.timestamps), 1 / 360, atol=1e-9)
    assert virtual.now == pytest.approx(1000.0 + 3599 / 360 / speed)


def test_a_loop_goes_on_one_period_after_the_last_sample(virtual: Any, tmp_path: Path) -> None:
    path = npz(tmp_path, data=np.arange(10.0), rate=10.0)
    bridge = RecordingBridge("R", RecordingSource(path=path.name, loop=True), OPEN, virtual, tmp_path)
    stream = MemoryStream(bridge.find(0, threading.Event()))
    publish = stream.writer.publish

    def until_35(*chunk: Any) -> int:
        if stream.produced >= 34:
            virtual.stop.set()
        return publish(*chunk)

    stream.writer.publish = until_35  # type: ignore[assignment, method-assign]
    bridge.run(stream.writer, stream.row, virtual.stop)
    assert stream.data[:, 0].tolist() == [i % 10 for i in range(35)]
    np.testing.assert_allclose(stream.timestamps, 1000.0 + np.arange(35) / 10)
    assert stream.row.ints[StreamColumn.SOURCE_GAPS] == 0
    assert stream.row.ints[StreamColumn.SOURCE_STATE] == SourceState.CONNECTED


def test_holes_are_played_as_holes_and_counted(virtual: Any, tmp_path: Path) -> None:
    stamps = np.concatenate((np.arange(50), np.arange(80, 100))) / 100
    stream = play(virtual, npz(tmp_path, data=np.zeros((70, 2)), timestamps=stamps, rate=100.0))
    np.testing.assert_allclose(stream.timestamps - 1000.0, stamps)
    assert stream.row.ints[StreamColumn.SOURCE_GAPS] == 1
    assert stream.row.ints[StreamColumn.SOURCE_LOST] == 30


def test_timestamps_without_a_rate_are_irregular(virtual: Any, tmp_path: Path) -> None:
    path = npz(tmp_path, data=np.zeros(3, np.int16), timestamps=[5.0, 5.5, 9.0])
    stream = play(virtual, path)
    assert (stream.spec.rate, stream.spec.dtype, stream.spec.channels) == (0.0, "int16", 1)
    assert stream.timestamps.tolist() == [1000.0, 1000.5, 1004.0]
    assert play(virtual, path, DeclaredFormat(rate=2.0)).spec.rate == 2.0


def test_text_and_foreign_byte_order(virtual: Any, tmp_path: Path) -> None:
    words = play(virtual, npz(tmp_path, data=np.array(["go", "stop"]), timestamps=[0.0, 1.0]))
    assert words.data.tolist() == [["go"], ["stop"]]
    assert words.spec.dtype == "string"
    big = play(virtual, npz(tmp_path, data=np.array([1, 2], ">i4"), rate=1.0))
    assert big.data.tolist() == [[1], [2]]
    assert big.spec.dtype == "int32"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"other": [1.0]}, 'no array "data"; found other'),
        ({"data": [1.0]}, 'neither "rate"'),
        ({"data": np.zeros((2, 2, 2)), "rate": 1.0}, r"shape \(2, 2, 2\)"),
        ({"data": np.zeros((2, 0)), "rate": 1.0}, r"shape \(2, 0\)"),
        ({"data": np.zeros(2, "c16"), "rate": 1.0}, "complex128, allowed are"),
        ({"data": np.zeros(2, "f2"), "rate": 1.0}, "float16, allowed are"),
        ({"data": [1.0], "rate": 0.0}, "a rate of 0 Hz"),
        ({"data": [1.0], "rate": -5.0}, "a rate of -5 Hz"),
        ({"data": [1.0], "rate": float("nan")}, "a rate of nan Hz"),
        ({"data": [1.0], "rate": "fast"}, "not a number"),
        ({"data": [1.0, 2.0], "timestamps": [1.0]}, r"shape \(1,\), needed is one"),
        ({"data": [1.0], "timestamps": ["x"]}, "one number for each of the 1 samples"),
        ({"data": np.zeros((1, 2)), "rate": 1.0, "channels": ["a"]}, "one name for each of the 2"),
        ({"data": np.zeros((1, 2)), "rate": 1.0, "channels": 3}, "is 3, but data has 2 columns"),
        ({"data": [1.0], "rate": 1.0, "unit": 7}, "unit is"),
        ({"data": np.array([{}], object), "rate": 1.0}, "Python objects are not read"),
    ],
)
def test_what_is_no_recording_is_told(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(StreamFormatError, match=message):
        load_recording(npz(tmp_path, **arrays), None)


def test_files_that_are_not_there_or_not_what_they_say(tmp_path: Path) -> None:
    with pytest.raises(StreamNotFound, match="no such file"):
        load_recording(tmp_path / "none.npz", None)
    with pytest.raises(StreamNotFound, match="not a file"):
        load_recording(tmp_path, None)
    (tmp_path / "a.edf").touch()
    with pytest.raises(StreamFormatError, match=r"found the suffix '.edf', allowed are .npz, .xdf and .xdfz"):
        load_recording(tmp_path / "a.edf", None)
    with pytest.raises(StreamFormatError, match="an NPZ file holds one stream"):
        load_recording(npz(tmp_path, data=[1.0], rate=1.0), "EEG")
    with (tmp_path / "single.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(StreamFormatError, match="a single array"):
        load_recording(tmp_path / "single.npz", None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(cut=st.integers(0, 10_000), flips=st.lists(st.integers(0, 10_000), max_size=10))
def test_damaged_npz_files_are_refused_or_read(tmp_path: Path, cut: int, flips: list[int]) -> None:
    damaged = bytearray((DATA / "ecg.npz").read_bytes())[: -cut or None]
    for at in flips:
        if at < len(damaged):
            damaged[at] ^= 0x55
    path = tmp_path / "damaged.npz"
    path.write_bytes(bytes(damaged))
    try:
        recording = load_recording(path, None)
    except StreamFormatError:
        return
    assert len(recording.data) == len(recording.timestamps)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(length=st.integers(0, 1950))
def test_truncated_xdf_files_are_refused_or_read_as_far_as_they_go(tmp_path: Path, length: int) -> None:
    # Truncated only: a flipped byte can make pyxdf reserve memory for 2**60 samples.
    path = tmp_path / "truncated.xdf"
    path.write_bytes((DATA / "minimal.xdf").read_bytes()[:length])
    try:
        recording = load_recording(path, "SendDataC")
    except (StreamFormatError, StreamNotFound):
        return
    assert len(recording.data) == len(recording.timestamps)


def test_a_compressed_xdf_file(tmp_path: Path) -> None:
    path = tmp_path / "minimal.xdfz"
    path.write_bytes(gzip.compress((DATA / "minimal.xdf").read_bytes()))
    assert len(load_recording(path, "SendDataC").data) == 9


def test_what_the_graph_declares_is_checked_all_at_once(virtual: Any) -> None:
    declared = DeclaredFormat(channels=3, rate=250.0, dtype="float64")
    with pytest.raises(StreamFormatError, match=r"channels: declared 3, found 2; rate: .*; dtype: declared float64"):
        play(virtual, DATA / "ecg.npz", declared)


def test_an_empty_recording_ends_at_once_and_cannot_loop(virtual: Any, tmp_path: Path) -> None:
    path = npz(tmp_path, data=np.zeros((0, 4)), rate=10.0)
    assert play(virtual, path).produced == 0
    with pytest.raises(StreamFormatError, match="no samples to loop over"):
        play(virtual, path, loop=True)


def test_a_single_sample_loops_without_spinning(virtual: Any, tmp_path: Path) -> None:
    path = npz(tmp_path, data=[1.0], timestamps=[7.0])
    bridge = RecordingBridge("R", RecordingSource(path=path.name, loop=True), OPEN, virtual, tmp_path)
    stream = MemoryStream(bridge.find(0, threading.Event()))
    publish = stream.writer.publish

    def until_3(*chunk: Any) -> int:
        if stream.produced >= 2:
            virtual.stop.set()
        return publish(*chunk)

    stream.writer.publish = until_3  # type: ignore[assignment, method-assign]
    bridge.run(stream.writer, stream.row, virtual.stop)
    assert stream.timestamps.tolist() == [1000.0, 1001.0, 1002.0]


def test_timestamps_that_are_no_numbers(virtual: Any, tmp_path: Path) -> None:
    stamps = [np.nan, 1.0, np.inf, 2.0]
    stream = play(virtual, npz(tmp_path, data=np.zeros(4), timestamps=stamps))
    assert stream.timestamps.tolist() == [1000.0, 1000.0, 1000.0, 1001.0]
    assert stream.row.ints[StreamColumn.SOURCE_BACKWARDS] == 2
    stream = play(virtual, npz(tmp_path, data=np.zeros(2), timestamps=[np.nan, np.nan]))
    assert stream.row.ints[StreamColumn.SOURCE_BACKWARDS] == 2


def test_xdf_numbers_and_text(virtual: Any) -> None:
    numbers = play(virtual, DATA / "minimal.xdf", stream="SendDataC")
    assert (numbers.spec.channels, numbers.spec.rate, numbers.spec.dtype) == (3, 10.0, "int16")
    assert numbers.data[:2].tolist() == [[192, 255, 238], [12, 22, 32]]
    np.testing.assert_allclose(np.diff(numbers.timestamps), 0.1)
    text = play(virtual, DATA / "minimal.xdf", stream="SendDataString")
    assert text.spec.dtype == "string"
    assert text.data[1:3, 0].tolist() == ["Hello", "World"]


def test_xdf_with_clock_resets(virtual: Any) -> None:
    eeg = play(virtual, DATA / "clock_resets.xdf", stream="BioSemi", speed=100.0)
    assert (eeg.spec.channels, eeg.spec.rate, eeg.produced) == (8, 100.0, 27815)
    assert (np.diff(eeg.timestamps) >= 0).all()
    assert eeg.row.ints[StreamColumn.SOURCE_GAPS] >= 1
    markers = play(virtual, DATA / "clock_resets.xdf", stream="MyMarkerStream", speed=100.0)
    assert markers.produced == 175


def test_xdf_with_empty_streams(virtual: Any) -> None:
    empty = "Empty data stream: test stream 0 counter"
    assert play(virtual, DATA / "empty_streams.xdf", stream=empty).produced == 0
    full = play(virtual, DATA / "empty_streams.xdf", stream="Data stream: test stream 0 counter")
    assert full.data[:, 0].tolist() == list(range(10))
    assert full.spec.channel_names == ("ch:00",)


def test_the_stream_of_an_xdf_file_must_be_named() -> None:
    with pytest.raises(StreamFormatError, match=r'say which "stream" is meant; the file holds .*SendDataC'):
        load_recording(DATA / "minimal.xdf", None)
    with pytest.raises(StreamNotFound, match=r"no stream 'SendDatC' in it \(did you mean 'SendDataC'\?\)"):
        load_recording(DATA / "minimal.xdf", "SendDatC")


def test_in_real_time_a_recording_ends_by_itself(running: Callable[..., Any]) -> None:
    source = RecordingSource(path="ecg.npz", speed=100.0)
    run = running(RecordingBridge("R", source, OPEN, time.monotonic, DATA))
    run.join()
    assert run.stream.produced == 3600
    assert run.column(StreamColumn.SOURCE_STATE) == SourceState.ENDED
