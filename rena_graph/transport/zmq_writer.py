"""The writing end of a stream over ZMQ, for machines without rings: one XPUB socket, any number of readers.

What a reader does not take in time piles up in ZMQ's queues, and beyond their limit ZMQ drops; the reader sees the
hole in the sequence. For readers of policy ``block`` the writer keeps fewer messages on the way than the queues hold.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import zmq

from rena_graph.errors import Fenced, PortTaken, TransportError, UsageError
from rena_graph.transport import wire, zmq_context
from rena_graph.transport.backpressure import Brake, nap_by_polling, wait_for_readers
from rena_graph.transport.board import Board, StreamColumn
from rena_graph.transport.interface import ChunkInfo, Samples, Stamps, StreamPort
from rena_graph.transport.text import TextCodec

__all__ = ["ZmqWriter", "queue_limit"]

_IPC = "ipc://"
_LINGER_MS = 1000
_MESSAGE_BYTES = 256 * 1024
"""A chunk is cut into messages of this size, or of one sample."""
_QUEUE_BYTES = 256 * 1024 * 1024
_QUEUE_MESSAGES = 1000


def queue_limit(port: StreamPort) -> int:
    """Messages that one of ZMQ's queues holds for this stream: bounded in number and in bytes."""
    return max(8, min(_QUEUE_MESSAGES, port.capacity, _QUEUE_BYTES // max(port.spec.sample_bytes, _MESSAGE_BYTES)))


class ZmqWriter:
    """The one writer of a stream; see :class:`~rena_graph.transport.interface.StreamWriter`.

    Parameters
    ----------
    port : StreamPort
        Its address is the endpoint to bind.
    board : Board
        This host's counters, which also say where a writer before stopped.
    epoch : int
        Larger than any writer's before, unless that one was closed.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, port: StreamPort, board: Board, epoch: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.spec = port.spec
        self._port = port
        self._clock = clock
        self._codec = wire.Codec(port.spec)
        self._text = TextCodec(port.spec, port.capacity)
        self._dtype = port.spec.numpy_dtype
        self._tail = (port.spec.channels,)
        self._piece = max(1, min(port.capacity // 2, _MESSAGE_BYTES // port.spec.sample_bytes))
        row = board.stream(port.index)
        self._ints = row.ints
        self._floats = row.floats
        self._edges = [board.edge(index) for index in port.edges]
        self._brake = Brake(row, self._edges, nap_by_polling, clock)
        self._on_the_way: deque[int] = deque(maxlen=queue_limit(port) // 2)
        self._closed = False
        self._take_over(epoch)
        self._socket = self._bind()

    def _take_over(self, epoch: int) -> None:
        ints = self._ints
        held = ints[StreamColumn.EPOCH]
        alive = ints[StreamColumn.PRODUCED] and not ints[StreamColumn.ENDED]
        if epoch < held or (epoch == held and alive):
            raise Fenced(
                f"stream {self.spec.name!r}: epoch {epoch} cannot take over, a writer of epoch {held} holds it"
            )
        ints[StreamColumn.EPOCH] = self._epoch = epoch
        ints[StreamColumn.ENDED] = 0
        self._sequence = ints[StreamColumn.PRODUCED]

    def _bind(self) -> zmq.Socket[bytes]:
        publisher = zmq_context.acquire().socket(zmq.XPUB)
        publisher.setsockopt(zmq.SNDHWM, queue_limit(self._port))
        publisher.setsockopt(zmq.LINGER, _LINGER_MS)
        try:
            if self._port.address.startswith(_IPC):
                publisher.setsockopt(zmq.USE_FD, _listen(self._port.address))
            publisher.bind(self._port.address)
        except (OSError, zmq.ZMQError) as problem:
            publisher.close(linger=0)
            zmq_context.release()
            where = f"stream {self.spec.name!r}: cannot bind {self._port.address}: {problem}"
            raise (PortTaken if problem.errno == zmq.EADDRINUSE else TransportError)(where) from problem
        return publisher

    def publish(self, data: Samples, timestamps: Stamps, origin: float = float("nan")) -> int:
        """Make samples visible to all readers; as :meth:`rena_graph.transport.ring.RingWriter.publish`.

        Raises
        ------
        UsageError
            Another dtype or shape; nothing was published.
        OutputRefused
            One sample's text is too long; nothing was published.
        Fenced
            A newer writer holds the stream.
        """
        if data.dtype != self._dtype or data.shape[1:] != self._tail or timestamps.shape != data.shape[:1]:
            raise UsageError(
                f"stream {self.spec.name!r} takes data of shape (samples, {self.spec.channels}) and dtype "
                f"{self._dtype} with one timestamp a sample; got {data.shape} {data.dtype} with timestamps "
                f"{timestamps.shape}"
            )
        first = self._sequence
        if self.spec.is_string:
            texts = self._text.encode(data)
            channels = self.spec.channels
            for start, end in self._text.pieces(texts, self._piece, _MESSAGE_BYTES):
                size = sum(map(len, texts[start * channels : end * channels]))
                self._send(data[start:end], timestamps[start:end], origin, size)
        else:
            for start in range(0, len(data), self._piece):
                piece = data[start : start + self._piece]
                self._send(piece, timestamps[start : start + self._piece], origin, piece.nbytes)
        return first

    def _send(self, data: Samples, timestamps: Stamps, origin: float, size: int) -> None:
        ints = self._ints
        first = self._sequence
        end = first + len(data)
        self._check_epoch()
        self._greet()
        self._brake.refresh()
        on_the_way = self._on_the_way
        floor = max(end - self._port.capacity, on_the_way[0] if len(on_the_way) == on_the_way.maxlen else 0)
        if floor > self._brake.limit:
            self._brake.hold(floor)
            self._check_epoch()
        on_the_way.append(first)
        frames = self._codec.encode(ChunkInfo(first, len(data), self._clock(), origin, self._epoch), data, timestamps)
        # Before it is sent: nobody may find a reader's position ahead of what was produced.
        ints[StreamColumn.PRODUCED] = self._sequence = end
        ints[StreamColumn.CHUNKS] += 1
        ints[StreamColumn.BYTES] += size
        self._floats[StreamColumn.LAST_TIMESTAMP] = float(timestamps[-1])
        self._socket.send_multipart(frames)

    def _check_epoch(self) -> None:
        """Raise unless this writer still holds the stream and is open."""
        held = self._ints[StreamColumn.EPOCH]
        if held != self._epoch:
            # Readers that are still connected here look for the new one then.
            self._let_go()
            raise Fenced(
                f"stream {self.spec.name!r}: this writer's epoch {self._epoch} is over, epoch {held} holds the stream"
            )
        if self._closed:
            raise UsageError(f"stream {self.spec.name!r}: the writer is closed, it publishes no more")

    def _greet(self) -> None:
        """Answer readers that came: they need to know from which sample on they get everything."""
        while cast(int, self._socket.get(zmq.EVENTS)) & zmq.POLLIN:
            subscription = self._socket.recv()
            token = subscription[1 + len(wire.hello_topic(b"")) :]
            if subscription[:1] == b"\x01" and len(token) == wire.TOKEN_BYTES:
                self._socket.send_multipart(wire.hello(token, self._epoch, self._sequence))

    def wait_for_readers(self, count: int, timeout: float) -> bool:
        """Whether `count` of the stream's readers were ready before `timeout` seconds were over."""

        def pause(seconds: float) -> None:
            self._socket.poll(max(1, round(seconds * 1000)))
            self._greet()

        return wait_for_readers(self._edges, count, timeout, self._clock, pause)

    def stop_blocking(self) -> None:
        """Wait for no reader any more, nor in a publish now waiting; from any thread."""
        self._brake.release()

    def give_up_hope(self) -> None:
        """Wait for no reader any more that is away; from any thread."""
        self._brake.give_up_hope()

    def close(self) -> None:
        """Tell readers that no more comes, and let go; what was sent still gets to them, for up to a second."""
        if not self._closed and self._ints[StreamColumn.EPOCH] == self._epoch:
            self._greet()
            self._socket.send_multipart(wire.end(self._epoch, self._sequence))
            self._ints[StreamColumn.ENDED] = 1
        self._let_go()

    def _let_go(self) -> None:
        if not self._closed:
            self._closed = True
            self._socket.close()
            zmq_context.release()

    def __enter__(self) -> ZmqWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _listen(address: str) -> int:
    """A listening socket at an ``ipc://`` endpoint, in place of what a writer before left there.

    Made here and not by libzmq, which removes the file when *it* closes: a fenced writer would take its successor's.
    """
    path = Path(address.removeprefix(_IPC))
    path.unlink(missing_ok=True)
    listener: Any = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        listener.bind(str(path))
        os.chmod(path, 0o600)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return int(listener.detach())
