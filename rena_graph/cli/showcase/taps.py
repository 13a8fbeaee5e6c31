"""Listens to an example as any ZMQ client outside would: over ports of its own choice, in a thread."""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import zmq

from rena_graph.graph.document import OutputDef, ZmqSink
from rena_graph.graph.load import checked_graph
from rena_graph.graph.model import Graph

__all__ = ["Point", "Sample", "Taps", "with_taps"]

MAX_CHANNELS = 256
"""One message a sample is not for video."""
KEPT = 100_000
POLL_MS = 50


@dataclass(frozen=True)
class Point:
    """Where one stream can be heard.

    Parameters
    ----------
    stream, node : str
        The stream, and who makes it.
    topic : str
        Under which its messages come.
    port : int
        On 127.0.0.1.
    dtype : numpy.dtype
        Of its samples, little-endian.
    unit : str | None
        Of its values.
    """

    stream: str
    node: str
    topic: str
    port: int
    dtype: np.dtype[Any]
    unit: str | None


@dataclass(frozen=True)
class Sample:
    """One sample: graph time in seconds, and a value per channel."""

    time: float
    values: tuple[float, ...]


def with_taps(graph: Graph) -> tuple[Graph, list[Point]]:
    """`graph` with a ZMQ broadcast, on a port that is free now, of every narrow stream that leaves the cascade.

    Those are the streams that are broadcast anyway or that no node takes. An example's own ports are replaced, so that
    it runs also where somebody uses them.
    """
    points: list[Point] = []
    nodes = dict(graph.nodes)
    ports = iter(_free_ports(sum(len(node.outputs) for node in graph.nodes.values())))
    for node_name, node in graph.nodes.items():
        outputs = dict(node.outputs)
        for name, output in node.outputs.items():
            leaves = output.to.lsl or output.to.zmq or not graph.consumers(name)
            if not leaves or output.dtype == "string" or output.channels > MAX_CHANNELS:
                continue
            port = next(ports)
            topic = (output.to.zmq.topic if output.to.zmq is not None else None) or name
            outputs[name] = _broadcast(output, ZmqSink(bind="127.0.0.1", port=port, topic=topic))
            dtype = np.dtype(output.dtype).newbyteorder("<")
            points.append(Point(name, node_name, topic, port, dtype, output.unit))
        nodes[node_name] = node.model_copy(update={"outputs": outputs})
    return checked_graph(graph, graph.document.model_copy(update={"nodes": nodes})), points


def _broadcast(output: OutputDef, sink: ZmqSink) -> OutputDef:
    return output.model_copy(update={"to": output.to.model_copy(update={"zmq": sink})})


def _free_ports(count: int) -> list[int]:
    """So many different ones: all are held until the last is found, or the system may give one of them twice."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


class Taps:
    """Listens at several points until it is closed.

    Parameters
    ----------
    points : list of Point
        As :func:`with_taps` gives them.
    """

    def __init__(self, points: list[Point]) -> None:
        self.samples: dict[str, deque[Sample]] = {point.stream: deque(maxlen=KEPT) for point in points}
        """By stream; the newest last."""
        self._points = points
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="rena-demo-taps", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with zmq.Context() as context:
            poller = zmq.Poller()
            open_points: dict[zmq.Socket[bytes], Point] = {}
            for point in self._points:
                subscriber = context.socket(zmq.SUB)
                subscriber.linger = 0
                subscriber.subscribe(point.topic)
                subscriber.connect(f"tcp://127.0.0.1:{point.port}")
                poller.register(subscriber, zmq.POLLIN)
                open_points[subscriber] = point
            while not self._stop.is_set():
                for ready, _ in poller.poll(POLL_MS):
                    self._take(open_points[ready], ready.recv_multipart())
            for subscriber in open_points:
                subscriber.close()

    def _take(self, point: Point, message: list[bytes]) -> None:
        topic, stamp, raw = message
        if topic.decode() == point.topic:
            values = tuple(float(value) for value in np.frombuffer(raw, point.dtype))
            self.samples[point.stream].append(Sample(struct.unpack("<d", stamp)[0], values))

    def close(self) -> None:
        """Stop listening; what was heard stays."""
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Taps:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
