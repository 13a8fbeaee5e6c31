"""A board and streams for one test, and processes that play at their other ends."""

from __future__ import annotations

import base64
import itertools
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Board, EdgeColumn, StreamColumn
from rena_graph.transport.edge_reader import DROP_COLUMNS
from rena_graph.transport.interface import EdgeOptions, StreamPort, StreamReader, StreamWriter
from rena_graph.transport.links import create_stream, open_reader, open_writer, remove_stream, segment_bytes
from tests.limits import LIMIT

Policy = Literal["fifo", "latest", "block"]
_PEER = Path(__file__).parent / "peer.py"
Opened = TypeVar("Opened")
_serial = itertools.count()


def numbered(first: int, count: int, channels: int = 1, dtype: str = "float64") -> NDArray[Any]:
    """Samples that carry their sequence number in every channel."""
    column = np.arange(first, first + count).astype(dtype)
    return np.repeat(column[:, None], channels, axis=1)


def stamps(first: int, count: int) -> NDArray[np.float64]:
    """Timestamps that tell the sequence number too: a millisecond a sample."""
    return np.arange(first, first + count) / 1000


class Peer:
    """A process that plays one end; it says ``ready``, waits for a line, and reports one line of JSON at the end."""

    def __init__(self, role: str, port: StreamPort, board: Path, **options: Any) -> None:
        facts = {"role": role, "port": port, "board": board, **options}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(_PEER), base64.b64encode(pickle.dumps(facts)).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> Peer:
        """Wait until it has opened its end."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self

    def go(self) -> None:
        """Let it begin, or, where it began, end."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def report(self) -> dict[str, Any]:
        """What it found, after its end."""
        out, _ = self.process.communicate(timeout=LIMIT)
        assert self.process.returncode == 0, out
        result: dict[str, Any] = json.loads(out.splitlines()[-1])
        return result

    def close(self) -> None:
        """End it whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Stage:
    """Opens ends of streams over one transport and closes them all."""

    def __init__(self, transport: Literal["ring", "zmq"], folder: Path, streams: int = 4, edges: int = 8) -> None:
        self.transport = transport
        self.folder = folder
        self.path = folder / "board"
        self.board = Board.create(self.path, streams=streams, edges=edges, nodes=0)
        self.ports: list[StreamPort] = []
        self._opened: list[Any] = []

    def port(self, spec: StreamSpec | None = None, capacity: int = 1024, edges: tuple[int, ...] = (0, 1)) -> StreamPort:
        """A stream of its own (by default one channel of float64), allocated."""
        name = f"rgtest-{os.getpid()}-{next(_serial)}"
        address = f"/dev/shm/{name}" if self.transport == "ring" else f"ipc://{self.folder}/{name}"
        spec = spec or StreamSpec("s", 1, "float64", 1000.0)
        port = StreamPort(spec, self.transport, address, capacity, len(self.ports), edges)
        create_stream(port)
        self.ports.append(port)
        return port

    def writer(self, port: StreamPort, epoch: int = 0) -> StreamWriter:
        return self._keep(open_writer(port, self.board, epoch))

    def reader(
        self,
        port: StreamPort,
        edge: int = 0,
        policy: Policy = "fifo",
        block_timeout: float = LIMIT,
        start: int | None = None,
        resume: bool = False,
    ) -> StreamReader:
        options = EdgeOptions(edge, policy, block_timeout)
        return self._keep(open_reader(port, options, self.board, start=start, resume=resume))

    def pair(self, port: StreamPort, policy: Policy = "fifo", **options: Any) -> tuple[StreamWriter, StreamReader]:
        """Both ends, ready."""
        reader = self.reader(port, 0, policy, **options)
        writer = self.writer(port)
        assert writer.wait_for_readers(1, LIMIT)
        return writer, reader

    def peer(self, role: str, port: StreamPort, **options: Any) -> Peer:
        return self._keep(Peer(role, port, self.path, **options))

    def _keep(self, opened: Opened) -> Opened:
        self._opened.append(opened)
        return opened

    def settle(self, reader: StreamReader, produced: int) -> None:
        """Wait until all that was produced is either pending or accounted for: ZMQ takes its time."""
        until(lambda: reader.position + reader.pending() >= produced)

    def edge(self, column: EdgeColumn, edge: int = 0) -> int:
        return int(self.board.edge(edge).ints[column])

    def stream(self, column: StreamColumn, stream: int = 0) -> int:
        return int(self.board.stream(stream).ints[column])

    def dropped(self, edge: int = 0) -> dict[str, int]:
        """What was dropped, by reason, zeros left out."""
        found = {reason: self.edge(column, edge) for reason, column in DROP_COLUMNS.items()}
        return {reason: count for reason, count in found.items() if count}

    def balanced(self, edge: int = 0, stream: int = 0) -> bool:
        """Whether the edge's ledger is in order."""
        taken = self.edge(EdgeColumn.DELIVERED, edge) + sum(self.dropped(edge).values())
        position = self.edge(EdgeColumn.POSITION, edge)
        return (
            taken == position - self.edge(EdgeColumn.START, edge)
            and self.stream(StreamColumn.PRODUCED, stream) >= position
        )

    def close(self) -> None:
        for opened in reversed(self._opened):
            opened.close()
        for port in self.ports:
            remove_stream(port)
            assert segment_bytes(port) == 0 or not Path(port.address).exists()
        self.board.close()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def until(condition: Callable[[], object]) -> None:
    """Wait for something that another thread or process does, with a limit."""
    deadline = time.monotonic() + LIMIT
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        pause.wait(0.001)


def take(reader: StreamReader) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Take all that is pending: copies, and only what :meth:`commit` vouches for."""
    data, times = [], []
    while reader.pending():
        view, at = reader.peek()
        values, copies = view.copy(), at.copy()
        if reader.commit(len(copies)):
            data.append(values)
            times.append(copies)
    if not data:
        return reader.peek(0)
    return np.concatenate(data), np.concatenate(times)
