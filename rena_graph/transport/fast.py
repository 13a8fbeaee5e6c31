"""Rings with the compiled kernel: the ordinary chunk takes one call into C, every other one goes to Python.

Only where :data:`rena_graph.kernel.core` is there; :mod:`rena_graph.transport.links` chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rena_graph import kernel
from rena_graph.transport.board import Board, EdgeColumn, NodeColumn, Row, StreamColumn
from rena_graph.transport.commit import Commit
from rena_graph.transport.geometry import RECORD_BYTES, Word
from rena_graph.transport.histogram import BUCKETS
from rena_graph.transport.interface import EdgeOptions, StreamPort

__all__ = ["LAYOUT", "usable"]

LAYOUT = (
    (Word.EPOCH, Word.FLOOR, Word.COMMITTED, Word.CHUNKS, Word.READERS),
    (StreamColumn.PRODUCED, StreamColumn.CHUNKS, StreamColumn.BYTES, StreamColumn.LAST_TIMESTAMP),
    (EdgeColumn.POSITION, EdgeColumn.LAST_TIMESTAMP, EdgeColumn.DELIVERED, EdgeColumn.HELD, EdgeColumn.AWAY_NS),
    (
        NodeColumn.BEAT_NS, NodeColumn.LOOP_STARTED_NS, NodeColumn.LOOPS, NodeColumn.SKIPPED, NodeColumn.OVERRUNS,
        NodeColumn.LOOP_NS, NodeColumn.LOOP_NS_MAX, NodeColumn.AGE, NodeColumn.FIRST_LOOP_NS, NodeColumn.LAST_LOOP_NS,
        NodeColumn.OWN_NS, NodeColumn.AHEAD,
    ),
    (64, BUCKETS),
)  # fmt: skip
"""Where the kernel's C believes that things lie."""

usable = kernel.core is not None and kernel.core.LAYOUT == LAYOUT
"""Whether the classes below are there."""

if TYPE_CHECKING or usable:
    # Here, since what they need is not there on every system.
    from rena_graph.kernel import _core
    from rena_graph.transport import futex, waiter
    from rena_graph.transport.ring import RingWriter
    from rena_graph.transport.ring_reader import RingReader
    from rena_graph.transport.waiter import RingWaiter

    __all__ += ["FastCommit", "FastRingReader", "FastRingWaiter", "FastRingWriter"]

    class FastRingWriter(_core.WriterCore, RingWriter):
        """See :class:`~rena_graph.transport.ring.RingWriter`; by the monotonic clock."""

        def __init__(self, port: StreamPort, board: Board, epoch: int) -> None:
            super().__init__(port, board, epoch)
            segment = self._segment
            ints = board.stream(port.index).ints
            self._attach_core(
                segment.words, segment.bell, segment.data, segment.stamps, segment.records, ints, RECORD_BYTES
            )

        _publish_slowly = RingWriter.publish

        def _make_room(self, floor: int) -> None:
            super()._make_room(floor)
            self._limit = self._brake.limit

        def would_block(self, count: int) -> bool:
            """See :meth:`~rena_graph.transport.ring.RingWriter.would_block`."""
            would = super().would_block(count)
            self._limit = self._brake.limit
            return would

    class FastRingReader(_core.ReaderCore, RingReader):
        """See :class:`~rena_graph.transport.ring_reader.RingReader`."""

        def __init__(
            self, port: StreamPort, edge: EdgeOptions, board: Board, start: int | None = None, resume: bool = False
        ) -> None:
            super().__init__(port, edge, board, start, resume)
            segment = self._segment
            ints = board.edge(edge.index).ints
            self._attach_core(
                segment.words, segment.data, segment.stamps, segment.records, ints, self._latest, self._blocking
            )

        _pending_slowly = RingReader.pending
        _commit_slowly = RingReader.commit

    class FastRingWaiter(RingWaiter):
        """See :class:`~rena_graph.transport.waiter.RingWaiter`; by the monotonic clock."""

        def __init__(self, readers: Sequence[RingReader]) -> None:
            super().__init__(readers)
            watched = readers[: futex.MAX_WORDS - 1]
            words = ((self.doorbell.address, True), *((reader.bell_address, False) for reader in watched))
            on_data = waiter.LONGEST if len(watched) == len(readers) else waiter.POLL
            held = (self.doorbell, *(reader.bell for reader in watched))
            self.sleeper = _core.Sleeper(words, waiter.LONGEST, on_data, held)
            self.wait = self.sleeper.wait  # type: ignore[method-assign]

    class FastCommit(Commit):
        """See :class:`~rena_graph.transport.commit.Commit`."""

        def __init__(self, node: Row, edges: Sequence[Row], streams: Sequence[Row]) -> None:
            super().__init__(node, edges, streams)
            self._bind()

        def _bind(self) -> None:
            number = self._ints[NodeColumn.COMMITS : NodeColumn.COMMITS + 1]
            self.commit = _core.Commits(number, *self._written).commit  # type: ignore[method-assign]

        def forget_state(self) -> None:
            """See :meth:`~rena_graph.transport.commit.Commit.forget_state`."""
            super().forget_state()
            self._bind()
