"""The counters of one run on one host, in one shared file that anybody may read at any time.

Three tables (streams, edges, nodes) of 64-bit columns. Each column of a row has exactly one writing process, so
that no locks are needed; a reader sees each number whole (aligned 8-byte stores), not the row as a snapshot.
A counter lives here, and nowhere else: it survives the process that counted, and reading it costs that process
nothing, which is how a process that is stopped or hung is seen.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType

from rena_graph.errors import TransportError
from rena_graph.transport.histogram import BUCKETS

__all__ = ["Board", "EdgeColumn", "NodeColumn", "Row", "StreamColumn"]

MAGIC = int.from_bytes(b"RGBOARD1", "little")
_HEADER = 64
_ROW = 64  # columns of a stream's or an edge's row
_NODE_SCALARS = 64
_NODE_ROW = _NODE_SCALARS + 4 * BUCKETS


class StreamColumn(IntEnum):
    """A stream, as its writer counts it (and, for external streams, its bridge)."""

    PRODUCED = 0
    """Samples published so far: the sequence number of the next one."""
    CHUNKS = 1
    BYTES = 2
    EPOCH = 3
    BLOCKED_NS = 4
    """Time that the writer waited for readers of policy ``block``."""
    BLOCK_TIMEOUTS = 5
    LAST_TIMESTAMP = 6  # float
    REANCHORED = 7
    """Times that default timestamps were more than 50 ms off and anchored anew."""
    SOURCE_STATE = 8
    """A :class:`rena_graph.bridges.base.SourceState`; 0 for streams made by nodes."""
    SOURCE_GAPS = 9
    """Holes in arriving sequence or time."""
    SOURCE_LOST = 10
    """Samples that, by the nominal rate, fell into those holes."""
    SOURCE_REJECTED = 11
    """Messages that did not decode or fit."""
    SOURCE_RECOVERIES = 12
    SOURCE_BACKWARDS = 13
    """Timestamps that arrived NaN or earlier than the one before."""
    ENDED = 14
    """1 once the writer said that no more comes."""
    BAD = 15
    """Chunks refused at the output."""


class EdgeColumn(IntEnum):
    """An edge, as its reader counts it. ``DELIVERED`` plus all ``DROPPED_*`` is ``POSITION - START``."""

    POSITION = 0
    """Sequence number of the next sample to take."""
    START = 1
    """Sequence number at which this edge's ledger begins."""
    DELIVERED = 2
    DROPPED_OVERRUN = 3
    """Overwritten before they were taken."""
    DROPPED_WINDOW = 4
    """Left the input window before any loop saw them."""
    DROPPED_LATEST = 5
    """Skipped for a newer chunk, as policy ``latest`` says."""
    DROPPED_VIEW = 6
    """Overtaken while a loop looked at them in place; what was computed from them was discarded."""
    DROPPED_TRANSPORT = 7
    """Lost between writer and reader (ZMQ's queues)."""
    DROPPED_RESTART = 8
    """Passed while the node was away."""
    DROPPED_REFUSED = 9
    """A bridge's outside did not take them."""
    ACTIVE = 10
    """1 while a running reader holds the edge: only such readers can make a writer wait."""
    READER_EPOCH = 11
    BLOCK_NS = 12
    """Longest wait that this edge asks of its writer; 0: it never blocks."""
    FILLED = 13
    """NaN samples put into the window where the stream had a gap (``"gaps": "nan"``)."""
    RESETS = 14
    """Times that the buffer began anew since the stream changed its format."""
    LAST_TIMESTAMP = 15  # float
    RESUME = 16
    """Position after the last loop whose outputs are out: where a restarted node goes on."""
    REPEATED = 17
    """Samples that were handed to a loop which its process did not survive, and that its successor saw again."""


class NodeColumn(IntEnum):
    """A node, as its own process counts it."""

    STATE = 0
    """A :class:`rena_graph.runtime.lifecycle.NodeState`."""
    PID = 1
    EPOCH = 2
    BEAT_NS = 3
    """Monotonic time of the last sign of life."""
    LOOP_STARTED_NS = 4
    """Monotonic time at which the loop now running began; 0 between loops."""
    LOOPS = 5
    SKIPPED = 6
    """Ticks of the clock that passed without a loop."""
    OVERRUNS = 7
    """Loops that took longer than a period."""
    EXCEPTIONS = 8
    BAD_OUTPUTS = 9
    LOOP_NS = 10
    """Sum of the loops' run times."""
    LOOP_NS_MAX = 11
    FREQUENCY = 12  # float
    """Hz asked for, at most."""
    AGE = 13  # float
    """Seconds: now minus the newest input timestamp, at the last loop."""
    PARAM_VERSION = 14
    """Version of the newest change of parameters that its loop has."""
    LOG_DROPPED = 15
    """Console lines that were too many to keep."""
    FIRST_LOOP_NS = 16
    LAST_LOOP_NS = 17
    DISCARDED = 18
    """Loops whose outputs were thrown away since a view that they read was overtaken."""
    OWN_NS = 19
    """Sum of the time that our own work took around the loops."""
    PAUSED = 20
    RATE_VERSION = 21
    """Version of the newest change of the rate that its loop has."""
    STEP_VERSION = 22
    STEPS_LEFT = 23
    """Single steps that were asked for, and are still to be made."""
    PHASE = 24  # float
    """Seconds by which its deadlines come after the grid's."""
    ORIGIN = 25  # float
    """Graph time at which the grid of its deadlines begins; the same for all nodes on the clock."""


_FLOATS = {
    StreamColumn.LAST_TIMESTAMP,
    EdgeColumn.LAST_TIMESTAMP,
    NodeColumn.FREQUENCY,
    NodeColumn.AGE,
    NodeColumn.PHASE,
    NodeColumn.ORIGIN,
}


@dataclass(frozen=True)
class Row:
    """One row: ``ints[column]`` and ``floats[column]`` are the same cells, read as unsigned integer or as double."""

    ints: memoryview
    floats: memoryview[float]

    def add(self, column: int, amount: int = 1) -> None:
        """Add to a counter; only the column's one writer may."""
        self.ints[column] += amount

    def histogram(self, which: int) -> memoryview:
        """Of a node's row: 0 loop run times, 1 lateness, 2 age of data at the loop, 3 deadline to outputs out.

        See :class:`Histogram`.
        """
        start = _NODE_SCALARS + which * BUCKETS
        return self.ints[start : start + BUCKETS]


class Board:
    """The three tables, mapped.

    Use :meth:`create` once a host and run, :meth:`attach` everywhere else.
    """

    def __init__(self, path: Path, mapping: mmap.mmap) -> None:
        self.path = path
        self._mapping = mapping
        self._ints = memoryview(mapping).cast("Q")
        self._floats = memoryview(mapping).cast("d")
        if self._ints[0] != MAGIC:
            raise TransportError(f"{path} is not a board of this version of rena_graph")
        self.streams, self.edges, self.nodes = (int(self._ints[i]) for i in (1, 2, 3))

    @staticmethod
    def size(streams: int, edges: int, nodes: int) -> int:
        """Bytes of a board of so many rows."""
        return 8 * (_HEADER + _ROW * (streams + edges) + _NODE_ROW * nodes)

    @classmethod
    def create(cls, path: Path, *, streams: int, edges: int, nodes: int) -> Board:
        """Make the file (mode 0600), all zeros; it must not exist."""
        size = cls.size(streams, edges, nodes)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, size)
            else:
                os.ftruncate(fd, size)
            mapping = mmap.mmap(fd, size)
        finally:
            os.close(fd)
        head = memoryview(mapping).cast("Q")
        head[1], head[2], head[3] = streams, edges, nodes
        head[0] = MAGIC
        head.release()
        return cls(path, mapping)

    @classmethod
    def attach(cls, path: Path) -> Board:
        """Map a board that another process made."""
        fd = os.open(path, os.O_RDWR)
        try:
            mapping = mmap.mmap(fd, 0)
        finally:
            os.close(fd)
        return cls(path, mapping)

    def _row(self, start: int, width: int) -> Row:
        return Row(self._ints[start : start + width], self._floats[start : start + width])

    def stream(self, index: int) -> Row:
        """Row of a stream; columns are :class:`StreamColumn`."""
        self._check(index, self.streams, "stream")
        return self._row(_HEADER + _ROW * index, _ROW)

    def edge(self, index: int) -> Row:
        """Row of an edge; columns are :class:`EdgeColumn`."""
        self._check(index, self.edges, "edge")
        return self._row(_HEADER + _ROW * (self.streams + index), _ROW)

    def node(self, index: int) -> Row:
        """Row of a node; columns are :class:`NodeColumn`."""
        self._check(index, self.nodes, "node")
        return self._row(_HEADER + _ROW * (self.streams + self.edges) + _NODE_ROW * index, _NODE_ROW)

    @staticmethod
    def _check(index: int, count: int, what: str) -> None:
        if not 0 <= index < count:
            raise IndexError(f"{what} row {index} of {count}")

    def close(self) -> None:
        """Let go. Rows handed out keep the memory mapped until they are gone too."""
        self._ints.release()
        self._floats.release()
        # Where rows are still held somewhere, the mapping goes with the last of them.
        with contextlib.suppress(BufferError):
            self._mapping.close()

    def __enter__(self) -> Board:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
