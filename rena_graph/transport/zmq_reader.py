"""The reading end of a stream over ZMQ: a thread takes what arrives into a bounded inbox, the reader takes it there."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable

import numpy as np
import zmq

from rena_graph.errors import TransportError, UsageError, WireError
from rena_graph.transport import wire, zmq_context
from rena_graph.transport.board import Board, EdgeColumn, StreamColumn
from rena_graph.transport.edge_reader import EdgeReader
from rena_graph.transport.interface import ChunkInfo, EdgeOptions, Samples, Stamps, StreamPort
from rena_graph.transport.zmq_inbox import Inbox, joined
from rena_graph.transport.zmq_writer import queue_limit

__all__ = ["ZmqReader"]

logger = logging.getLogger(__name__)

_RECONNECT_MS = 10
_LARGE = 65536
"""Frames from this size on are used where libzmq put them; smaller ones are copied to where numpy wants them."""


class ZmqReader(EdgeReader):
    """One edge's end; see :class:`~rena_graph.transport.interface.StreamReader`.

    It counts as running (``ACTIVE``) once the writer has answered it: from then on nothing goes by unseen.

    Parameters
    ----------
    port : StreamPort
        Its address is the endpoint to connect to; nobody need be there yet.
    edge : EdgeOptions
        The edge's row on the board, and what to do when this reader cannot keep up.
    board : Board
        This host's counters.
    start : int | None
        Sequence number at which the ledger begins; by default where the writer's answer says.
    resume : bool
        Go on with the ledger of the edge's reader before.
    """

    def __init__(
        self, port: StreamPort, edge: EdgeOptions, board: Board, start: int | None = None, resume: bool = False
    ) -> None:
        super().__init__(port.spec, edge, board.edge(edge.index))
        self._port = port
        self._stream = board.stream(port.index).ints
        self._latest = edge.policy == "latest"
        self._inbox = Inbox(port.capacity)
        self._codec = wire.Codec(port.spec)
        self._token = os.urandom(wire.TOKEN_BYTES)
        self._empty = np.empty((0, port.spec.channels), port.spec.numpy_dtype)
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._failure: str | None = None
        self._end: int | None = None
        self._strange = 0
        self._gap = EdgeColumn.DROPPED_TRANSPORT
        self._fixed = self._open_ledger(start, resume)
        self._seen_from = self._position
        self._joined = False
        self._control, self._thread = self._start()

    def _open_ledger(self, start: int | None, resume: bool) -> bool:
        """Begin or go on; whether the place is settled already and not for the writer's answer to say."""
        if resume and self._ints[EdgeColumn.READER_EPOCH]:
            self._resume()
            self._gap = EdgeColumn.DROPPED_RESTART
            return True
        produced = self._stream[StreamColumn.PRODUCED]
        if start is not None and not 0 <= start <= produced:
            raise UsageError(f"stream {self.spec.name!r}: cannot start at {start}, {produced} were published")
        self._begin(produced if start is None else start)
        return start is not None

    def _start(self) -> tuple[zmq.Socket[bytes], threading.Thread]:
        context = zmq_context.acquire()
        near, far = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        name = f"inproc://{self._token.hex()}"
        near.bind(name)
        far.connect(name)
        subscriber = context.socket(zmq.SUB)
        subscriber.setsockopt(zmq.RCVHWM, queue_limit(self._port))
        subscriber.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        # Any version, so that a writer of another is heard and named; then the one that asks for an answer.
        subscriber.setsockopt(zmq.SUBSCRIBE, wire.MAGIC)
        subscriber.setsockopt(zmq.SUBSCRIBE, wire.hello_topic(self._token))
        try:
            subscriber.connect(self._port.address)
        except zmq.ZMQError as problem:
            for opened in (near, far, subscriber):
                opened.close(linger=0)
            zmq_context.release()
            raise TransportError(
                f"stream {self.spec.name!r}: cannot connect to {self._port.address}: {problem}"
            ) from problem
        thread = threading.Thread(
            target=self._pump, args=(subscriber, far), name=f"rena-zmq-{self.spec.name}", daemon=True
        )
        thread.start()
        return near, thread

    def _pump(self, subscriber: zmq.Socket[bytes], control: zmq.Socket[bytes]) -> None:
        poller = zmq.Poller()
        poller.register(subscriber, zmq.POLLIN)
        poller.register(control, zmq.POLLIN)
        try:
            while control not in dict(poller.poll()):
                self._receive(subscriber)
        except zmq.ZMQError as problem:
            self._failure = f"stream {self.spec.name!r}: receiving from {self._port.address} failed: {problem}"
            self._tell()
        finally:
            subscriber.close(linger=0)
            control.close(linger=0)

    def _receive(self, subscriber: zmq.Socket[bytes]) -> None:
        frames = subscriber.recv_multipart(copy=False)
        try:
            message = self._codec.decode([f.bytes if len(f.buffer) < _LARGE else f.buffer for f in frames])
        except WireError as problem:
            self._refuse(str(problem))
            return
        if isinstance(message, wire.Chunk):
            self._join(message.info.first)
            if not self._inbox.put(message):
                self._refuse(f"stream {self.spec.name!r}: {message.info} came again, or from a writer that is over")
                return
            self._end = None
        elif isinstance(message, wire.Hello):
            if message.token != self._token:
                return
            self._join(message.sequence)
            self._end = None
        else:
            self._end = message.sequence
        self._tell()

    def _refuse(self, what: str) -> None:
        """Say so, each time that the number of such messages has doubled."""
        self._strange += 1
        if self._strange & (self._strange - 1) == 0:
            logger.warning("%s (message %d of this kind was thrown away)", what, self._strange)

    def _join(self, sequence: int) -> None:
        """The writer has us from this sample on."""
        if self._joined:
            return
        with self._inbox.lock:
            if not self._fixed:
                self._begin(sequence)
                self._seen_from = sequence
            self._inbox.position = self._position
            self._inbox.expected = sequence
            self._activate()
            self._joined = True

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this from the receiving thread whenever something arrived."""
        self._listeners += (listener,)

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        self._listeners = tuple(known for known in self._listeners if known != listener)

    def pending(self) -> int:
        """Samples that can be taken now, up to the first hole, after counting what was lost or skipped.

        Raises
        ------
        TransportError
            Nothing can be received any more.
        """
        if self._failure is not None:
            raise TransportError(self._failure)
        if not self._joined:
            return 0
        settled = self._inbox.settle(self._latest)
        if settled.position != self._position:
            self._drop(settled.overrun, EdgeColumn.DROPPED_OVERRUN)
            self._drop(settled.skipped, EdgeColumn.DROPPED_LATEST)
            self._drop(settled.missing, self._gap)
        if settled.available:
            self._gap = EdgeColumn.DROPPED_TRANSPORT
        self._available = settled.available
        return settled.available

    def peek(self, limit: int | None = None) -> tuple[Samples, Stamps]:
        """The oldest `limit` of the samples that :meth:`pending` found; read-only where they came in one chunk."""
        count = self._available if limit is None else min(limit, self._available)
        return joined(*self._inbox.span(count), self._empty)

    def commit(self, count: int) -> bool:
        """Take `count` samples of the last peek; False when newer ones had pushed them out meanwhile."""
        self._check(count)
        with self._inbox.lock:
            if self._inbox.overtaken():
                self.pending()
                self._available = 0
                return False
            if count:
                stamps = self._inbox.span(count)[1]
                self._inbox.take(count)
                self._deliver(count)
                self._floats[EdgeColumn.LAST_TIMESTAMP] = float(stamps[-1][-1])
        return True

    def skip(self, count: int, reason: str = "window") -> None:
        """Pass over the oldest `count` pending samples, counted as dropped for `reason`."""
        self._check(count)
        with self._inbox.lock:
            if self._inbox.overtaken():
                # Some of them are gone already; those count as what happened to them.
                end = self._position + count
                self.pending()
                count = min(max(0, end - self._position), self._available)
            super().skip(count, reason)
            self._inbox.take(count)

    def intact(self, first: int) -> bool:
        """True: what was handed out is this process's own memory, which nobody overwrites."""
        return True

    def window(self, count: int) -> tuple[Samples, Stamps, int]:
        """The newest `count` samples up to the read position, and the first one's sequence number."""
        data, stamps = joined(*self._inbox.behind(count, self._seen_from), self._empty)
        return data, stamps, self._position - len(stamps)

    def newest(self) -> ChunkInfo | None:
        """The newest chunk that arrived, taken or not."""
        return self._inbox.newest()

    def chunk_at(self, sequence: int) -> ChunkInfo | None:
        """The chunk that holds the sample of this sequence number, while it is remembered."""
        return self._inbox.find(sequence)

    @property
    def ended(self) -> bool:
        """Whether the writer said that no more comes, and all was taken."""
        end = self._end
        if end is None or self.pending():
            return False
        if self._joined and end > self._position:
            # The last samples never came.
            self._drop(end - self._position, self._gap)
            self._inbox.pass_over(self._position)
        return True

    def close(self) -> None:
        """Let go; the edge no longer holds up a writer."""
        if self._closed:
            return
        super().close()
        with contextlib.suppress(zmq.Again):  # a thread that failed listens no more
            self._control.send(b"", zmq.NOBLOCK)
        self._thread.join()
        self._control.close(linger=0)
        zmq_context.release()
