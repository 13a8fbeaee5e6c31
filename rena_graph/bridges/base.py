"""What every bridge is: the one interface through which samples enter a graph, and the one through which they leave.

A bridge lives in the host agent. Its life, in this order::

    source:  find()  prepare()  run(writer, row, stop)          close()
    sink:            prepare()  run(reader, waiter, row, stop)  close()

``find`` and ``prepare`` raise what is wrong before the graph starts; ``run`` blocks in a thread of its own and reports
what goes wrong outside through its row of the board and the log, never by an exception.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import IntEnum
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.bridges.say import Sayer
from rena_graph.errors import StreamFormatError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import EdgeColumn, Row, StreamColumn
from rena_graph.transport.histogram import bucket_of
from rena_graph.transport.interface import StreamReader, StreamWriter, Waiter

__all__ = ["Clock", "DeclaredFormat", "SinkBridge", "SourceBridge", "SourceState", "unsent"]

logger = logging.getLogger(__name__)

Clock = Callable[[], float]
"""Seconds; of graph time unless said otherwise."""

MAX_CHUNK_BYTES = 8 << 20
"""A bridge moves no more than this at a time, so that a burst does not double its memory."""

_POLL = 0.1
"""Seconds until a waiting sink notices a stop that nobody rang a doorbell for."""


class SourceState(IntEnum):
    """How an external stream is doing; stands in :attr:`StreamColumn.SOURCE_STATE`."""

    NONE = 0
    """Not an external stream."""
    WAITING = 1
    """Looked for, not seen yet."""
    CONNECTED = 2
    LOST = 3
    """Was there and went away; looked for."""
    ENDED = 4
    """Nothing more will come: a recording or a simulation is over."""
    REFUSED = 5
    """Is there, in another format than the graph's; waited for."""


class SourceBridge(ABC):
    """Brings one external stream into the graph.

    Parameters
    ----------
    name : str
        The stream's name in the graph.
    declared : DeclaredFormat
        What the graph says about it.
    clock : callable
        Graph time in seconds; advances at the rate of ``time.monotonic``.

    Attributes
    ----------
    spec : StreamSpec | None
        The complete format, once known: at once where the graph declares it all, else after :meth:`find`.
    """

    def __init__(self, name: str, declared: DeclaredFormat, clock: Clock) -> None:
        self.name = name
        self.declared = declared
        self.clock = clock
        self.spec: StreamSpec | None = None
        self.say = Sayer(logger)

    @property
    def complete(self) -> bool:
        """Whether the graph declares enough to start without having seen the stream."""
        return not self.declared.missing

    @abstractmethod
    def find(self, timeout: float, cancel: threading.Event) -> StreamSpec:
        """Complete the declared format from what is found outside.

        Parameters
        ----------
        timeout : float
            Seconds to wait for the stream at most. Nothing is waited for where the graph declares it all.
        cancel : threading.Event
            Ends the wait early.

        Raises
        ------
        StreamNotFound
            It did not appear in time, or its file is not there.
        StreamFormatError
            It is not what the graph declares (all differences at once), or cannot be carried.
        """

    def adopt(self, spec: StreamSpec, row: Row) -> None:
        """Instead of :meth:`find`: go on with a stream that a bridge before this one has let in, until it died.

        Parameters
        ----------
        spec : StreamSpec
            The format that it had.
        row : Row
            What that one has left: samples published, the newest timestamp, where it was.
        """
        if self.spec is None:
            self.spec = spec
        if row.ints[StreamColumn.SOURCE_STATE] == SourceState.CONNECTED:
            self.enter(row, SourceState.LOST, "whoever read it died; connecting again")

    def prepare(self) -> None:  # noqa: B027 - most sources have nothing to open early
        """Open what takes time (connections, files), so that nothing is missed once the graph runs."""

    @abstractmethod
    def run(self, writer: StreamWriter, row: Row, stop: threading.Event) -> None:
        """Publish until the source ends or `stop` is set. The caller closes `writer`.

        Parameters
        ----------
        writer : StreamWriter
            Of :attr:`spec`.
        row : Row
            The stream's row of the board; this bridge owns its ``SOURCE_*`` columns.
        stop : threading.Event
            Asks it to return; it does within a quarter of a second.
        """

    def close(self) -> None:  # noqa: B027 - likewise
        """Let go of everything; may be called more than once, and without a :meth:`run`."""

    def enter(self, row: Row, state: SourceState, message: str = "", *args: object) -> None:
        """Note a change of state on the board, with one log line; does nothing where it is the state already."""
        if row.ints[StreamColumn.SOURCE_STATE] == state:
            return
        row.ints[StreamColumn.SOURCE_STATE] = state
        if message:
            level = logging.WARNING if state in (SourceState.LOST, SourceState.REFUSED) else logging.INFO
            logger.log(level, "stream %r: " + message, self.name, *args)

    def _known(self) -> StreamSpec:
        if self.spec is None:
            raise StreamFormatError(f"stream {self.name!r} was not looked for before it was opened: call find() first")
        return self.spec


class SinkBridge(ABC):
    """Carries one stream of the graph outside.

    Parameters
    ----------
    spec : StreamSpec
        What flows.
    clock : callable
        Graph time in seconds.
    monotonic : callable
        The clock of the waiter's deadlines.
    """

    refusals: ClassVar[tuple[type[Exception], ...]] = ()
    """What :meth:`send` raises where the outside does not take a chunk."""

    def __init__(self, spec: StreamSpec, clock: Clock, monotonic: Clock = time.monotonic) -> None:
        self.spec = spec
        self.clock = clock
        self.held = False
        """Whether nothing is sent for now."""
        self.say = Sayer(logger)
        self._monotonic = monotonic
        self._limit = max(1, MAX_CHUNK_BYTES // max(1, spec.sample_bytes))

    @abstractmethod
    def prepare(self) -> None:
        """Make the outlet or bind the port, so that others find it before the first sample.

        Raises
        ------
        PortTaken
            Somebody else holds the port.
        """

    @abstractmethod
    def send(self, data: NDArray[Any], timestamps: NDArray[np.float64]) -> None:
        """Hand one chunk ``(samples, channels)`` outside; the arrays are the bridge's to keep."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; may be called more than once."""

    def run(self, reader: StreamReader, waiter: Waiter, row: Row, stop: threading.Event) -> None:
        """Send what comes until the stream ended or `stop` is set; then what was pending at that moment, and return.

        Parameters
        ----------
        reader : StreamReader
            This sink's edge.
        waiter : Waiter
            That wakes for `reader`. Ring its doorbell after setting `stop` to be noticed at once.
        row : Row
            The edge's row of the board.
        stop : threading.Event
            Set it once the writers upstream are done.
        """
        last: int | None = None
        row.ints[EdgeColumn.SENT] = reader.position
        while True:
            pending = reader.pending()
            if last is None and stop.is_set():
                last = reader.position + pending
            if last is not None and reader.position >= last:
                return
            if self.held and last is None:
                waiter.wait(self._monotonic() + _POLL, on_data=False)
            elif pending:
                self._pass_on(reader, row)
            elif reader.ended:
                return
            else:
                waiter.wait(self._monotonic() + _POLL, on_data=True)

    def _pass_on(self, reader: StreamReader, row: Row) -> None:
        data, timestamps = reader.peek(self._limit)
        first, count = reader.position, len(timestamps)
        # Copied first: what was overtaken while it was copied must not have left already.
        data, timestamps = np.array(data), np.array(timestamps)
        # From here until it is sent it is on the way, in nobody's hands if this process dies.
        row.ints[EdgeColumn.SENT] = reader.position
        if not reader.commit(count):
            return
        try:
            self.send(data, timestamps)
            row.ints[EdgeColumn.SENT] = reader.position
        except self.refusals as error:
            row.ints[EdgeColumn.DELIVERED] -= count
            row.add(EdgeColumn.DROPPED_REFUSED, count)
            row.ints[EdgeColumn.SENT] = reader.position
            self.say.warning("refused", "stream %r: %d samples were not sent: %s", self.spec.name, count, error)
        else:
            self._count_latency(reader, row, first, first + count)

    def _count_latency(self, reader: StreamReader, row: Row, first: int, end: int) -> None:
        """From the oldest sample that each chunk was made from until now, when it has been handed outside."""
        now = self.clock()
        while first < end:
            chunk = reader.chunk_at(first)
            if chunk is None:
                return  # so many came at once that nobody remembers which of them came together
            first = chunk.first + chunk.count
            if chunk.origin == chunk.origin:
                latency = now - chunk.origin
                if latency < 0:
                    row.add(EdgeColumn.AHEAD)
                row.histogram(0)[bucket_of(max(0, int(latency * 1e9)))] += 1


def unsent(row: Row) -> None:
    """Count as dropped (``restart``) what a sink had taken and perhaps not sent when its process died.

    `row` is that of its edge, on which nobody sends yet.
    """
    ints = row.ints
    position, sent = ints[EdgeColumn.POSITION], ints[EdgeColumn.SENT]
    if not ints[EdgeColumn.START] <= sent <= position:
        return
    doubtful = min(position - sent, ints[EdgeColumn.DELIVERED])
    ints[EdgeColumn.DELIVERED] -= doubtful
    ints[EdgeColumn.DROPPED_RESTART] += doubtful
    ints[EdgeColumn.SENT] = position
