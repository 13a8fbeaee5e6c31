"""Sends one stream of this host to one other host: a thread that reads the ring, and counts what arrived."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import zmq

from rena_graph.errors import RenaGraphError, WireError
from rena_graph.transport.board import Board, EdgeColumn, StreamColumn
from rena_graph.transport.crossing.fast_link import open_outlet
from rena_graph.transport.crossing.flow import Outgoing, Span
from rena_graph.transport.crossing.keys import KeyPair, secure_client
from rena_graph.transport.crossing.messages import Data, Grant, Offer, pack, unpack
from rena_graph.transport.crossing.small import SmallCodec
from rena_graph.transport.interface import ChunkInfo, EdgeOptions, StreamPort
from rena_graph.transport.links import open_reader, open_waiter
from rena_graph.transport.punctual import be_punctual
from rena_graph.transport.ring_reader import RingReader
from rena_graph.transport.wire import Codec

if TYPE_CHECKING:
    from rena_graph.kernel._core import Outlet

__all__ = ["PIECE_BYTES", "Sender", "tune"]

log = logging.getLogger(__name__)

PIECE_BYTES = 256 * 1024
"""A message carries so many bytes of samples at most, or one sample; a frame of it no more."""
_BEHIND = 8
"""Chunks that wait before several go in one message."""
_HEARTBEAT = 0.25
"""Seconds between two words about where we are, so that a loss at the end is noticed."""
_NAP = 0.02
"""Seconds after which a sender that waits for samples looks for requests."""
_QUEUE = 1000


def tune(socket: zmq.Socket[bytes]) -> None:
    """What all sockets between hosts have in common: a peer that vanished is noticed, and looked for again."""
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, _QUEUE)
    socket.setsockopt(zmq.RCVHWM, _QUEUE)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 500)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 1500)
    socket.setsockopt(zmq.HEARTBEAT_TTL, 1500)
    socket.setsockopt(zmq.HANDSHAKE_IVL, 3000)
    socket.setsockopt(zmq.CONNECT_TIMEOUT, 1000)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)


class Sender:
    """One stream to one host; :meth:`close` ends it.

    Parameters
    ----------
    context : zmq.Context
        For its socket.
    port : StreamPort
        The ring.
    edge : EdgeOptions
        The row of the board on which it is counted what arrived, and what was lost on the way (reason ``link``).
    board : Board
        This host's counters.
    source : int
        Tells this ring from any other that ever carried the stream.
    endpoint : str
        Where the other host's receiver is.
    keys : (KeyPair, bytes) | None
        Our keys and the public one of the receiver; None: in the clear.
    failed : callable
        Told when it ends by an error.
    resume : bool
        Go on with the ledger of a sender before, of the same ring to the same host.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        port: StreamPort,
        edge: EdgeOptions,
        board: Board,
        source: int,
        endpoint: str,
        keys: tuple[KeyPair, bytes] | None,
        failed: Callable[[str, RenaGraphError], None],
        resume: bool = False,
    ) -> None:
        self._name = port.spec.name
        self._source = source
        self._codec = Codec(port.spec)
        self._small = SmallCodec(port.spec)
        self._piece = max(1, PIECE_BYTES // port.spec.sample_bytes)
        self._row = board.edge(edge.index).ints
        # What lies before is not for this link: its receiver counts from here.
        self._begin = self._row[EdgeColumn.START]
        known = (self._row[EdgeColumn.POSITION] - self._begin, self._row[EdgeColumn.DROPPED_LINK]) if resume else (0, 0)
        reader = open_reader(port, edge, board, start=self._begin)
        assert isinstance(reader, RingReader), "streams cross between hosts from ring to ring"
        self._reader = reader
        self._waiter = open_waiter("ring", [reader])
        self._stream_row = board.stream(port.index).ints
        self._flow = Outgoing(*known)
        self._count()
        self._failed = failed
        self._stop = threading.Event()
        self._asked = False
        self._socket = context.socket(zmq.DEALER)
        tune(self._socket)
        if keys is not None:
            secure_client(self._socket, *keys)
        self._socket.connect(endpoint)
        self._outlet = open_outlet(reader, self._waiter, self._socket, self._small)
        self._thread = threading.Thread(target=self._run, name=f"rena-send-{self._name}", daemon=True)

    def start(self) -> None:
        """Begin; everything is sent from where the edge's ledger begins, which is mostly the stream's first sample."""
        self._thread.start()

    def drained(self) -> bool:
        """Whether all that was published so far lies in the other host's ring; where not, it is asked at once."""
        if self._flow.arrived >= self._bounds()[1]:
            return True
        self._asked = True
        self._waiter.doorbell.ring()
        return False

    def close(self) -> None:
        """End it. What has not arrived yet stays where it is."""
        self._stop.set()
        self._waiter.doorbell.ring()
        if self._thread.ident is not None:
            self._thread.join(5.0)
        self._outlet = None
        self._waiter.close()
        self._reader.close()
        self._socket.close(linger=0)

    def _run(self) -> None:
        be_punctual()
        try:
            self._send_forever()
        except RenaGraphError as error:
            self._failed(f"stream {self._name!r} to another host", error)
        except Exception as error:
            log.exception("stream %r to another host", self._name)
            text = f"stream {self._name!r} to another host: {type(error).__name__}: {error}"
            self._failed(f"stream {self._name!r} to another host", RenaGraphError(text))

    def _send_forever(self) -> None:
        next_word = 0.0
        while not self._stop.is_set():
            # What woke us is mostly a chunk: it leaves before anything else is seen to.
            broken_off = self._send_some()
            heard = self._hear()
            now = time.monotonic()
            if now >= next_word or self._asked:
                self._asked = False
                self._say_where()
                next_word = now + _HEARTBEAT
            if broken_off or heard:
                continue
            if self._flow.granted and self._flow.allowed:
                self._wait(now + _NAP)
            else:
                self._socket.poll(int(_NAP * 1000))

    def _wait(self, deadline: float) -> None:
        """For the ring; what is small is sent before this returns, and nothing else looked at until then."""
        flow, outlet = self._flow, self._outlet
        if outlet is None or not flow.smooth:
            self._waiter.wait(deadline, True)
            return
        while allowed := flow.allowed:
            sent = outlet.wait_and_send(deadline, flow.generation, flow.next + self._begin, flow.next, allowed)
            if sent <= 0:
                return  # its time is up, somebody rang, or it is for Python to see to
            flow.sent(Span(flow.next, sent, 0))
            # What came with it: no bell rings for that again.
            if self._send_waiting(outlet) < 0 or time.monotonic() >= deadline:
                return

    def _send_waiting(self, outlet: Outlet) -> int:
        """Send what is small and allowed; -1 where something else comes next, else 0."""
        flow = self._flow
        while (sent := outlet.send(flow.generation, flow.next + self._begin, flow.next, flow.allowed)) > 0:
            flow.sent(Span(flow.next, sent, 0))
        return sent

    def _hear(self) -> bool:
        """Whether the receiver said anything."""
        heard = False
        while self._socket.poll(0):
            heard = True
            frames = self._socket.recv_multipart()
            try:
                message = unpack(frames)
            except WireError as problem:
                log.warning("stream %r: the receiver sent %s", self._name, problem)
                continue
            if isinstance(message, Grant) and message.stream == self._name:
                self._flow.hear(message)
                self._count()
        return heard

    def _count(self) -> None:
        row, flow = self._row, self._flow
        row[EdgeColumn.DROPPED_LINK] = flow.lost
        row[EdgeColumn.DELIVERED] = flow.arrived - flow.lost
        row[EdgeColumn.POSITION] = flow.arrived + self._begin

    def _bounds(self) -> tuple[int, int]:
        """Of the ring, as the receiver counts."""
        floor, committed = self._reader.bounds()
        return floor - self._begin, committed - self._begin

    def _say_where(self) -> None:
        _, committed = self._bounds()
        ended = bool(self._stream_row[StreamColumn.ENDED])
        self._post([pack(Offer(self._name, self._source))])
        if self._flow.granted:
            self._post([pack(self._flow.position(self._name, ended, committed))])

    def _send_some(self) -> bool:
        """Send what may be sent and is there; whether that was broken off since the receiver said something.

        Asked is between two messages only: a look at the socket takes a tenth of what a message does.
        """
        first = True
        while not self._stop.is_set():
            floor, committed = self._bounds()
            span = self._flow.span(floor, committed, self._piece)
            if span is None:
                return False
            if not first and self._socket.poll(0):
                return True
            if not (self._send_quickly(span) or self._send(span)):
                return False
            first = False
        return False

    def _send_quickly(self, span: Span) -> bool:
        """Whether the kernel could send the next chunk of it."""
        if self._outlet is None or span.skipped:
            return False
        at = span.first + self._begin
        sent = self._outlet.send(self._flow.generation, at, span.first, span.count)
        if sent <= 0:
            return False
        self._flow.sent(Span(span.first, sent, 0))
        return True

    def _send(self, span: Span) -> bool:
        at = span.first + self._begin
        chunk = self._reader.chunk_at(at)
        count, origin, epoch = span.count, float("nan"), 0
        if chunk is not None:
            origin, epoch = chunk.origin, chunk.epoch
            left = chunk.first + chunk.count - at
            # Chunk by chunk, so that each keeps its origin; not where that would only make us slower.
            if left < count < _BEHIND * max(1, left):
                count = left
        data, stamps = self._reader.look(at, count)
        generation = self._flow.generation
        if count <= self._small.most:
            frames = [self._small.encode(generation, span.skipped, span.first, origin, data, stamps)]
        else:
            data, stamps = np.array(data), np.array(stamps)
            info = ChunkInfo(span.first, count, 0.0, origin, epoch)
            *heads, payload = self._codec.encode(info, data, stamps)
            frames = [pack(Data(self._name, generation, span.skipped)), *heads, *_pieces(payload)]
        if not self._reader.intact(at) or len(data) != count:
            return True  # overtaken: the next look finds the new floor
        if not self._post(frames):
            return False
        self._flow.sent(Span(span.first, count, span.skipped))
        return True

    def _post(self, frames: list[Any]) -> bool:
        """Whether the queue took it."""
        try:
            self._socket.send_multipart(cast("list[bytes]", frames), zmq.DONTWAIT, copy=False)
        except zmq.Again:
            return False
        return True


def _pieces(payload: Any) -> list[Any]:
    """A long one in frames that are encrypted and decrypted one by one, while the others are on their way."""
    view = memoryview(payload).cast("B")
    if len(view) <= PIECE_BYTES:
        return [payload]
    return [view[start : start + PIECE_BYTES] for start in range(0, len(view), PIECE_BYTES)]
