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
from enum import IntEnum, unique
from pathlib import Path
from types import TracebackType

from rena_graph.errors import TransportError
from rena_graph.transport.histogram import BUCKETS

__all__ = ["Board", "EdgeColumn", "NodeColumn", "Row", "StreamColumn"]

MAGIC = int.from_bytes(b"RGBOARD3", "little")
_HEADER = 64
_CLOCK, _CLOCK_CELLS = 48, 10  # in the header
_SCALARS = 64
"""Columns of a row that are single numbers; histograms come after them."""
_STREAM_ROW = _SCALARS
_EDGE_ROW = _SCALARS + BUCKETS
_NODE_ROW = _SCALARS + 5 * BUCKETS


@unique
class StreamColumn(IntEnum):
    """A stream, as its writer counts it (and, for external streams, its bridge).

    The first two columns are what a loop commits (:mod:`rena_graph.transport.commit`), to columns 32 and 48.
    """

    PRODUCED = 0
    """Samples published so far: the sequence number of the next one."""
    REPEATED = 1
    """Samples that a process published in the loop that it did not survive: its successor makes them again."""
    CHUNKS = 2
    BYTES = 3
    EPOCH = 4
    BLOCKED_NS = 5
    """Time that the writer waited for readers of policy ``block``."""
    BLOCK_TIMEOUTS = 6
    LAST_TIMESTAMP = 7  # float
    REANCHORED = 8
    """Times that default timestamps were more than 50 ms off and anchored anew."""
    SOURCE_STATE = 9
    """A :class:`rena_graph.bridges.base.SourceState`; 0 for streams made by nodes."""
    SOURCE_GAPS = 10
    """Holes in arriving sequence or time."""
    SOURCE_LOST = 11
    """Samples that, by the nominal rate, fell into those holes."""
    SOURCE_REJECTED = 12
    """Messages that did not decode or fit."""
    SOURCE_RECOVERIES = 13
    SOURCE_BACKWARDS = 14
    """Timestamps that arrived NaN or earlier than the one before."""
    ENDED = 15
    """1 once the writer said that no more comes."""
    NOT_FINITE = 16
    """Samples that a node made and that were not sent, since they are not finite (``on_nan`` of the output)."""
    SOURCE_START = 17  # float
    """Graph time at which a recording or simulator began; 0 before that, and of other sources."""
    LINK_SOURCE = 18
    """Of a stream from another host: which ring there it is read from; 0 before the first."""
    LINK_BEGIN = 19
    """Sequence number here of that ring's first sample."""
    LINK_LOST = 20
    """Samples that the link lost for good."""
    LINK_REPAIRS = 21
    """Times that the link had lost something, which was asked for again."""
    LINK_LOST_BEFORE = 22
    """Of ``LINK_LOST``, what was lost of other rings than ``LINK_SOURCE``."""
    LINK_RING = 23
    """Of a stream that other hosts take: which ring this is, as they know it; 0 where none does."""
    MOVED_HERE = 24
    """1 once its node was moved here from a host that is lost."""


@unique
class EdgeColumn(IntEnum):
    """An edge, as its reader counts it. ``DELIVERED`` less ``REPEATED`` plus all ``DROPPED_*`` is ``POSITION - START``.

    The columns up to ``REPEATED`` are what a loop commits (:mod:`rena_graph.transport.commit`), to copies that begin
    at columns 24 and 44.
    """

    POSITION = 0
    """Sequence number of the next sample to take."""
    START = 1
    """Sequence number at which this edge's ledger begins."""
    DROPPED_OVERRUN = 2
    """Overwritten before they were taken."""
    DROPPED_WINDOW = 3
    """Left the input window before any loop saw them."""
    DROPPED_LATEST = 4
    """Skipped for a newer chunk, as policy ``latest`` says."""
    DROPPED_VIEW = 5
    """Overtaken while a loop looked at them in place; what was computed from them was discarded."""
    DROPPED_TRANSPORT = 6
    """Lost between writer and reader (ZMQ's queues)."""
    DROPPED_RESTART = 7
    """Passed while the node was away."""
    DROPPED_REFUSED = 8
    """A bridge's outside did not take them."""
    DROPPED_NEWEST = 9
    """Passed over by a node that could not keep up (``"on_overload": "newest"``)."""
    DROPPED_LINK = 10
    """Lost between two hosts: the link was down for longer than the producing host keeps the stream."""
    DROPPED_NAN = 11
    """Not finite, and the input's ``on_nan`` keeps such samples from the script."""
    FILLED = 12
    """NaN samples put into the window where the stream had a gap (``"gaps": "nan"``)."""
    LAST_TIMESTAMP = 13  # float
    HELD = 14
    """1 plus the samples in the script's window after its last loop; 0 where the script was shown no such stream."""
    DELIVERED = 15
    """Samples handed to loops; what was handed out again after a restart counts again."""
    REPEATED = 16
    """Samples that were handed to a loop which its process did not survive, and that its successor is handed again."""
    ACTIVE = 17
    """1 while a running reader holds the edge: only such readers can make a writer wait."""
    READER_EPOCH = 18
    BLOCK_NS = 19
    """Longest wait that this edge asks of its writer; 0: it never blocks."""
    RESETS = 20
    """Times that the buffer began anew since the stream changed its format."""
    AHEAD = 21
    """Of a sink: chunks that left before the time with which they are stamped; their latency counts as 0."""
    SENT = 22
    """Of a sink: position up to which everything has left, or has been dropped."""
    NAN_UNTIL = 23
    """Position behind the samples that are not finite for which the node failed: its next life passes over them."""
    DROPPED_HOST = 42
    """Lost with the host on which the reader was before it was moved here."""
    AWAY_NS = 41
    """Monotonic time at which a reader of policy ``block`` went that is to come back; 0 once it takes samples."""


@unique
class NodeColumn(IntEnum):
    """A node, as its own process counts it. Columns 32 to 33 and 48 to 49 are copies of ``STATE_*``, once committed."""

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
    STATE_FILE = 30
    """Which of its two files holds the script's saved state (1 or 2); 0: none was saved."""
    STATE_BYTES = 31
    COMMITS = 40
    """Commits made; the lowest bit says which of two copies counts. The one store that commits."""
    CPU_NS = 43
    """Processor time over all its lives; this and the next three are the host agent's."""
    CPU_PID = 44
    CPU_SEEN_NS = 45
    """Of it, what the process ``CPU_PID`` had used when it was last looked at."""
    RSS = 46
    """Bytes of resident memory of its process."""
    AHEAD = 42
    """Loops whose data was stamped later than now; its age counts as 0."""
    STATES_REFUSED = 41
    """Times that the script's state could not be saved: a restart goes back to the commit before."""
    FAILURE = 47
    """Index of its kind of failure in :data:`rena_graph.runtime.lifecycle.FAILURE_KINDS`, where it has failed."""


_FLOATS = {
    StreamColumn.LAST_TIMESTAMP,
    StreamColumn.SOURCE_START,
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
        """See :class:`Histogram`.

        Of a node's row: 0 loop run times, 1 lateness, 2 age of data at the loop, 3 deadline to outputs out, 4 age of
        data when its outputs are out. Of an edge's row: 0 the end-to-end latency of a sink.
        """
        start = _SCALARS + which * BUCKETS
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
        return 8 * (_HEADER + _STREAM_ROW * streams + _EDGE_ROW * edges + _NODE_ROW * nodes)

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

    @property
    def clock(self) -> Row:
        """Cells of the header for the host's way to graph time; see :mod:`rena_graph.runtime.hosts.host_clock`."""
        return self._row(_CLOCK, _CLOCK_CELLS)

    def stream(self, index: int) -> Row:
        """Row of a stream; columns are :class:`StreamColumn`."""
        self._check(index, self.streams, "stream")
        return self._row(_HEADER + _STREAM_ROW * index, _STREAM_ROW)

    def edge(self, index: int) -> Row:
        """Row of an edge; columns are :class:`EdgeColumn`."""
        self._check(index, self.edges, "edge")
        return self._row(_HEADER + _STREAM_ROW * self.streams + _EDGE_ROW * index, _EDGE_ROW)

    def node(self, index: int) -> Row:
        """Row of a node; columns are :class:`NodeColumn`."""
        self._check(index, self.nodes, "node")
        start = _HEADER + _STREAM_ROW * self.streams + _EDGE_ROW * self.edges
        return self._row(start + _NODE_ROW * index, _NODE_ROW)

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
