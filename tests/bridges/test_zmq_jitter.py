"""A ZMQ source behind a link that delays every piece by 5 to 200 ms: order kept, nothing lost, never called silent."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import zmq

from rena_graph.bridges.base import DeclaredFormat, SourceState
from rena_graph.bridges.zmq_source import ZmqSourceBridge
from rena_graph.graph.document import ZmqSource
from rena_graph.transport.board import StreamColumn
from tests.limits import LIMIT

pytestmark = pytest.mark.faults

SAMPLES, RATE = 300, 100.0
LEAST, MOST = 0.005, 0.2
"""Seconds by which a piece is delayed: what comes meanwhile follows in one, as over a bad radio link."""


class SlowLink:
    """Forwards one connection to a port, each piece after a wait of its own."""

    def __init__(self, port: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LIMIT)
        self.port = int(self._listener.getsockname()[1])
        self._target = port
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            end, _ = self._listener.accept()
            other = socket.create_connection(("127.0.0.1", self._target))
            self._ends += [end, other]
            back = threading.Thread(target=self._pump, args=(end, other), daemon=True)
            self._threads.append(back)
            back.start()
            self._pump(other, end)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                time.sleep(self._random.uniform(LEAST, MOST))
                target.sendall(piece)

    def close(self) -> None:
        for end in [*self._ends, self._listener]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(LIMIT)


@pytest.fixture
def publisher() -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context, context.socket(zmq.XPUB) as made:
        context.linger = 0
        made.sndhwm = 0
        made.bind("tcp://127.0.0.1:*")
        yield made


@pytest.fixture
def link(publisher: zmq.Socket[bytes]) -> Iterator[SlowLink]:
    address = publisher.getsockopt_string(zmq.LAST_ENDPOINT)
    made = SlowLink(int(address.rsplit(":", 1)[1]), seed=16)
    yield made
    made.close()


@pytest.mark.parametrize("clock", ["lsl", "arrival"])
def test_what_is_delayed_arrives_in_order_with_stamps_that_never_step_back(
    clock: Any, publisher: zmq.Socket[bytes], link: SlowLink, running: Callable[..., Any]
) -> None:
    declared = DeclaredFormat(2, RATE, "float32")
    run = running(ZmqSourceBridge("Gaze", ZmqSource(port=link.port, clock=clock), declared, time.monotonic))
    assert publisher.poll(int(1000 * LIMIT))
    assert publisher.recv() == b"\x01Gaze"
    run.wait_state(SourceState.CONNECTED)
    began = time.monotonic()
    states = set()
    for number in range(SAMPLES):
        stamp = began + number / RATE
        time.sleep(max(0.0, stamp - time.monotonic()))
        publisher.send_multipart([b"Gaze", struct.pack("<d", stamp), struct.pack("<2f", number, -number)])
        states.add(run.column(StreamColumn.SOURCE_STATE))
    assert run.stream.wait_for(SAMPLES, LIMIT)
    np.testing.assert_array_equal(run.stream.data[:, 0], np.arange(SAMPLES))
    stamps = run.stream.timestamps
    assert np.all(np.diff(stamps) >= 0)
    assert len(states) == 1, "a delay of less than a second is no silence"
    if clock == "lsl":
        np.testing.assert_array_equal(stamps, began + np.arange(SAMPLES) / RATE)
        assert run.column(StreamColumn.SOURCE_GAPS) == 0
