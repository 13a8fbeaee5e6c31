"""How samples come from readers into a node's input window: one feed an edge, and the rules of how many."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rena_graph.errors import NodeFailed
from rena_graph.runtime.setup import InputSetup
from rena_graph.streams.buffer import InputBuffer
from rena_graph.streams.finite import describe, finite_rows
from rena_graph.streams.gaps import fill_gaps
from rena_graph.streams.inputs import InputPort
from rena_graph.streams.shown import ShownWindow
from rena_graph.transport import fast
from rena_graph.transport.backpressure import leave
from rena_graph.transport.board import EdgeColumn, Row
from rena_graph.transport.interface import Samples, Stamps, StreamReader

__all__ = ["Feed", "release_edges"]

_DROPPED = tuple(int(c) for c in EdgeColumn if c.name.startswith("DROPPED_"))
# Plain ints: an enum member's lookup costs more than the store it is for.
_FILLED = int(EdgeColumn.FILLED)
_HELD = int(EdgeColumn.HELD)
_LAST_TIMESTAMP = int(EdgeColumn.LAST_TIMESTAMP)


class Feed:
    """Moves one edge's samples into the script's window.

    Parameters
    ----------
    setup : InputSetup
        The edge.
    reader : StreamReader
        Its end.
    port : InputPort
        The window and how the script sees it.
    row : Row
        The edge's counters.
    node : str
        Named where samples are refused.
    """

    def __init__(self, setup: InputSetup, reader: StreamReader, port: InputPort, row: Row, node: str = "") -> None:
        definition = setup.definition
        self.setup = setup
        self.reader = reader
        self.port = port
        self.row = row
        self._viewed = port.buffer if isinstance(port.buffer, ShownWindow) else None
        self._buffer = port.buffer if isinstance(port.buffer, InputBuffer) else None
        self._window = port.buffer.window
        self._pick = None if setup.pick is None else np.asarray(setup.pick, dtype=np.intp)
        self._in_runs = setup.port.transport == "zmq"
        self._ints, self._floats = row.ints, row.floats
        self._lossless = definition.lossless
        self._blocking = definition.policy == "block"
        self._fill = definition.gaps == "nan"
        self._on_nan = definition.on_nan if port.spec.numpy_dtype.kind == "f" else "pass"
        self.guarded = self._on_nan != "pass"
        """Whether samples that are not finite are kept from the script."""
        self.not_finite: str | None = None
        """What was kept from it, in words; for the loop to tell, and to forget."""
        self._node = node
        self.newest_timestamp = math.nan
        """Of what was made visible last; NaN before any."""
        self._taken: list[tuple[int, float, float, float]] = []
        self._first_viewed = 0
        self._newly_viewed = 0
        self._lost_before = self._lost()
        self._behind = False
        # A ring's memory is mapped for reading only; what is picked of it is a copy.
        self._protected = fast.usable and isinstance(reader, fast.FastRingReader) and self._pick is None

    def go_on(self) -> None:
        """Go on in the place of a process that ended: its window is back, and nothing of what waits is passed over.

        For a reader that was opened where that one's last whole loop left it. What came since may be more than a window
        holds: it is taken a window at a time, until the node has caught up.
        """
        held = max(0, self._ints[_HELD] - 1)
        # Over ZMQ nothing is kept that could wait.
        self._behind = not self._in_runs
        if self._viewed is not None:
            self._viewed.remember(held)
            self._look_back(self._viewed, 0)
        elif self._buffer is not None:
            self._refill(self._buffer, held)
        if self._on_nan == "fail":
            self._pass_over_failure()

    def _pass_over_failure(self) -> None:
        """Begin behind what the life before could not bear, if anything: this one could not either."""
        reader = self.reader
        if (beyond := self._ints[EdgeColumn.NAN_UNTIL] - reader.position) > 0:
            reader.skip(min(beyond, reader.pending()), "nan")
            self._lost_before = self._lost()

    def _refill(self, buffer: InputBuffer, held: int) -> None:
        reader = self.reader
        while True:
            # One at least, which tells how late the next one is; more where some of them were not shown.
            data, stamps, first = reader.window(self._window if self.guarded else max(1, held))
            if not len(stamps):
                return
            last = stamps.item(-1)
            if self.guarded and (rows := finite_rows(self._picked(data))) is not None:
                data, stamps = data[rows], stamps[rows]
            if self._fill:
                rate = self.setup.port.spec.rate
                data, stamps, _ = fill_gaps(data, stamps, previous=None, rate=rate, limit=self._window)
            buffer.append(data, stamps)
            if reader.intact(first):
                break
            if len(stamps):
                buffer.retract(len(stamps))
        buffer.clear_up_to_index(max(0, len(buffer) - held))
        buffer.mark()
        self.newest_timestamp = last

    @property
    def was_shown(self) -> bool:
        """Whether the script is shown this stream from the start, as in the process before it."""
        return self._ints[_HELD] == 1 or len(self.port.buffer) > 0

    def rehearse(self) -> None:
        """Go the way of :meth:`take` with the sample that was taken last, and undo it; nothing where some wait."""
        reader, buffer = self.reader, self._buffer
        if reader.pending() or self.port.spec.is_string:
            return
        data, stamps, _ = reader.window(1 if buffer is not None else self._window)
        if buffer is None or not len(stamps):
            return
        reader.peek(0)
        buffer.append(data, stamps)
        buffer.retract(1)
        reader.commit(0)
        self.port.rehearse()

    def _lost(self) -> int:
        return sum(self._ints[c] for c in _DROPPED)

    def take(self, limit: int | None = None) -> None:
        """Make what is pending (at most the oldest `limit` samples) visible to the next loop.

        The loop waits for this: what can be found out afterwards (:meth:`origin`, :meth:`settle`) is.

        Raises
        ------
        NodeFailed
            The edge is declared lossless and samples were lost.
        """
        self._taken.clear()
        if self._viewed is not None:
            self._show(self._viewed, limit)
        else:
            assert self._buffer is not None
            count = self._copy(self._buffer, limit)
            if self._in_runs and limit is None and not self._blocking:
                # Over ZMQ what is pending ends where samples were lost.
                while count:
                    count = self._copy(self._buffer, None)
        if self._lossless:
            self._check_lossless()

    def _check_lossless(self) -> None:
        if (lost := self._lost()) != self._lost_before:
            raise NodeFailed(
                f"input {self.port.name!r} is declared lossless, and {lost - self._lost_before} samples of stream "
                f'{self.setup.port.spec.name!r} were dropped; a slower source, policy "block" or a longer '
                f"buffer_duration helps"
            )

    def _copy(self, buffer: InputBuffer, limit: int | None) -> int:
        reader = self.reader
        while True:
            count = reader.pending()
            if limit is not None or self._behind or count > self._window:
                count = self._fitting(count, limit)
            if not count:
                return 0
            first = reader.position
            data, stamps = reader.peek(count)
            newest = stamps.item(-1)
            dropped = 0
            if self.guarded and (rows := finite_rows(self._picked(data))) is not None:
                text = describe(self._picked(data), stamps, rows, first, self.setup.spec.channel_names)
                dropped = int(np.count_nonzero(~rows))
                if self._on_nan == "fail" and reader.intact(first):
                    self._ints[EdgeColumn.NAN_UNTIL] = first + int(np.flatnonzero(~rows)[-1]) + 1
                    raise NodeFailed(f"{self._where()}: {text}")
                data, stamps = data[rows], stamps[rows]
            oldest = stamps.item(0) if len(stamps) else math.inf
            filled = 0
            if self._fill:
                previous = None if math.isnan(self.newest_timestamp) else self.newest_timestamp
                rate = self.setup.port.spec.rate
                data, stamps, filled = fill_gaps(data, stamps, previous=previous, rate=rate, limit=self._window)
            evicted = buffer.append(data, stamps)
            if reader.commit(count):
                self.newest_timestamp = newest
                self._taken.append((first, oldest, newest, math.nan))
                if filled:
                    self._ints[_FILLED] += filled
                if evicted:
                    # Of an irregular stream samples go as soon as newer ones come, whether or not a loop saw them.
                    reader.retract(min(evicted, count - dropped), "window")
                if dropped:
                    reader.retract(dropped, "nan")
                    self.not_finite = self.not_finite or f"{self._where()}: {text}; dropped"
                return count
            if len(stamps):
                buffer.retract(len(stamps))

    def _picked(self, data: Samples) -> Samples:
        """Only the channels that the script gets: what it does not see does not matter."""
        return data if self._pick is None else data[:, self._pick]

    def _where(self) -> str:
        node = f"node {self._node!r}, " if self._node else ""
        return f"{node}input {self.port.name!r} (stream {self.setup.port.spec.name!r})"

    def _fitting(self, count: int, limit: int | None) -> int:
        """How many of `count` pending samples to take, after passing over those that would not stay in the window."""
        if limit is not None:
            if count > limit:
                count = limit
        elif self._behind:
            return self._catching_up(count)
        if count > self._window:
            # Where the writer waits for us nothing is passed over: the rest is for the loops that follow.
            if not self._blocking:
                self.reader.skip(count - self._window)
            count = self._window
        return count

    def _catching_up(self, pending: int) -> int:
        """How many of the `pending` samples to take so that all of them stay in the window until a loop saw them."""
        count = min(pending, self._window)
        duration = None if self._buffer is None else self._buffer.duration
        if duration is not None and count:
            _, stamps = self.reader.peek(count)
            # An irregular stream's window is as long as its time; the first one fits in any case.
            count = max(1, int(np.searchsorted(stamps, stamps.item(0) + duration, side="right")))
        self._behind = count < pending
        return count

    def _show(self, shown: ShownWindow, limit: int | None) -> None:
        reader = self.reader
        count = reader.pending()
        if limit is not None or self._behind or count > self._window:
            count = self._fitting(count, limit)
        first = reader.position
        while count and not reader.commit(count):
            count = self._fitting(reader.pending(), limit)
            first = reader.position
        # Also where nothing is new: what was shown before may have been overwritten since.
        stamps = self._look_back(shown, count)
        self._newly_viewed = count
        if count and len(stamps):
            self.newest_timestamp = stamps.item(-1)
            self._taken.append((first, stamps.item(-min(count, len(stamps))), self.newest_timestamp, math.nan))

    def _look_back(self, shown: ShownWindow, new_count: int) -> Stamps:
        data, stamps, self._first_viewed = self.reader.window(self._window)
        if self._pick is not None:
            data = data[:, self._pick]
        shown.show(data, stamps, new_count, protected=self._protected)
        return stamps

    def pass_over(self, seconds: float) -> None:
        """Leave out what piled up: keep of what is pending only what is stamped within `seconds` of the newest."""
        if self._viewed is not None or self._blocking:
            return  # it costs the node nothing, or somebody waits so that nothing is lost
        pending = self.reader.pending()
        if pending > 1:
            _, stamps = self.reader.peek(pending)
            if old := int(np.searchsorted(stamps, stamps[-1] - seconds, side="right")):
                self.reader.skip(old, "newest")

    def origin(self) -> float:
        """Graph time of the oldest sample behind what was taken since :meth:`settle`; ``inf`` where nothing was."""
        origin = math.inf
        for first, stamp, _, known in self._taken:
            if known == known:
                stamp = known
            else:
                chunk = self.reader.chunk_at(first)
                if chunk is not None and chunk.origin == chunk.origin and not chunk.origin > stamp:
                    stamp = chunk.origin
            if stamp < origin:
                origin = stamp
        return origin

    def settle(self) -> None:
        """What was taken so far has had its effect: note what a restarted node needs to go on from here."""
        if self._taken:
            self._floats[_LAST_TIMESTAMP] = self.newest_timestamp
            self._taken.clear()
        # One more than the window holds, since an empty one that is shown is not one that is not shown.
        self._ints[_HELD] = 0 if self.port.pair is None else len(self.port.buffer) + 1

    def overtaken(self) -> bool:
        """After a loop: whether what it looked at in place was overwritten meanwhile; counts it as dropped then."""
        if self._viewed is None or self.reader.intact(self._first_viewed):
            return False
        count, self._newly_viewed = self._newly_viewed, 0
        self.reader.retract(count, "view")
        return True

    @property
    def viewed(self) -> bool:
        """Whether the script looks at the transport's own memory."""
        return self._viewed is not None

    def reaches(self, timestamp: float) -> bool:
        """Whether all samples stamped up to `timestamp` have arrived, as far as one can tell: a later one has."""
        pending = self.reader.pending()
        if not pending:
            return self.newest_timestamp >= timestamp
        _, stamps = self.reader.peek(pending)
        return bool(stamps[-1] >= timestamp)

    def count_up_to(self, timestamp: float) -> int:
        """How many pending samples are stamped no later than `timestamp`."""
        pending = self.reader.pending()
        if not pending:
            return 0
        _, stamps = self.reader.peek(pending)
        return int(np.searchsorted(stamps, timestamp, side="right"))


def release_edges(feeds: Sequence[Feed], returns: bool = False) -> None:
    """The node no longer reads: nobody has to wait for it, unless it `returns`, in a new process."""
    for feed in feeds:
        # Over ZMQ nothing is kept for the next one.
        leave(feed.row, returns=returns and feed.setup.port.transport == "ring")
        feed.reader.close()
