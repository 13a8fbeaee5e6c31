"""A stream of the graph as a ZMQ publisher in PhysioLabXR's format."""

from __future__ import annotations

import errno
import time
from typing import Any, ClassVar

import numpy as np
import zmq
from numpy.typing import NDArray

from rena_graph.bridges.base import Clock, SinkBridge
from rena_graph.bridges.clocks import offset_between
from rena_graph.bridges.zmq_wire import SampleCodec
from rena_graph.errors import EnvironmentRefused, PortTaken
from rena_graph.graph.document import ZmqSink
from rena_graph.streams.spec import StreamSpec

__all__ = ["ZmqSinkBridge"]

_QUEUE_BYTES = 64 << 20
_MAX_QUEUE = 100_000
_LINGER_MS = 500
_COPY_BELOW = 65536
"""Bytes; below, copying a message is cheaper than keeping count of who still holds it."""


class ZmqSinkBridge(SinkBridge):
    """Publishes one message a sample: topic, float64 timestamp on this host's LSL clock, the sample's bytes.

    A subscriber that cannot keep up loses messages, as with every PUB socket; its queue is bounded.

    Parameters
    ----------
    spec, clock
        See :class:`SinkBridge`.
    sink : ZmqSink
        Where to bind, and the topic (the stream's name where left out).
    local : callable
        This host's LSL clock, in seconds.

    Raises
    ------
    StreamFormatError
        The stream is text.
    """

    refusals: ClassVar[tuple[type[Exception], ...]] = (zmq.ZMQError,)

    def __init__(self, spec: StreamSpec, sink: ZmqSink, clock: Clock, local: Clock = time.monotonic) -> None:
        super().__init__(spec, clock)
        host = f"[{sink.bind}]" if ":" in sink.bind else sink.bind
        self.endpoint = f"tcp://{host}:{sink.port}"
        self._sink = sink
        self._local = local
        self._codec = SampleCodec(spec, sink.topic or spec.name)
        self._copy = spec.sample_bytes < _COPY_BELOW
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None

    def prepare(self) -> None:
        """Bind the port."""
        if self._socket is not None:
            return
        self._context = zmq.Context()
        socket = self._socket = self._context.socket(zmq.PUB)
        socket.linger = _LINGER_MS
        socket.sndhwm = int(min(max(2, _QUEUE_BYTES // max(1, self.spec.sample_bytes)), _MAX_QUEUE))
        socket.set(zmq.IPV6, ":" in self._sink.bind)
        try:
            socket.bind(self.endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise self._refusal(error) from error

    def send(self, data: NDArray[Any], timestamps: NDArray[np.float64]) -> None:
        """Publish one message a sample."""
        self.prepare()
        assert self._socket is not None
        stamps = (timestamps + offset_between(self._local, self.clock)).tolist()
        send, more, copy = self._socket.send, zmq.SNDMORE, self._copy
        for topic, stamp, sample in self._codec.encode(data, stamps):
            # One by one: `send_multipart` looks at each part twice.
            send(topic, more)
            send(stamp, more)
            send(sample, 0, copy)

    def close(self) -> None:
        """Free the port, after subscribers had a moment to get what is queued."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._context is not None:
            self._context.term()
            self._context = None

    def _refusal(self, error: zmq.ZMQError) -> EnvironmentRefused:
        where = f"stream {self.spec.name!r}: ZMQ cannot bind {self.endpoint}"
        if error.errno == errno.EADDRINUSE:
            return PortTaken(
                f'{where}: port {self._sink.port} is in use. Give another "port" in the output\'s "to", or end the '
                f"program that holds it (`ss -ltnp 'sport = :{self._sink.port}'` names it)"
            )
        return EnvironmentRefused(f'{where}: {error.strerror}. "bind" must be an address of this machine')
