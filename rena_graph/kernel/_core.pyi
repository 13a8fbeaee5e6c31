"""What the compiled module offers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAYOUT: tuple[tuple[int, ...], ...]
SOURCE: str

class WriterCore:
    _sequence: int
    _floor: int
    _chunks: int
    _readers: int
    _epoch: int
    _limit: float
    def _attach_core(
        self,
        words: memoryview,
        bell: memoryview,
        data: NDArray[Any],
        stamps: NDArray[np.float64],
        records: memoryview,
        row: memoryview,
        record_bytes: int,
    ) -> None: ...
    def publish(self, data: NDArray[Any], timestamps: NDArray[np.float64], origin: float = ...) -> int: ...

class ReaderCore:
    _position: int
    _available: int
    _seen_from: int
    def _attach_core(
        self,
        words: memoryview,
        data: NDArray[Any],
        stamps: NDArray[np.float64],
        records: memoryview,
        row: memoryview,
        latest: bool,
        blocking: bool,
    ) -> None: ...
    def pending(self) -> int: ...
    def commit(self, count: int) -> bool: ...

class WindowCore:
    _data: NDArray[Any]
    _stamps: NDArray[np.float64]
    _first: int
    _end: int
    _mark: int
    _undo: Any
    _plain: bool
    version: int
    window: int
    @property
    def new_count(self) -> int: ...
    def __len__(self) -> int: ...
    def append(self, data: NDArray[Any], timestamps: NDArray[np.float64]) -> int: ...
    def mark(self) -> None: ...

class ViewCore:
    _data: NDArray[Any]
    _stamps: NDArray[np.float64]
    _end: int
    _cleared: int
    _new: int
    version: int
    window: int

class PortCore:
    _data: NDArray[Any]
    _stamps: NDArray[Any]
    _new: Any
    _seen: int
    _turned: bool
    buffer: Any
    name: str
    pair: list[NDArray[Any]] | None
    def begin_loop(self, shown: dict[str, list[NDArray[Any]]]) -> None: ...
    def make_room(self) -> None: ...
    def prepare(self) -> None: ...
    def refresh(self, shown: dict[str, list[NDArray[Any]]]) -> None: ...

class FeedCore:
    _behind: bool
    _first_viewed: int
    _newly_viewed: int
    _taken: list[tuple[int, float, float, float]]
    newest_timestamp: float
    def _attach_core(
        self, reader: ReaderCore, buffer: WindowCore | ViewCore, port: PortCore, lossless: bool
    ) -> None: ...
    def take(self, limit: int | None = None) -> None: ...
    def origin(self) -> float: ...
    def overtaken(self) -> bool: ...
    def settle(self) -> None: ...

class Sleeper:
    def __init__(
        self, words: tuple[tuple[int, bool], ...], longest: float, longest_on_data: float, held: object
    ) -> None: ...
    def wait(self, deadline: float | None, on_data: bool) -> None: ...

class Turn:
    def __init__(
        self,
        loop: object,
        feeds: tuple[Any, ...],
        viewed: tuple[Any, ...],
        ports: tuple[Any, ...],
        shown: dict[str, Any],
        info: object,
        outputs: dict[str, Any],
        senders: tuple[Any, ...] | None,
        commit: Callable[[], None],
        row: memoryview,
        sleeper: Sleeper | None,
        on_grid: type,
        beat: float,
        on_clock: bool,
        passes_on: bool,
        guarded: bool,
        /,
    ) -> None: ...
    @property
    def waits(self) -> bool: ...
    def due(self, pacer: object, readers: tuple[Any, ...], /) -> tuple[float, int] | None: ...
    def begin(self, now: float, /) -> int: ...
    def end(self, now: float, began: int, started: int, pacer: object, longest: float, /) -> None: ...

class Tally:
    def __init__(self, row: memoryview) -> None: ...
    def count(
        self,
        now: float,
        started: int,
        took: int,
        out: int,
        late: float,
        newest: float,
        made_of: float,
        longest: float,
        /,
    ) -> None: ...

class Commits:
    def __init__(
        self,
        cell: memoryview,
        even: tuple[tuple[memoryview, memoryview], ...],
        odd: tuple[tuple[memoryview, memoryview], ...],
    ) -> None: ...
    def commit(self) -> None: ...

class Outlet:
    def __init__(
        self, reader: ReaderCore, sleeper: Sleeper, socket: int, lead: bytes, identity: bytes, most: int
    ) -> None: ...
    def send(self, generation: int, at: int, first: int, allowed: int, /) -> int: ...
    def wait_and_send(self, deadline: float, generation: int, at: int, first: int, allowed: int, /) -> int: ...

class Intake:
    samples: int
    peer: bytes
    host: str | None
    frame: bytes
    more: bool
    def __init__(self, router: int, door: int) -> None: ...
    def admit(self, lead: bytes, identity: bytes, host: str | None, writer: WriterCore, /) -> int: ...
    def hear(self, slot: int, host: str, /) -> None: ...
    def forget(self, slot: int, /) -> None: ...
    def arm(self, slot: int, generation: int, next: int, /) -> None: ...
    def disarm(self, slot: int, /) -> None: ...
    def receive(self, milliseconds: int, /) -> int: ...

def use_zmq(addresses: tuple[int, ...], /) -> None: ...
def send(
    outputs: Mapping[str, object],
    senders: Sequence[tuple[str, WriterCore | None, Any, int]],
    now: float,
    origin: float,
    /,
) -> int: ...
