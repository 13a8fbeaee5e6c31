"""What only the ZMQ transport has: endpoints, strangers, and sockets that must not be lost."""

from __future__ import annotations

import logging
import socket
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy as np
import pytest
import zmq

from rena_graph.errors import Fenced, PortTaken, TransportError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport import wire, zmq_context
from rena_graph.transport.board import EdgeColumn, StreamColumn
from rena_graph.transport.interface import ChunkInfo, StreamPort
from rena_graph.transport.zmq_writer import queue_limit
from tests.limits import LIMIT
from tests.ports import free_port

from .stage import Stage, numbered, stamps, take, until


@pytest.fixture(autouse=True)
def no_context_left() -> Iterator[None]:
    yield
    assert zmq_context._users == 0
    assert zmq_context._context is None


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_tcp_works_as_ipc_does(zmq_stage: Stage) -> None:
    stage = zmq_stage
    port = replace(stage.port(), address=f"tcp://127.0.0.1:{free_port()}")
    writer, reader = stage.pair(port)
    writer.publish(numbered(0, 9), stamps(0, 9))
    stage.settle(reader, 9)
    np.testing.assert_array_equal(take(reader)[0], numbered(0, 9))


def test_a_taken_port_is_named(zmq_stage: Stage, taken_port: int) -> None:
    port = replace(zmq_stage.port(), address=f"tcp://127.0.0.1:{taken_port}")
    with pytest.raises(
        PortTaken, match=rf"stream 's': cannot bind tcp://127.0.0.1:{taken_port}: Address already in use"
    ):
        zmq_stage.writer(port)


@pytest.mark.parametrize("address", ["ipc:///missing-folder/socket", "ipc:///" + "x" * 200, "nonsense://"])
def test_an_endpoint_that_cannot_be(zmq_stage: Stage, address: str) -> None:
    port = replace(zmq_stage.port(), address=address)
    with pytest.raises(TransportError, match="stream 's': cannot bind"):
        zmq_stage.writer(port)


def test_an_endpoint_that_cannot_be_connected_to(zmq_stage: Stage) -> None:
    port = replace(zmq_stage.port(), address="nonsense://")
    with pytest.raises(TransportError, match="stream 's': cannot connect to nonsense://"):
        zmq_stage.reader(port)


def test_a_socket_is_private(zmq_stage: Stage) -> None:
    port = zmq_stage.port()
    zmq_stage.writer(port)
    facts = Path(port.address.removeprefix("ipc://")).stat()
    assert stat.S_ISSOCK(facts.st_mode)
    assert stat.S_IMODE(facts.st_mode) == 0o600


def test_a_fenced_writer_leaves_its_successors_socket_alone(zmq_stage: Stage) -> None:
    stage = zmq_stage
    port = stage.port()
    old = stage.writer(port)
    new = stage.writer(port, epoch=1)
    with pytest.raises(Fenced):
        old.publish(numbered(0, 1), stamps(0, 1))
    with pytest.raises(Fenced):
        old.publish(numbered(0, 1), stamps(0, 1))
    old.close()
    reader = stage.reader(port)
    assert new.wait_for_readers(1, LIMIT)
    new.publish(numbered(0, 1), stamps(0, 1))
    stage.settle(reader, 1)


def test_a_reader_is_active_only_when_the_writer_has_answered(zmq_stage: Stage) -> None:
    stage = zmq_stage
    port = stage.port()
    reader = stage.reader(port)
    assert reader.pending() == 0
    assert stage.edge(EdgeColumn.ACTIVE) == 0
    writer = stage.writer(port)
    assert writer.wait_for_readers(1, LIMIT)
    assert stage.edge(EdgeColumn.ACTIVE) == 1


def test_a_reader_that_comes_to_the_end_hears_of_it(zmq_stage: Stage) -> None:
    stage = zmq_stage
    port = stage.port()
    writer, first = stage.pair(port)
    writer.publish(numbered(0, 5), stamps(0, 5))
    late = stage.reader(port, 1)
    assert writer.wait_for_readers(2, LIMIT)
    writer.close()
    until(lambda: late.ended)
    assert (late.position, stage.edge(EdgeColumn.DELIVERED, 1), stage.dropped(1)) == (5, 0, {})
    assert not first.ended


def test_samples_before_a_reader_that_wanted_them_are_counted(zmq_stage: Stage) -> None:
    stage = zmq_stage
    port = stage.port()
    writer, _ = stage.pair(port)
    writer.publish(numbered(0, 5), stamps(0, 5))
    late = stage.reader(port, 1, start=2)
    assert writer.wait_for_readers(2, LIMIT)
    writer.publish(numbered(5, 1), stamps(5, 1))
    until(late.pending)
    assert take(late)[0].tolist() == [[5.0]]
    assert (stage.edge(EdgeColumn.START, 1), stage.dropped(1)) == (2, {"transport": 3})
    assert stage.balanced(1)


def test_last_samples_that_never_came_are_counted_at_the_end(zmq_stage: Stage) -> None:
    stage = zmq_stage
    port = stage.port()
    writer, reader = stage.pair(port)
    writer.publish(numbered(0, 5), stamps(0, 5))
    stage.settle(reader, 5)
    take(reader)
    # As if a queue had been full: produced, and sent nowhere.
    writer._sequence += 3  # type: ignore[attr-defined]
    stage.board.stream(0).ints[StreamColumn.PRODUCED] += 3
    writer.close()
    until(lambda: reader.ended)
    assert reader.position == 8
    assert stage.dropped() == {"transport": 3}
    assert stage.balanced()


class Stranger:
    """Binds a stream's endpoint and says whatever it is told to."""

    def __init__(self, port: StreamPort) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.bind(port.address)

    def greet(self) -> None:
        """Wait for a reader, and answer it as a writer would."""
        while True:
            assert self._socket.poll(int(1000 * LIMIT))
            subscription = self._socket.recv()
            if subscription[1:].startswith(wire.hello_topic(b"")):
                self._socket.send_multipart(wire.hello(subscription[-wire.TOKEN_BYTES :], 0, 0))
                return

    def send(self, frames: list[bytes]) -> None:
        self._socket.send_multipart(frames)

    def close(self) -> None:
        self._socket.close(linger=0)
        self._context.term()


@pytest.fixture
def stranger(zmq_stage: Stage) -> Iterator[Stranger]:
    opened = Stranger(zmq_stage.port())
    yield opened
    opened.close()


def _chunk(spec: StreamSpec, first: int, epoch: int) -> list[bytes]:
    frames = wire.Codec(spec).encode(ChunkInfo(first, 1, 1.0, 1.0, epoch), numbered(first, 1), stamps(first, 1))
    return [bytes(memoryview(frame).cast("B")) for frame in frames]


def test_what_is_not_ours_is_thrown_away_and_said_ever_more_rarely(
    zmq_stage: Stage, stranger: Stranger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    port = zmq_stage.ports[0]
    reader = zmq_stage.reader(port)
    stranger.greet()
    rubbish = [
        [wire.MAGIC],
        [wire.MAGIC + b"\x09D" + msgpack.packb([1])],
        [wire.MAGIC + b"\x01D", b"", b"", b""],
        _chunk(StreamSpec("s", 1, "int64"), 0, 0),
        *[[wire.MAGIC + bytes([1]) + b"?" * n] for n in range(6)],
    ]
    for frames in rubbish:
        stranger.send(frames)
    stranger.send(_chunk(port.spec, 0, 0))
    until(reader.pending)
    assert take(reader)[0].tolist() == [[0.0]]
    said = [record.getMessage() for record in caplog.records if "thrown away" in record.getMessage()]
    assert [text.split("(message ")[1].split(" ")[0] for text in said] == ["1", "2", "4", "8"]
    assert "version 9, this side speaks 1" in said[1]
    assert all("stream 's'" in text for text in said)


def test_an_older_epoch_is_not_listened_to(zmq_stage: Stage, stranger: Stranger) -> None:
    port = zmq_stage.ports[0]
    zmq_stage.board.stream(0).ints[StreamColumn.PRODUCED] = 10
    reader = zmq_stage.reader(port)
    stranger.greet()
    for first, epoch in ((0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 2)):
        stranger.send(_chunk(port.spec, first, epoch))
    until(lambda: reader.pending() == 3)
    assert take(reader)[0].ravel().tolist() == [0.0, 1.0, 2.0]
    newest = reader.newest()
    assert newest is not None
    assert newest.epoch == 2
    assert zmq_stage.dropped() == {}


def test_a_receiver_that_failed_says_so(zmq_stage: Stage, stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise zmq.ZMQError(zmq.ETERM)

    monkeypatch.setattr(wire.Codec, "decode", fail)
    reader = zmq_stage.reader(zmq_stage.ports[0])
    stranger.greet()

    def failed() -> bool:
        try:
            reader.pending()
        except TransportError as problem:
            return "receiving from" in str(problem)
        return False

    until(failed)
    reader.close()


@pytest.mark.parametrize(
    ("spec", "capacity", "messages"),
    [
        (StreamSpec("s", 1, "float64"), 100_000, 1000),
        (StreamSpec("s", 1, "float64"), 20, 20),
        (StreamSpec("s", 1, "float64"), 1, 8),
        (StreamSpec("s", 6_220_800, "uint8"), 300, 43),
        (StreamSpec("s", 100_000_000, "float64"), 300, 8),
    ],
)
def test_queues_are_bounded_in_messages_and_bytes(spec: StreamSpec, capacity: int, messages: int) -> None:
    assert queue_limit(StreamPort(spec, "zmq", "ipc://x", capacity, 0)) == messages
