"""The small parts that all bridges share, and the factory."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from rena_graph.bridges.base import DeclaredFormat, SinkBridge
from rena_graph.bridges.clocks import offset_between
from rena_graph.bridges.factory import make_sink, make_source
from rena_graph.bridges.pacing import sleep_until
from rena_graph.bridges.say import Sayer
from rena_graph.errors import StreamFormatError
from rena_graph.graph.document import LslSink, SourceDef, StreamDef, ZmqSink
from rena_graph.streams.spec import StreamSpec
from rena_graph.testing.memory import MemoryStream, MemoryWaiter
from rena_graph.transport.board import EdgeColumn
from rena_graph.transport.histogram import quantile
from tests.limits import LIMIT

SPEC = StreamSpec("S", 2)


class Outside(SinkBridge):
    """A sink whose outside is a list, and which may refuse."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (OSError,)

    def __init__(self, spec: StreamSpec, refuse: set[int] | None = None) -> None:
        super().__init__(spec, time.monotonic)
        self.chunks: list[NDArray[Any]] = []
        self.calls = 0
        self._refuse = refuse or set()

    def prepare(self) -> None: ...

    def send(self, data: NDArray[Any], timestamps: NDArray[np.float64]) -> None:
        self.calls += 1
        if self.calls in self._refuse:
            raise OSError("the outside is full")
        self.chunks.append(data)

    def close(self) -> None: ...


def test_a_sink_sends_what_is_pending_when_it_is_stopped() -> None:
    stream = MemoryStream(SPEC)
    reader, sink, stop = stream.reader(), Outside(SPEC), threading.Event()
    for i in range(5):
        stream.writer.publish(np.full((3, 2), i, np.float32), np.arange(3.0))
    stop.set()
    sink.run(reader, MemoryWaiter(reader), reader.row, stop)
    assert sum(len(chunk) for chunk in sink.chunks) == 15
    assert reader.row.ints[EdgeColumn.DELIVERED] == 15


def test_a_stopped_sink_does_not_chase_a_writer_that_goes_on() -> None:
    stream = MemoryStream(SPEC)
    reader, sink, stop = stream.reader(), Outside(SPEC), threading.Event()
    sink._limit = 1
    stream.writer.publish(np.zeros((4, 2), np.float32), np.arange(4.0))
    stop.set()
    send = sink.send

    def endless(data: NDArray[Any], timestamps: NDArray[np.float64]) -> None:
        stream.writer.publish(np.zeros((1, 2), np.float32), np.zeros(1))
        send(data, timestamps)

    sink.send = endless  # type: ignore[method-assign]
    sink.run(reader, MemoryWaiter(reader), reader.row, stop)
    assert len(sink.chunks) == 4


def test_a_sink_ends_with_its_stream(draining: Callable[..., Any]) -> None:
    sink = draining(Outside(SPEC), SPEC)
    sink.stream.writer.publish(np.zeros((4, 2), np.float32), np.arange(4.0))
    sink.stream.writer.close()
    sink._thread.join(LIMIT)
    assert not sink._thread.is_alive()
    assert len(sink.bridge.chunks) == 1


def test_what_the_outside_refuses_is_dropped_and_counted() -> None:
    stream = MemoryStream(SPEC)
    reader, sink, stop = stream.reader(), Outside(SPEC, refuse={2}), threading.Event()
    sink._limit = 2
    stream.writer.publish(np.zeros((6, 2), np.float32), np.arange(6.0))
    stop.set()
    sink.run(reader, MemoryWaiter(reader), reader.row, stop)
    row = reader.row.ints
    assert (row[EdgeColumn.DELIVERED], row[EdgeColumn.DROPPED_REFUSED], row[EdgeColumn.POSITION]) == (4, 2, 6)


def test_what_was_overtaken_while_it_was_copied_is_not_sent() -> None:
    stream = MemoryStream(SPEC, capacity=4)
    reader, sink, stop = stream.reader(), Outside(SPEC), threading.Event()
    stream.writer.publish(np.zeros((4, 2), np.float32), np.arange(4.0))
    commit = reader.commit

    def overtaken(count: int) -> bool:
        if stream.produced == 4:
            stream.writer.publish(np.ones((4, 2), np.float32), np.arange(4.0))
        return commit(count)

    reader.commit = overtaken  # type: ignore[method-assign]
    stream.writer.close()
    sink.run(reader, MemoryWaiter(reader), reader.row, stop)
    assert np.concatenate(sink.chunks).tolist() == [[1, 1]] * 4
    assert reader.row.ints[EdgeColumn.DROPPED_OVERRUN] == 4


def test_a_line_is_said_once_a_second_with_what_was_held_back(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    say = Sayer(logging.getLogger("test.say"), monotonic=lambda: now[0])
    assert say.warning("a", "bad %d", 1)
    assert [say.warning("a", "bad %d", i) for i in range(5)] == [False] * 5
    assert say.warning("b", "other")
    now[0] = 1.0
    assert say.warning("a", "bad %d", 9)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["bad 1", "other", "bad 9 (5 more like this since the last such line)"]


@pytest.mark.parametrize("factor", [1.0005, 0.9995])
def test_a_rate_that_is_nearly_right_is_right(factor: float) -> None:
    assert not DeclaredFormat(rate=500.0).differences(DeclaredFormat(rate=500.0 * factor))
    assert DeclaredFormat(rate=500.0).differences(DeclaredFormat(rate=0.0)) == [
        "rate: declared 500 Hz, found irregular (0)"
    ]


def test_what_is_left_open_is_taken_from_outside() -> None:
    definition = StreamDef.model_validate({"from": {"lsl": {"name": "E"}}, "channels": 2, "unit": "uV"})
    found = DeclaredFormat(2, 100.0, "int16", ("a", "b"), "V")
    spec = DeclaredFormat.of(definition).completed(found).spec("E")
    assert spec == StreamSpec("E", 2, "int16", 100.0, ("a", "b"), "uV")


def test_too_few_names_are_told() -> None:
    with pytest.raises(StreamFormatError, match="1 channel_names for 2 channels"):
        DeclaredFormat(2, 1.0, "float32", ("a",)).spec("S")


def test_clocks_that_cannot_be_told_apart_have_no_offset() -> None:
    assert offset_between(time.monotonic, time.monotonic) == 0.0
    assert offset_between(lambda: 5.0, lambda: 3.0) == 2.0
    assert offset_between(lambda: time.monotonic() + 100, time.monotonic) == pytest.approx(100, abs=0.1)


def test_a_sleep_ends_when_it_is_stopped() -> None:
    stop = threading.Event()
    assert sleep_until(time.monotonic() + 0.01, time.monotonic, stop)
    stop.set()
    assert not sleep_until(time.monotonic() + 3600, time.monotonic, stop)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ({"simulate": {}}, "SimulateBridge"),
        ({"recording": {"path": "x.npz"}}, "RecordingBridge"),
        ({"zmq": {"port": 5555}}, "ZmqSourceBridge"),
        ({"lsl": {"name": "E"}}, "LslSourceBridge"),
    ],
)
def test_each_source_has_its_bridge(source: dict[str, Any], kind: str, tmp_path: Path) -> None:
    declared = DeclaredFormat(1, 1.0, "float32")
    bridge = make_source("S", SourceDef.model_validate(source), declared, clock=time.monotonic, folder=tmp_path)
    assert type(bridge).__name__ == kind
    bridge.close()


@pytest.mark.parametrize(("sink", "kind"), [(LslSink(), "LslSinkBridge"), (ZmqSink(port=5555), "ZmqSinkBridge")])
def test_each_sink_has_its_bridge(sink: LslSink | ZmqSink, kind: str) -> None:
    bridge = make_sink(SPEC, sink, graph="g", instance=None, clock=time.monotonic)
    assert type(bridge).__name__ == kind
    bridge.close()


def test_libraries_are_loaded_only_when_they_are_used() -> None:
    program = (
        "import sys, rena_graph.bridges.factory, rena_graph.bridges.recording_file, rena_graph.bridges.recording_xdf\n"
        "sys.exit(' '.join({'zmq', 'pylsl', 'pyxdf', 'scipy', 'ray', 'networkx'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_liblsl_says_nothing() -> None:
    program = (
        "from rena_graph.bridges.lsl_library import load_pylsl\n"
        "pylsl = load_pylsl()\n"
        "pylsl.StreamOutlet(pylsl.StreamInfo('quiet', 'x', 1, 0, 'float32', 'quiet'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_sink_counts_how_old_each_chunk_is_when_it_is_out() -> None:
    stream = MemoryStream(SPEC)
    reader, sink, stop = stream.reader(), Outside(SPEC), threading.Event()
    now = time.monotonic()
    for origin in (now - 1.0, float("nan"), now + 1000.0):
        stream.writer.publish(np.zeros((2, 2), np.float32), np.arange(2.0), origin)
    stop.set()
    sink.run(reader, MemoryWaiter(reader), reader.row, stop)
    counts = reader.row.histogram(0).tolist()
    assert sum(counts) == 2, "where the origin is not known nothing is counted"
    assert counts[0] == reader.row.ints[EdgeColumn.AHEAD] == 1, "below zero is zero, and said"
    assert quantile(counts, 1.0) >= 1.0


def test_a_sink_counts_no_latency_of_what_was_refused() -> None:
    stream = MemoryStream(SPEC)
    reader, sink, stop = stream.reader(), Outside(SPEC, refuse={1}), threading.Event()
    stream.writer.publish(np.zeros((2, 2), np.float32), np.arange(2.0), time.monotonic())
    stop.set()
    sink.run(reader, MemoryWaiter(reader), reader.row, stop)
    assert not any(reader.row.histogram(0).tolist())
