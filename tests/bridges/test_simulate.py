"""Pacing of simulated sources, in virtual time where nothing real is needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rena_graph.bridges.base import DeclaredFormat, SourceState
from rena_graph.bridges.simulate import SimulateBridge
from rena_graph.errors import StreamFormatError
from rena_graph.graph.document import SimulateSource
from rena_graph.testing.memory import MemoryStream
from rena_graph.transport.board import StreamColumn
from tests.limits import LIMIT


def play(virtual: Any, rate: float, samples: int, **more: Any) -> MemoryStream:
    declared = DeclaredFormat(more.pop("channels", 2), rate, more.pop("dtype", None))
    bridge = SimulateBridge(
        "S", SimulateSource(kind=more.pop("kind", "counter"), samples=samples, **more), declared, virtual
    )
    stream = MemoryStream(bridge.find(0, threading.Event()))
    bridge.run(stream.writer, stream.row, virtual.stop)
    assert stream.row.ints[StreamColumn.SOURCE_STATE] == SourceState.ENDED
    return stream


@pytest.mark.parametrize("rate", [0.5, 30.0, 99.0, 250.0, 2048.0, 44_100.0])
def test_sample_i_is_stamped_start_plus_i_over_rate(virtual: Any, rate: float) -> None:
    stream = play(virtual, rate, 1000)
    assert stream.data[:, 0].tolist() == list(range(1000))
    np.testing.assert_array_equal(stream.timestamps, 1000.0 + np.arange(1000) / rate)
    # The clock stands where the last sample was due: nothing came early, and nothing drifted.
    assert virtual.now == pytest.approx(1000.0 + 999 / rate)
    longest = max(chunk.count for chunk in stream.chunks)
    assert longest <= max(1, rate * 0.01)


def test_a_source_that_was_held_up_catches_up_without_loss(virtual: Any) -> None:
    class HeldUp(MemoryStream):
        def _append(self, *chunk: Any) -> int:
            if self.produced == 100:
                virtual.now += 2.0
            return super()._append(*chunk)

    bridge = SimulateBridge("S", SimulateSource(kind="counter", samples=1000), DeclaredFormat(1, 250.0), virtual)
    assert bridge.spec is not None
    stream = HeldUp(bridge.spec)
    bridge.run(stream.writer, stream.row, virtual.stop)
    assert stream.data[:, 0].tolist() == list(range(1000))
    np.testing.assert_array_equal(stream.timestamps, 1000.0 + np.arange(1000) / 250)
    assert max(chunk.count for chunk in stream.chunks) == 25


def test_an_irregular_stream_has_ten_samples_a_second_one_by_one(virtual: Any) -> None:
    stream = play(virtual, 0.0, 500, seed=1)
    assert {chunk.count for chunk in stream.chunks} == {1}
    steps = np.diff(stream.timestamps, prepend=1000.0)
    assert (steps > 0).all()
    assert steps.mean() == pytest.approx(0.1, rel=0.15)
    assert np.std(steps) == pytest.approx(0.1, rel=0.3)


def test_frames_come_one_by_one(virtual: Any) -> None:
    stream = play(virtual, 2000.0, 40, channels=100_000, dtype="uint8", kind="random")
    assert {chunk.count for chunk in stream.chunks} == {1}


def test_the_dtype_is_float32_where_nothing_says_so(virtual: Any) -> None:
    assert play(virtual, 100.0, 5).spec.dtype == "float32"


@pytest.mark.parametrize("missing", [DeclaredFormat(rate=1.0), DeclaredFormat(channels=1)])
def test_channels_and_rate_must_be_declared(missing: DeclaredFormat) -> None:
    bridge = SimulateBridge("S", SimulateSource(), missing, time.monotonic)
    assert not bridge.complete
    with pytest.raises(StreamFormatError, match="declare it"):
        bridge.find(0, threading.Event())


def test_in_real_time_it_runs_until_it_is_stopped(running: Callable[..., Any]) -> None:
    before = time.monotonic()
    run = running(SimulateBridge("S", SimulateSource(), DeclaredFormat(8, 500.0), time.monotonic))
    assert run.stream.wait_for(100, LIMIT)
    run.stop()
    assert run.stream.timestamps[0] >= before
    assert run.stream.timestamps[-1] <= time.monotonic()
    assert run.column(StreamColumn.SOURCE_STATE) == SourceState.CONNECTED
