"""Bridges in threads, their peers in processes of their own."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rena_graph.bridges.base import SinkBridge, SourceBridge, SourceState
from rena_graph.streams.spec import StreamSpec
from rena_graph.testing.memory import MemoryReader, MemoryStream, MemoryWaiter
from rena_graph.transport.board import StreamColumn
from tests.limits import LIMIT

PEERS = Path(__file__).parent / "peers"
_numbers = itertools.count()


class Peer:
    """A program of ``peers/``, spoken to in lines."""

    def __init__(self, program: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PEERS / program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        assert self.line() == "done"

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> None:
        """Ask it to end, by the end of its input."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(LIMIT)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


@pytest.fixture
def unique() -> str:
    """A stream name that no other test, and no other test run on this network, has."""
    return f"rgtest-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    started: list[Peer] = []

    def start(program: str, *arguments: str) -> Peer:
        started.append(Peer(program, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()
        elif one.process.stdout is not None and not one.process.stdout.closed:
            one.close()


@pytest.fixture
def outlet(peer: Callable[..., Peer]) -> Callable[..., Peer]:
    """Starts an outlet and waits until it is on the network."""

    def start(name: str, **config: Any) -> Peer:
        whole = {"channels": 2, "rate": 100.0, "format": "float32", "source_id": "a", **config, "name": name}
        one = peer("outlet.py", json.dumps(whole))
        assert one.line() == "ready"
        return one

    return start


class Running:
    """A source bridge at work."""

    def __init__(self, bridge: SourceBridge) -> None:
        assert bridge.spec is not None
        self.bridge = bridge
        self.stream = MemoryStream(bridge.spec)
        self.errors: list[BaseException] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rena-test-source")
        self._thread.start()

    def _run(self) -> None:
        try:
            self.bridge.run(self.stream.writer, self.stream.row, self._stop)
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.errors.append(error)

    def column(self, column: StreamColumn) -> int:
        return self.stream.row.ints[column]

    def wait_until(self, condition: Callable[[], bool], timeout: float = LIMIT) -> None:
        """Poll the board, as its readers do: nothing signals a change of a counter."""
        poll = threading.Event()
        for _ in range(int(timeout / 0.01)):
            if condition():
                return
            poll.wait(0.01)
        now = SourceState(self.column(StreamColumn.SOURCE_STATE))
        pytest.fail(f"not so after {timeout} s; the source is {now.name}; {self.errors}")

    def wait_state(self, state: SourceState) -> None:
        self.wait_until(lambda: self.column(StreamColumn.SOURCE_STATE) == state)

    def join(self, timeout: float = LIMIT) -> None:
        """Wait for the source's own end."""
        self._thread.join(timeout)
        assert not self._thread.is_alive()
        assert not self.errors, self.errors

    def stop(self) -> None:
        self._stop.set()
        self.join()
        self.bridge.close()


@pytest.fixture
def running() -> Iterator[Callable[[SourceBridge], Running]]:
    """Finds, prepares and runs a source; stops it after the test."""
    started: list[Running] = []

    def start(bridge: SourceBridge) -> Running:
        bridge.find(LIMIT, threading.Event())
        bridge.prepare()
        started.append(Running(bridge))
        return started[-1]

    yield start
    for one in started:
        one.stop()


class Draining:
    """A sink bridge at work on a stream in memory."""

    def __init__(self, bridge: SinkBridge, spec: StreamSpec) -> None:
        self.bridge = bridge
        self.stream = MemoryStream(spec)
        self.reader: MemoryReader = self.stream.reader()
        self._waiter = MemoryWaiter(self.reader)
        self._stop = threading.Event()
        arguments = (self.reader, self._waiter, self.reader.row, self._stop)
        self._thread = threading.Thread(target=bridge.run, args=arguments, name="rena-test-sink")
        bridge.prepare()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._waiter.ring()
        self._thread.join(LIMIT)
        assert not self._thread.is_alive()
        self.bridge.close()


@pytest.fixture
def draining() -> Iterator[Callable[[SinkBridge, StreamSpec], Draining]]:
    started: list[Draining] = []

    def start(bridge: SinkBridge, spec: StreamSpec) -> Draining:
        started.append(Draining(bridge, spec))
        return started[-1]

    yield start
    for one in started:
        one.stop()


class VirtualTime:
    """A clock that stands still, and a stop event whose waits advance it: sources run without waiting."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stop = _VirtualStop(self)

    def __call__(self) -> float:
        return self.now


class _VirtualStop(threading.Event):
    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self._time.now += timeout
        return self.is_set()


@pytest.fixture
def virtual() -> VirtualTime:
    return VirtualTime()
