"""The ZMQ bridges against bare pyzmq."""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import zmq

from rena_graph.bridges.base import DeclaredFormat, SourceState
from rena_graph.bridges.clocks import WallClock
from rena_graph.bridges.zmq_sink import ZmqSinkBridge
from rena_graph.bridges.zmq_source import ZmqSourceBridge
from rena_graph.errors import EnvironmentRefused, PortTaken, StreamFormatError
from rena_graph.graph.document import ZmqSink, ZmqSource
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import EdgeColumn, StreamColumn
from tests.limits import LIMIT
from tests.ports import free_port

GAZE = DeclaredFormat(2, 0.0, "float32")
TIMEOUT_MS = 60_000
WARM_UP = struct.pack("<d", 0.0)
"""The stamp of what is sent until somebody hears."""


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq.Context() as context:
        context.linger = 0
        yield context


@pytest.fixture
def port() -> int:
    return free_port()


class Publisher:
    """A PUB socket as PhysioLabXR's users write it; knows when its subscriber is there."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], port: int) -> None:
        self.socket = context.socket(zmq.XPUB)
        self.socket.sndhwm = 0
        self.socket.bind(f"tcp://127.0.0.1:{port}")

    def wait(self) -> bytes:
        assert self.socket.poll(TIMEOUT_MS)
        return self.socket.recv()

    def send(self, *parts: bytes) -> None:
        self.socket.send_multipart(parts)

    def sample(self, number: float, stamp: float, topic: bytes = b"Gaze") -> None:
        self.send(topic, struct.pack("<d", stamp), struct.pack("<2f", number, -number))


@pytest.fixture
def publisher(context: zmq.Context[zmq.Socket[bytes]], port: int) -> Iterator[Publisher]:
    one = Publisher(context, port)
    yield one
    one.socket.close()


def source(port: int, declared: DeclaredFormat = GAZE, **more: Any) -> ZmqSourceBridge:
    return ZmqSourceBridge("Gaze", ZmqSource(port=port, **more), declared, time.monotonic)


def test_every_message_arrives_once_with_its_senders_time(
    publisher: Publisher, running: Callable[..., Any], port: int
) -> None:
    run = running(source(port, clock="lsl"))
    assert publisher.wait() == b"\x01Gaze"
    run.wait_state(SourceState.CONNECTED)
    now = time.monotonic()
    for i in range(2000):
        publisher.sample(i, now + i / 1000)
    assert run.stream.wait_for(2000, LIMIT)
    np.testing.assert_array_equal(run.stream.data[:, 0], np.arange(2000))
    np.testing.assert_array_equal(run.stream.timestamps, now + np.arange(2000) / 1000)


def test_unix_time_becomes_graph_time(publisher: Publisher, running: Callable[..., Any], port: int) -> None:
    run = running(source(port, clock="unix"))
    publisher.wait()
    before = time.monotonic()
    publisher.sample(1, time.time())
    after = time.monotonic()
    assert run.stream.wait_for(1, LIMIT)
    assert before - 0.05 <= run.stream.timestamps[0] <= after + 0.05


def test_arrival_ignores_the_senders_time(publisher: Publisher, running: Callable[..., Any], port: int) -> None:
    run = running(source(port))
    publisher.wait()
    before = time.monotonic()
    publisher.sample(1, 123456789.0)
    publisher.send(b"Gaze", struct.pack("<2f", 2, 2))
    assert run.stream.wait_for(2, LIMIT)
    assert before <= run.stream.timestamps[0] <= run.stream.timestamps[1] <= time.monotonic()
    assert run.column(StreamColumn.SOURCE_BACKWARDS) == 0


@pytest.mark.parametrize("clock", ["lsl", "unix", "arrival"])
def test_stamps_are_graph_time_where_this_hosts_clock_is_not(
    publisher: Publisher, running: Callable[..., Any], port: int, clock: str
) -> None:
    ahead = 10_800.0
    run = running(
        ZmqSourceBridge("Gaze", ZmqSource(port=port, clock=clock), GAZE, lambda: time.monotonic() + ahead)  # type: ignore[arg-type]
    )
    publisher.wait()
    sent = time.monotonic()
    publisher.sample(1, {"lsl": sent, "unix": time.time(), "arrival": 0.0}[clock])
    assert run.stream.wait_for(1, LIMIT)
    assert sent + ahead - 0.05 <= run.stream.timestamps[0] <= time.monotonic() + ahead + 0.05


def test_a_topic_that_begins_like_ours_stays_outside(
    publisher: Publisher, running: Callable[..., Any], port: int
) -> None:
    run = running(source(port))
    publisher.wait()
    publisher.sample(7, 0.0, topic=b"Gaze2")
    publisher.sample(1, 0.0)
    assert run.stream.wait_for(1, LIMIT)
    assert run.stream.data[:, 0].tolist() == [1]
    assert run.column(StreamColumn.SOURCE_REJECTED) == 0


def test_garbage_is_counted_said_once_a_second_and_survived(
    publisher: Publisher, running: Callable[..., Any], port: int, caplog: pytest.LogCaptureFixture
) -> None:
    run = running(source(port))
    publisher.wait()
    rng = random.Random(4)
    for _ in range(300):
        parts = [rng.randbytes(rng.choice([0, 1, 3, 8, 100])) for _ in range(rng.randrange(10))]
        publisher.send(b"Gaze", *parts)
    publisher.sample(1, 0.0)
    # Of those of 2 and 3 parts some are sound by chance.
    run.wait_until(lambda: run.column(StreamColumn.SOURCE_REJECTED) + run.stream.produced == 301)
    assert run.stream.data[-1].tolist() == [1, -1]
    assert run.column(StreamColumn.SOURCE_REJECTED) > 200
    assert sum("dropped a message" in record.getMessage() for record in caplog.records) <= 5


def test_a_huge_message_is_not_taken_in_and_the_stream_goes_on(
    publisher: Publisher, running: Callable[..., Any], port: int
) -> None:
    run = running(source(port))
    publisher.wait()
    publisher.send(b"Gaze", b"12345678", bytes(2 << 20))
    assert publisher.wait() == b"\x00Gaze"
    assert publisher.wait() == b"\x01Gaze"
    publisher.sample(5, 0.0)
    assert run.stream.wait_for(1, LIMIT)
    assert run.stream.data[:, 0].tolist() == [5]


def test_a_publisher_that_comes_back(
    context: zmq.Context[zmq.Socket[bytes]], running: Callable[..., Any], port: int
) -> None:
    first = Publisher(context, port)
    run = running(source(port, DeclaredFormat(2, 10.0, "float32"), clock="lsl"))
    run.wait_state(SourceState.CONNECTED)
    first.wait()
    now = time.monotonic()
    first.sample(0, now - 2.0)
    assert run.stream.wait_for(1, LIMIT)
    first.socket.close()
    run.wait_state(SourceState.LOST)
    second = Publisher(context, port)
    second.wait()
    run.wait_state(SourceState.CONNECTED)
    second.sample(1, now)
    assert run.stream.wait_for(2, LIMIT)
    second.socket.close()
    assert run.column(StreamColumn.SOURCE_RECOVERIES) == 1
    assert run.column(StreamColumn.SOURCE_GAPS) == 1
    assert run.column(StreamColumn.SOURCE_LOST) == 19


def test_a_format_that_is_left_open_is_an_error(port: int) -> None:
    open_source = source(port, DeclaredFormat(dtype="float32"))
    assert not open_source.complete
    with pytest.raises(StreamFormatError, match="channels, rate"):
        open_source.find(0, threading.Event())


def test_an_address_that_is_none() -> None:
    bad = ZmqSourceBridge("Gaze", ZmqSource(host="*", port=1), GAZE, time.monotonic)
    with pytest.raises(EnvironmentRefused, match="no address that ZMQ can connect to"):
        bad.prepare()


def test_the_wall_clock_is_followed_after_it_was_set(caplog: pytest.LogCaptureFixture) -> None:
    now, wall = [100.0], [5000.0]
    clock = WallClock(lambda: now[0], lambda: wall[0])
    assert clock.offset() == -4900.0
    now[0], wall[0] = 100.5, 8600.5
    assert clock.offset() == -4900.0
    now[0], wall[0] = 101.0, 8601.0
    assert clock.offset() == -8500.0
    assert "was set by +3600.000 s" in caplog.text


def test_a_host_that_learns_late_what_time_it_is_has_no_clock_set(caplog: pytest.LogCaptureFixture) -> None:
    now, wall = [100.0], [5000.0]
    clock = WallClock(lambda: now[0], lambda: wall[0])
    now[0] = -7000.0  # the coordinator's host came up later than this one
    assert clock.offset() == -12000.0
    now[0], wall[0] = -6999.0, 5001.0
    assert clock.offset() == -12000.0
    assert not caplog.text


# ------------------------------------------------------------------------------------------------ sinks
@pytest.fixture
def subscriber(context: zmq.Context[zmq.Socket[bytes]], port: int) -> Iterator[zmq.Socket[bytes]]:
    with context.socket(zmq.SUB) as socket:
        socket.rcvhwm = 0
        socket.subscribe(b"HR")
        socket.connect(f"tcp://127.0.0.1:{port}")
        yield socket


def send_until_heard(sink: Any, subscriber: zmq.Socket[bytes], spec: StreamSpec) -> None:
    """A PUB socket throws away what it sends before a subscription reached it; nothing tells when it has."""
    for _ in range(200):
        sink.stream.writer.publish(np.zeros((1, spec.channels), spec.dtype), np.zeros(1))
        if subscriber.poll(50):
            return
    raise AssertionError("the subscriber hears nothing")


@pytest.mark.parametrize("channels", [2, 20_000])
def test_a_bare_subscriber_reads_the_originals_format(
    draining: Callable[..., Any], subscriber: zmq.Socket[bytes], port: int, channels: int
) -> None:
    spec = StreamSpec("HR", channels, "float32")
    sink = draining(ZmqSinkBridge(spec, ZmqSink(port=port), time.monotonic), spec)
    send_until_heard(sink, subscriber, spec)
    data = np.arange(200 * channels, dtype=np.float32).reshape(200, channels)
    stamps = time.monotonic() + np.arange(200) / 100
    for first in range(0, 200, 9):
        sink.stream.writer.publish(data[first : first + 9], stamps[first : first + 9])
    sink.stop()
    for i in range(200):
        stamp = WARM_UP
        while stamp == WARM_UP:
            assert subscriber.poll(TIMEOUT_MS)
            topic, stamp, values = subscriber.recv_multipart()
            assert topic == b"HR"
        assert struct.unpack("<d", stamp) == (stamps[i],)
        np.testing.assert_array_equal(np.frombuffer(values, "<f4"), data[i])
    edge = sink.reader.row.ints
    assert edge[EdgeColumn.DELIVERED] == sink.stream.produced == edge[EdgeColumn.POSITION]


def test_a_port_in_use_is_named_with_what_to_do(port: int) -> None:
    with zmq.Context() as other, other.socket(zmq.PUB) as holder:
        holder.bind(f"tcp://127.0.0.1:{port}")
        sink = ZmqSinkBridge(StreamSpec("HR", 1), ZmqSink(port=port), time.monotonic)
        with pytest.raises(PortTaken, match=f"port {port} is in use.*Give another"):
            sink.prepare()
    sink.prepare()
    sink.close()
    sink.close()


def test_an_address_of_another_machine() -> None:
    sink = ZmqSinkBridge(StreamSpec("HR", 1), ZmqSink(bind="192.0.2.77", port=5999), time.monotonic)
    with pytest.raises(EnvironmentRefused, match='"bind" must be an address of this machine'):
        sink.prepare()
