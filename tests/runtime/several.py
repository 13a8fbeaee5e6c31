"""Several hosts of a run in one process, each with rings, a board and links of its own, over loopback."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from rena_graph.runtime.clock import Clock, SystemClock
from rena_graph.runtime.host.crossings import Crossings, Peer
from rena_graph.runtime.hosts.host_clock import AgentClock
from rena_graph.runtime.plan import Crossing, HostPaths, Plan
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Board, EdgeColumn, StreamColumn
from rena_graph.transport.edge_reader import DROP_COLUMNS
from rena_graph.transport.interface import EdgeOptions, StreamPort, StreamReader, StreamWriter
from rena_graph.transport.links import create_stream, open_reader, open_writer, remove_stream
from tests.graph.documents import graph_of

__all__ = ["LOOPBACK", "Ahead", "Run", "Side"]

LOOPBACK = "tcp://127.0.0.1:*"
SPECS = {"X": StreamSpec("X", 3, "float64", 1000.0), "Y": StreamSpec("Y", 2, "string", 0.0)}
MADE = {"X": "a", "Y": "b"}
TAKEN = {"X": "bc", "Y": "a"}
EDGES = {("X", "b"): 1, ("X", "c"): 2, ("Y", "a"): 3}
"""Rows of what crosses; row 0 is that of a stream's reader, on whichever host."""


class Ahead(SystemClock):
    """The clock of a coordinator's host whose clock is so many seconds ahead."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.now = self._now

    def _now(self) -> float:
        return time.monotonic() + self._seconds


class Side:
    """One host."""

    def __init__(self, name: str, folder: Path, clock: Clock, capacity: int) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.clock = clock
        self.plan = _plan(name, folder, capacity)
        self.errors: list[str] = []
        self.board = Board.create(self.plan.paths.board, streams=len(SPECS), edges=4, nodes=0)
        for port in self.plan.ports.values():
            create_stream(port)
        self._opened: list[Any] = []
        self.crossings = self.made()

    def made(self) -> Crossings:
        """The links, not begun."""
        return Crossings(self.folder, self.clock, lambda what, error: self.errors.append(f"{what}: {error}"))

    def receive(self, allowed: dict[bytes, str], bind: str = LOOPBACK) -> str:
        return self.crossings.receive(self.plan, self.board, bind, allowed)

    def connect(self, peers: dict[str, Peer]) -> None:
        timekeeper = "a" if isinstance(self.clock, AgentClock) else None
        self.crossings.connect(self.plan, self.board, peers, timekeeper)

    def writer(self, stream: str, epoch: int = 0) -> StreamWriter:
        writer = open_writer(self.plan.ports[stream], self.board, epoch)
        self._opened.append(writer)
        return writer

    def reader(self, stream: str) -> StreamReader:
        reader = open_reader(self.plan.ports[stream], EdgeOptions(0), self.board)
        self._opened.append(reader)
        return reader

    def ledger(self, edge: int = 0) -> dict[str, int]:
        """Position, delivered, and what was dropped, by reason."""
        row = self.board.edge(edge).ints
        dropped = {reason: row[column] for reason, column in DROP_COLUMNS.items() if row[column]}
        return {"position": row[EdgeColumn.POSITION], "delivered": row[EdgeColumn.DELIVERED], **dropped}

    def counted(self, stream: str, column: StreamColumn) -> int:
        return int(self.board.stream(self.plan.ports[stream].index).ints[column])

    def close(self) -> None:
        self.crossings.close()
        for opened in reversed(self._opened):
            opened.close()
        for port in self.plan.ports.values():
            remove_stream(port)
        self.board.close()
        self.plan.paths.board.unlink()
        assert self.errors == []


def _plan(host: str, folder: Path, capacity: int) -> Plan:
    ports, incoming = {}, {}
    for index, (name, spec) in enumerate(SPECS.items()):
        if host in TAKEN[name]:
            incoming[name] = MADE[name]
        elif host != MADE[name]:
            continue
        address = f"/dev/shm/rgtest-{os.getpid()}-{host}{index}"
        ports[name] = StreamPort(spec, "ring", address, capacity, index, (0,) if name in incoming else ())
    outgoing = tuple(Crossing(s, to, edge) for (s, to), edge in EDGES.items() if MADE[s] == host)
    paths = HostPaths("r", folder, folder / "board")
    graph = graph_of({"n": {}})
    return Plan(graph, "ring", paths, ports, (), (), {}, host=host, incoming=incoming, outgoing=outgoing)


class Run:
    """Hosts `a`, `b`, `c`: numbers `X` go from `a` to `b` and `c`, words `Y` from `b` to `a`."""

    def __init__(self, folder: Path, clocks: dict[str, Clock] | None = None, capacity: int = 8192) -> None:
        self.sides = {
            name: Side(name, folder / name, (clocks or {}).get(name) or SystemClock(), capacity) for name in "abc"
        }
        self.a, self.b, self.c = self.sides.values()
        self.endpoints: dict[str, str] = {}

    @property
    def keys(self) -> dict[bytes, str]:
        """Of all hosts, and their names."""
        return {side.crossings.public_key: name for name, side in self.sides.items()}

    def peers(self, host: str) -> dict[str, Peer]:
        """All the others."""
        return {
            name: (self.endpoints[name], side.crossings.public_key) for name, side in self.sides.items() if name != host
        }

    def link(self) -> None:
        """As the coordinator does: all receive, then all connect."""
        for name, side in self.sides.items():
            self.endpoints[name] = side.receive(self.keys)
        for name, side in self.sides.items():
            side.connect(self.peers(name))

    def again(self, host: str) -> None:
        """Another agent takes the place of the one of this host; nobody else is told anything."""
        side = self.sides[host]
        side.crossings.close()
        side.crossings = side.made()
        assert side.receive(self.keys) == self.endpoints[host]
        side.connect(self.peers(host))

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        for side in self.sides.values():
            side.close()
