"""The LSL inlet against outlets in other processes."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rena_graph.bridges.base import DeclaredFormat, SourceState
from rena_graph.bridges.lsl_source import LslSourceBridge
from rena_graph.errors import StreamFormatError, StreamNotFound
from rena_graph.graph.document import LslSource
from rena_graph.transport.board import StreamColumn
from tests.limits import LIMIT

pytestmark = pytest.mark.lsl

OPEN = DeclaredFormat()
FULL = DeclaredFormat(2, 100.0, "float32")


def bridge(name: str, declared: DeclaredFormat = OPEN, **source: Any) -> LslSourceBridge:
    return LslSourceBridge("EEG", LslSource(**(source or {"name": name})), declared, time.monotonic)


def test_format_names_and_unit_come_from_the_outlet(outlet: Callable[..., Any], unique: str) -> None:
    outlet(unique, channels=2, rate=250.0, format="int16", labels=["C3", "C4"], unit="microvolts")
    source = bridge(unique)
    assert not source.complete
    spec = source.find(LIMIT, threading.Event())
    source.close()
    assert (spec.name, spec.channels, spec.rate, spec.dtype) == ("EEG", 2, 250.0, "int16")
    assert spec.channel_names == ("C3", "C4")
    assert spec.unit == "microvolts"


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "float32", "double64"])
def test_every_sample_arrives_once_with_its_own_time(
    outlet: Callable[..., Any], running: Callable[..., Any], unique: str, dtype: str
) -> None:
    there = outlet(unique, format=dtype)
    run = running(bridge(unique))
    there.tell(wait=LIMIT)
    before = time.monotonic()
    there.tell(push=[[i, -i] for i in range(100)], stamps=[i / 100 for i in range(100)])
    after = time.monotonic()
    assert run.stream.wait_for(100, LIMIT)
    assert run.stream.data.dtype == run.bridge.spec.numpy_dtype
    np.testing.assert_array_equal(run.stream.data, [[i, -i] for i in range(100)])
    # The same host's clock: not even rounding stands between the two.
    np.testing.assert_allclose(np.diff(run.stream.timestamps), 0.01, atol=1e-9)
    assert before <= run.stream.timestamps[0] <= after
    assert run.column(StreamColumn.SOURCE_GAPS) == 0
    assert run.column(StreamColumn.SOURCE_BACKWARDS) == 0


def test_stamps_are_graph_time_where_this_hosts_clock_is_not(
    outlet: Callable[..., Any], running: Callable[..., Any], unique: str
) -> None:
    def graph(local: float) -> float:
        return 10_800.0 + local * (1 + 50e-6)

    there = outlet(unique)
    clock = lambda: graph(time.monotonic())  # noqa: E731
    run = running(LslSourceBridge("EEG", LslSource(name=unique), OPEN, clock))
    there.tell(wait=LIMIT)
    now = time.monotonic()
    stamps = [now + i / 100 for i in range(100)]
    there.tell(raw=[[i, -i] for i in range(100)], stamps=stamps)
    assert run.stream.wait_for(100, LIMIT)
    np.testing.assert_allclose(run.stream.timestamps, [graph(stamp) for stamp in stamps], atol=0.05)
    assert run.column(StreamColumn.SOURCE_BACKWARDS) == 0


def test_text_and_an_irregular_rate(outlet: Callable[..., Any], running: Callable[..., Any], unique: str) -> None:
    there = outlet(unique, channels=1, rate=0.0, format="string")
    run = running(bridge(unique))
    assert run.stream.spec.rate == 0
    there.tell(wait=LIMIT)
    words = [["left"], [""], ["ümlaut µV"]]
    there.tell(push=words, stamps=[0.0, 0.1, 0.2])
    assert run.stream.wait_for(3, LIMIT)
    assert run.stream.data.tolist() == words


def test_all_differences_are_told_at_once(outlet: Callable[..., Any], unique: str) -> None:
    outlet(unique, channels=2, rate=100.0)
    source = bridge(unique, DeclaredFormat(channels=16, rate=250.0))
    with pytest.raises(StreamFormatError, match=r"channels: declared 16, found 2; rate: declared 250 Hz, found 100 Hz"):
        source.find(LIMIT, threading.Event())


def test_a_stream_that_is_not_there(unique: str) -> None:
    with pytest.raises(StreamNotFound, match=f"name='{unique}' appeared in 0.2 s"):
        bridge(unique).find(0.2, threading.Event())


def test_cancelling_ends_the_search_early(unique: str) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(StreamNotFound, match="cancelled"):
        bridge(unique).find(3600, cancel)


def test_what_lsl_cannot_carry_is_refused_at_once(unique: str) -> None:
    with pytest.raises(StreamFormatError, match="carries no uint8; allowed are int8"):
        bridge(unique, DeclaredFormat(2, 100.0, "uint8"))


def test_a_declared_stream_is_waited_for_while_running(
    outlet: Callable[..., Any], running: Callable[..., Any], unique: str
) -> None:
    run = running(bridge(unique, FULL))
    run.wait_state(SourceState.WAITING)
    there = outlet(unique)
    run.wait_state(SourceState.CONNECTED)
    there.tell(count=True)
    assert run.stream.wait_for(20, LIMIT)
    assert run.column(StreamColumn.SOURCE_RECOVERIES) == 0


@pytest.mark.parametrize("returning", ["a", "another"])
def test_a_killed_outlet_is_lost_and_found_again(
    outlet: Callable[..., Any], running: Callable[..., Any], unique: str, returning: str
) -> None:
    there = outlet(unique)
    run = running(bridge(unique))
    run.wait_state(SourceState.CONNECTED)
    there.tell(count=True)
    assert run.stream.wait_for(20, LIMIT)
    there.kill()
    run.wait_state(SourceState.LOST)
    seen = run.stream.produced
    back = outlet(unique, source_id=returning)
    run.wait_state(SourceState.CONNECTED)
    back.tell(count=True)
    assert run.stream.wait_for(seen + 20, LIMIT)
    assert run.column(StreamColumn.SOURCE_RECOVERIES) == 1
    assert run.column(StreamColumn.SOURCE_GAPS) == 1
    hole = float(np.diff(run.stream.timestamps).max())
    assert run.column(StreamColumn.SOURCE_LOST) == pytest.approx(hole * 100 - 1, abs=1)
    assert (np.diff(run.stream.timestamps) > 0).all()


def test_a_stopped_outlet_is_lost_though_its_connection_stands(
    outlet: Callable[..., Any], running: Callable[..., Any], unique: str
) -> None:
    there = outlet(unique)
    run = running(bridge(unique))
    there.tell(count=True)
    assert run.stream.wait_for(20, LIMIT)
    there.process.send_signal(signal.SIGSTOP)
    run.wait_state(SourceState.LOST)
    there.process.send_signal(signal.SIGCONT)
    run.wait_state(SourceState.CONNECTED)
    assert run.column(StreamColumn.SOURCE_RECOVERIES) == 1


def test_a_stopped_outlet_is_replaced_by_another_one(
    outlet: Callable[..., Any], running: Callable[..., Any], unique: str, caplog: pytest.LogCaptureFixture
) -> None:
    there = outlet(unique)
    run = running(bridge(unique))
    there.tell(count=True)
    assert run.stream.wait_for(20, LIMIT)
    with caplog.at_level(logging.WARNING):
        there.process.send_signal(signal.SIGSTOP)
        run.wait_state(SourceState.LOST)
        wrong = outlet(unique, source_id="wrong", channels=7)
        run.wait_state(SourceState.REFUSED)
        right = outlet(unique, source_id="right")
        run.wait_state(SourceState.CONNECTED)
    seen = run.stream.produced
    right.tell(count=True)
    assert run.stream.wait_for(seen + 5, LIMIT)
    assert len(caplog.records) == 2
    wrong.kill()


def test_another_format_is_refused_once_and_the_right_one_waited_for(
    outlet: Callable[..., Any], running: Callable[..., Any], unique: str, caplog: pytest.LogCaptureFixture
) -> None:
    there = outlet(unique)
    run = running(bridge(unique))
    there.tell(count=True)
    assert run.stream.wait_for(5, LIMIT)
    there.kill()
    run.wait_state(SourceState.LOST)
    with caplog.at_level(logging.WARNING):
        wrong = outlet(unique, channels=3)
        run.wait_state(SourceState.REFUSED)
        wrong.kill()
        right = outlet(unique)
        run.wait_state(SourceState.CONNECTED)
    seen = run.stream.produced
    right.tell(count=True)
    assert run.stream.wait_for(seen + 5, LIMIT)
    assert run.column(StreamColumn.SOURCE_RECOVERIES) == 1
    assert sum("channels: declared 2, found 3" in record.getMessage() for record in caplog.records) == 1


def test_a_silent_irregular_stream_stays_connected(
    outlet: Callable[..., Any], running: Callable[..., Any], unique: str
) -> None:
    there = outlet(unique, channels=1, rate=0.0, format="string")
    run = running(bridge(unique))
    run.wait_state(SourceState.CONNECTED)
    there.tell(wait=LIMIT)
    # Longer than a regular stream may be silent; the marker after it shows that the connection was kept.
    threading.Event().wait(1.5)
    assert run.column(StreamColumn.SOURCE_STATE) == SourceState.CONNECTED
    there.tell(push=[["late"]], stamps=[0.0])
    assert run.stream.wait_for(1, LIMIT)
    assert run.column(StreamColumn.SOURCE_RECOVERIES) == 0


def test_bad_timestamps_are_replaced_and_counted(
    outlet: Callable[..., Any], running: Callable[..., Any], unique: str
) -> None:
    there = outlet(unique, channels=1)
    run = running(bridge(unique))
    there.tell(wait=LIMIT)
    now = time.monotonic()
    there.tell(raw=[[0.0], [1.0], [2.0], [3.0], [4.0]], stamps=[now, float("nan"), -5.0, now + 200_000, now - 500])
    assert run.stream.wait_for(5, LIMIT)
    assert run.stream.data[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert run.column(StreamColumn.SOURCE_BACKWARDS) >= 3
    assert (np.diff(run.stream.timestamps) >= 0).all()
    assert np.abs(run.stream.timestamps - now).max() < 60


def test_of_two_outlets_one_is_taken_and_it_is_said(
    outlet: Callable[..., Any], running: Callable[..., Any], unique: str, caplog: pytest.LogCaptureFixture
) -> None:
    outlet(unique, source_id="second")
    outlet(unique, source_id="first")
    with caplog.at_level(logging.WARNING):
        source = bridge(unique)
        source.find(LIMIT, threading.Event())
    assert source._preferred == "first"
    source.close()
    assert sum("2 outlets could be meant" in record.getMessage() for record in caplog.records) == 1


def test_a_source_id_chooses(outlet: Callable[..., Any], running: Callable[..., Any], unique: str) -> None:
    outlet(unique, source_id="first", channels=1)
    outlet(unique, source_id="second", channels=3)
    source = LslSourceBridge("EEG", LslSource(name=unique, source_id="second"), DeclaredFormat(), time.monotonic)
    assert source.find(LIMIT, threading.Event()).channels == 3
    source.close()


def test_a_predicate_finds_by_anything(outlet: Callable[..., Any], unique: str) -> None:
    outlet(unique, channels=5)
    source = bridge(unique, predicate=f"starts-with(name,'{unique}') and channel_count=5")
    assert source.find(LIMIT, threading.Event()).channels == 5
    source.close()
