"""The ledger of one edge, which the readers of both transports keep in the same way."""

from __future__ import annotations

from types import TracebackType

from rena_graph.errors import UsageError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import EdgeColumn, Row
from rena_graph.transport.interface import EdgeOptions

__all__ = ["DROP_COLUMNS", "EdgeReader"]

DROP_COLUMNS = {
    column.name.removeprefix("DROPPED_").lower(): column for column in EdgeColumn if column.name.startswith("DROPPED_")
}
"""The board's column for each reason for which a sample may be dropped."""


class EdgeReader:
    """What any reader does besides moving samples: position and counters, in the edge's row of the board.

    Between two calls ``DELIVERED`` less ``REPEATED`` plus all ``DROPPED_*`` is ``POSITION - START``, always.
    """

    def __init__(self, spec: StreamSpec, edge: EdgeOptions, row: Row) -> None:
        self.spec = spec
        self.edge = edge
        self._ints = row.ints
        self._floats = row.floats
        self._position = 0
        self._available = 0
        self._closed = False

    @property
    def position(self) -> int:
        """Sequence number of the next sample to take."""
        return self._position

    def _begin(self, position: int) -> None:
        """Begin the edge's ledger here; nothing before counts."""
        ints = self._ints
        for column in DROP_COLUMNS.values():
            ints[column] = 0
        ints[EdgeColumn.DELIVERED] = ints[EdgeColumn.REPEATED] = 0
        ints[EdgeColumn.START] = ints[EdgeColumn.POSITION] = self._position = position

    def _resume(self) -> None:
        """Go on with the ledger of the reader before."""
        ints = self._ints
        self._position = ints[EdgeColumn.POSITION]
        # A reader that was killed between two stores left the one without the other.
        dropped = sum(ints[column] for column in DROP_COLUMNS.values())
        passed = self._position - ints[EdgeColumn.START]
        ints[EdgeColumn.DELIVERED] = max(0, passed - dropped) + ints[EdgeColumn.REPEATED]

    def _activate(self) -> None:
        ints = self._ints
        ints[EdgeColumn.BLOCK_NS] = int(self.edge.block_timeout * 1e9) if self.edge.policy == "block" else 0
        ints[EdgeColumn.READER_EPOCH] += 1
        ints[EdgeColumn.ACTIVE] = 1

    def _drop(self, count: int, column: EdgeColumn) -> None:
        self._ints[column] += count
        self._position += count
        self._ints[EdgeColumn.POSITION] = self._position

    def _deliver(self, count: int) -> None:
        self._ints[EdgeColumn.DELIVERED] += count
        self._position += count
        self._available -= count
        self._ints[EdgeColumn.POSITION] = self._position

    def skip(self, count: int, reason: str = "window") -> None:
        """Pass over the oldest `count` pending samples, counted as dropped for `reason`."""
        self._check(count)
        self._drop(count, _column(reason))
        self._available -= count

    def retract(self, count: int, reason: str) -> None:
        """Count the last `count` delivered samples as dropped for `reason` after all.

        For what no loop came to see, and for what was computed from a view that was overtaken.
        """
        column = _column(reason)
        delivered = self._ints[EdgeColumn.DELIVERED]
        if not 0 <= count <= delivered:
            raise UsageError(f"stream {self.spec.name!r}: cannot retract {count} samples, {delivered} were delivered")
        self._ints[EdgeColumn.DELIVERED] = delivered - count
        self._ints[column] += count

    def _check(self, count: int) -> None:
        if not 0 <= count <= self._available:
            raise UsageError(
                f"stream {self.spec.name!r}: cannot take {count} samples, pending() found {self._available}"
            )

    def close(self) -> None:
        """Let go; the edge no longer holds up a writer."""
        self._closed = True
        self._ints[EdgeColumn.ACTIVE] = 0

    def __enter__(self) -> EdgeReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _column(reason: str) -> EdgeColumn:
    try:
        return DROP_COLUMNS[reason]
    except KeyError:
        raise UsageError(f"no reason {reason!r} to drop samples; there are {', '.join(sorted(DROP_COLUMNS))}") from None
