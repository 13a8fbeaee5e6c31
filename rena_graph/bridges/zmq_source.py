"""A ZMQ publisher in PhysioLabXR's format as a source."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import zmq
from zmq.utils.monitor import recv_monitor_message

from rena_graph.bridges.base import MAX_CHUNK_BYTES, Clock, SourceBridge, SourceState
from rena_graph.bridges.clocks import WallClock, offset_between
from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.bridges.timeline import Timeline
from rena_graph.bridges.zmq_wire import Malformed, Message, SampleCodec
from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.document import ZmqSource
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Row, StreamColumn
from rena_graph.transport.interface import StreamWriter

__all__ = ["ZmqSourceBridge"]

_POLL_MS = 200
_BATCH = 1024
_QUEUE_BYTES = 64 << 20
_MAX_QUEUE = 100_000
_SMALLEST_LIMIT = 1 << 20
_HEARTBEAT_MS, _HEARTBEAT_TIMEOUT_MS = 1000, 3000
_RECONNECT_MS, _RECONNECT_MAX_MS = 100, 1000
_RENEW_AFTER = 0.5
"""Seconds after which a lost connection that libzmq does not try to make again is made by us."""

_EVENTS = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED


class ZmqSourceBridge(SourceBridge):
    """Subscribes to one topic of a publisher.

    ``CONNECTED`` says that there is a publisher at the address, not that it sends. What arrives under our topic and is
    not a sample is counted (``SOURCE_REJECTED``), said once a second at most, and dropped. Messages much larger than a
    sample are not even read into memory: the connection is closed, and opened anew.

    Parameters
    ----------
    name, declared, clock
        See :class:`SourceBridge`; channels and rate must be declared, the dtype is float32 where it is not.
    source : ZmqSource
        Address, topic (the stream's name where left out), and what the sender's timestamps are.
    local : callable
        This host's LSL clock, in seconds; on Linux that is the monotonic clock.
    """

    def __init__(
        self, name: str, source: ZmqSource, declared: DeclaredFormat, clock: Clock, local: Clock = time.monotonic
    ) -> None:
        super().__init__(name, declared.completed(DeclaredFormat(dtype="float32")), clock)
        self.source = source
        host = f"[{source.host}]" if ":" in source.host else source.host
        self.endpoint = f"tcp://{host}:{source.port}"
        self._local = local
        self._wall = WallClock(clock)
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._was_lost = False
        self._renew_at = float("inf")
        if self.complete:
            self.spec = self.declared.spec(name)
            self._codec = SampleCodec(self.spec, source.topic or name)

    def find(self, timeout: float, cancel: threading.Event) -> StreamSpec:
        """The declared format, at once: the wire says nothing about it."""
        return self.declared.spec(self.name) if self.spec is None else self.spec

    def prepare(self) -> None:
        """Connect; what is published from then on is kept."""
        if self._socket is not None:
            return
        spec = self._known()
        self._context = zmq.Context()
        socket = self._socket = self._context.socket(zmq.SUB)
        socket.linger = 0
        socket.rcvhwm = int(min(max(2, _QUEUE_BYTES // spec.sample_bytes), _MAX_QUEUE))
        socket.set(zmq.MAXMSGSIZE, max(4 * spec.sample_bytes, _SMALLEST_LIMIT))
        socket.set(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
        socket.set(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT_MS)
        socket.set(zmq.RECONNECT_IVL, _RECONNECT_MS)
        socket.set(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
        socket.set(zmq.IPV6, ":" in self.source.host)
        socket.subscribe(self._codec.topic)
        self._monitor = socket.get_monitor_socket(_EVENTS)
        try:
            socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise EnvironmentRefused(
                f"stream {self.name!r}: {self.endpoint} is no address that ZMQ can connect to: {error.strerror}"
            ) from error

    def run(self, writer: StreamWriter, row: Row, stop: threading.Event) -> None:
        """See :meth:`SourceBridge.run`."""
        self.prepare()
        assert self._socket is not None
        assert self._monitor is not None
        timeline = Timeline.of(self._known().rate, row)
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        self._was_lost = row.ints[StreamColumn.SOURCE_STATE] == SourceState.LOST
        if not self._was_lost:
            self.enter(row, SourceState.WAITING, "waiting for a publisher at %s", self.endpoint)
        while not stop.is_set():
            ready = dict(poller.poll(_POLL_MS))
            if self._socket in ready:
                self._read(self._socket, timeline, writer, row)
            if self._monitor in ready:
                self._follow(self._monitor, row)
            if self._local() >= self._renew_at:
                self._renew(self._socket)

    def close(self) -> None:
        """Disconnect."""
        if self._socket is not None:
            self._socket.disable_monitor()
            self._socket.close()
            self._socket = None
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None
        if self._context is not None:
            self._context.term()
            self._context = None

    def _follow(self, monitor: zmq.Socket[bytes], row: Row) -> None:
        """Take in what became of the connection."""
        while monitor.poll(0):
            event = recv_monitor_message(monitor)["event"]
            self._renew_at = float("inf")
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                row.add(StreamColumn.SOURCE_RECOVERIES, int(self._was_lost))
                self._was_lost = False
                self.enter(row, SourceState.CONNECTED, "connected to the publisher at %s", self.endpoint)
            elif event == zmq.EVENT_DISCONNECTED and row.ints[StreamColumn.SOURCE_STATE] == SourceState.CONNECTED:
                self._was_lost = True
                self._renew_at = self._local() + _RENEW_AFTER
                self.enter(row, SourceState.LOST, "the publisher at %s is gone; connecting again", self.endpoint)

    def _renew(self, socket: zmq.Socket[bytes]) -> None:
        """Connect anew. After a message beyond its size limit libzmq closes the connection for good."""
        self._renew_at = float("inf")
        socket.disconnect(self.endpoint)
        socket.connect(self.endpoint)

    def _read(self, socket: zmq.Socket[bytes], timeline: Timeline, writer: StreamWriter, row: Row) -> None:
        """Publish what has arrived, as one chunk."""
        stamps: list[float] = []
        payloads: list[bytes] = []
        room = MAX_CHUNK_BYTES
        to_graph = self._to_graph()
        for _ in range(_BATCH):
            try:
                parts: list[Any] = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            message = self._codec.decode(parts)
            if isinstance(message, Message):
                stamp = message.timestamp
                stamps.append(self.clock() if stamp is None or to_graph is None else stamp + to_graph)
                payloads.append(message.payload)
                room -= len(message.payload)
                if room <= 0:
                    break
            elif isinstance(message, Malformed):
                row.add(StreamColumn.SOURCE_REJECTED)
                self.say.warning("malformed", "stream %r: dropped a message with %s", self.name, message.reason)
        if payloads:
            timestamps = timeline.clean(np.array(stamps), self.clock(), row)
            writer.publish(self._codec.join(payloads), timestamps, float(timestamps[0]))

    def _to_graph(self) -> float | None:
        """Seconds from the sender's clock to graph time, for all that has arrived by now; None: arrival counts."""
        if self.source.clock == "arrival":
            return None
        return self._wall.offset() if self.source.clock == "unix" else offset_between(self.clock, self._local)
