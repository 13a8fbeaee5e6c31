"""Bridges that go on where others died: no sample twice, none left out but what is counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rena_graph.bridges.base import SinkBridge, SourceBridge, unsent
from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.bridges.recording import RecordingBridge
from rena_graph.bridges.simulate import SimulateBridge
from rena_graph.bridges.timeline import Timeline
from rena_graph.graph.document import RecordingSource, SimulateSource
from rena_graph.streams.spec import StreamSpec
from rena_graph.testing.clock import FakeClock
from rena_graph.transport.board import Board, EdgeColumn, StreamColumn

FORMAT = DeclaredFormat(2, 100.0, "float64")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with Board.create(tmp_path / "board", streams=1, edges=1, nodes=0) as board:
        yield board


class Kept:
    """A writer that keeps what is published, and lets its source die after so many samples."""

    def __init__(self, board: Board, dies_at: int) -> None:
        self._row = board.stream(0)
        self._dies_at = dies_at
        self.stop = threading.Event()
        self.data: list[Any] = []
        self.stamps: list[float] = []

    def publish(self, data: Any, timestamps: Any, origin: float) -> int:
        first = self._row.ints[StreamColumn.PRODUCED]
        self.data.extend(np.array(data).tolist())
        self.stamps.extend(np.array(timestamps).tolist())
        self._row.ints[StreamColumn.PRODUCED] = first + len(timestamps)
        self._row.floats[StreamColumn.LAST_TIMESTAMP] = float(timestamps[-1])
        if first + len(timestamps) >= self._dies_at:
            self.stop.set()
        return first


class Hurrying(FakeClock):
    """A second goes by with each look at it: nobody has to wait."""

    def now(self) -> float:
        self.advance(1.0)
        return super().now()


def lived(bridge: SourceBridge, board: Board, dies_at: int) -> Kept:
    writer = Kept(board, dies_at)
    bridge.prepare()
    bridge.run(writer, board.stream(0), writer.stop)  # type: ignore[arg-type]
    bridge.close()
    return writer


def both(make: Any, board: Board, dies_at: int) -> tuple[list[Any], list[float]]:
    """What a bridge published that died, and another that went on after it."""
    first = lived(make(), board, dies_at)
    successor = make()
    successor.adopt(FORMAT.spec("S"), board.stream(0))
    second = lived(successor, board, 10**9)
    return first.data + second.data, first.stamps + second.stamps


@pytest.mark.parametrize("kind", ["counter", "random", "sine"])
@pytest.mark.parametrize("rate", [100.0, 0.0])
def test_a_simulator_goes_on_with_the_next_sample(kind: str, rate: float, board: Board, tmp_path: Path) -> None:
    source = SimulateSource.model_validate({"kind": kind, "seed": 3, "samples": 60})
    declared = DeclaredFormat(2, rate, "float64")

    def make() -> SimulateBridge:
        return SimulateBridge("S", source, declared, Hurrying().now)

    with Board.create(tmp_path / "whole", streams=1, edges=0, nodes=0) as other:
        whole = lived(make(), other, 10**9)
    data, stamps = both(make, board, 25)
    assert len(data) == 60
    assert data == whole.data
    assert stamps == pytest.approx(whole.stamps)


@pytest.mark.parametrize(("loop", "dies_at"), [(False, 30), (True, 130), (True, 100)])
def test_a_recording_is_played_on_and_not_from_its_start(
    loop: bool, dies_at: int, board: Board, tmp_path: Path
) -> None:
    count = 100
    values = np.stack([np.arange(count), -np.arange(count)], 1).astype(float)
    np.savez(tmp_path / "r.npz", data=values, rate=100.0)
    source = RecordingSource(path="r.npz", loop=loop, speed=1000.0)

    def make() -> RecordingBridge:
        return RecordingBridge("S", source, FORMAT, Hurrying().now, tmp_path)

    first = lived(make(), board, dies_at)
    successor = make()
    successor.adopt(FORMAT.spec("S"), board.stream(0))
    second = lived(successor, board, 250 if loop else 10**9)
    data, stamps = first.data + second.data, first.stamps + second.stamps
    assert [row[0] for row in data] == [i % count for i in range(len(data))]
    assert len(data) == count or loop
    assert np.allclose(np.diff(stamps), 0.01)
    assert board.stream(0).ints[StreamColumn.SOURCE_GAPS] == 0


def test_what_did_not_come_while_nobody_read_is_a_gap(board: Board) -> None:
    row = board.stream(0)
    row.ints[StreamColumn.PRODUCED] = 100
    row.floats[StreamColumn.LAST_TIMESTAMP] = 20.0
    timeline = Timeline.of(100.0, row)
    timeline.clean(np.array([20.51, 20.52]), 20.6, row)
    assert (row.ints[StreamColumn.SOURCE_GAPS], row.ints[StreamColumn.SOURCE_LOST]) == (1, 50)


def test_what_a_sink_had_in_hand_is_counted_as_lost(board: Board) -> None:
    row = board.edge(0)
    row.ints[EdgeColumn.START] = 10
    row.ints[EdgeColumn.POSITION], row.ints[EdgeColumn.SENT], row.ints[EdgeColumn.DELIVERED] = 50, 42, 40
    unsent(row)
    unsent(row)
    assert row.ints[EdgeColumn.DELIVERED] == 32
    assert row.ints[EdgeColumn.DROPPED_RESTART] == 8


class Sent(SinkBridge):
    """Keeps what it sends."""

    def __init__(self) -> None:
        super().__init__(StreamSpec("S", 1, "float64", 100.0), lambda: 0.0)
        self.sent = 0

    def prepare(self) -> None:
        pass

    def send(self, data: Any, timestamps: Any) -> None:
        self.sent += len(timestamps)

    def close(self) -> None:
        pass


class Stream:
    """A reader of samples that are all there, until they are taken."""

    ended = False

    def __init__(self, count: int) -> None:
        self.position = 0
        self._count = count

    def pending(self) -> int:
        return self._count - self.position

    def peek(self, limit: int) -> tuple[Any, Any]:
        return np.zeros((self.pending(), 1)), np.zeros(self.pending())

    def commit(self, count: int) -> bool:
        self.position += count
        return True

    def chunk_at(self, sequence: int) -> None:
        return None


class Waits:
    """Lets the sink go on after so many waits."""

    def __init__(self, sink: Sent, stop: threading.Event) -> None:
        self._sink, self._stop = sink, stop
        self.waited = 0

    def wait(self, until: float, on_data: bool) -> None:
        self.waited += 1
        assert self._sink.sent == 0 or not self._sink.held
        if self.waited == 3:
            self._sink.held = False
        if self.waited == 4:
            self._stop.set()


def test_a_sink_that_is_held_sends_nothing_until_it_is_let_go(board: Board) -> None:
    sink, stop = Sent(), threading.Event()
    sink.held = True
    waits = Waits(sink, stop)
    sink.run(Stream(20), waits, board.edge(0), stop)  # type: ignore[arg-type]
    assert sink.sent == 20
    assert board.edge(0).ints[EdgeColumn.SENT] == 20
