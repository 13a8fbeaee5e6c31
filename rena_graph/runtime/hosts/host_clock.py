"""Graph time on a host that is not the coordinator's: its own monotonic clock, and a line that says how far it is off.

The host agent measures, and keeps the line on the board, from where the nodes read it, and from where an agent that
takes its place goes on.
"""

from __future__ import annotations

import time
from pathlib import Path

from rena_graph.runtime.clock import Clock, SystemClock
from rena_graph.runtime.hosts.offset import Estimate
from rena_graph.runtime.hosts.slew import Line, Slew
from rena_graph.runtime.setup import NodeSetup
from rena_graph.transport.board import Board, Row

__all__ = ["AgentClock", "NodeClock", "node_clock"]

# Of the board's cells for the clock the first counts the lines that were kept; the last bit of it says in which of the
# two triples behind it the newest one lies. So whoever reads, or dies while writing, holds up nobody.
_COUNT = 0
_TRIPLES = (slice(1, 4), slice(4, 7))


class AgentClock(SystemClock):
    """The agent's own; shows graph time once the first estimate is there, this host's own time before."""

    def __init__(self) -> None:
        self._slew = Slew()
        self._line = Line(0.0, 0.0, 0.0)
        self._row: Row | None = None
        self.estimate: Estimate | None = None

    def now(self) -> float:
        """Seconds of graph time."""
        local = time.monotonic()
        return local + self._line.offset_at(local)

    def aim(self, estimate: Estimate) -> None:
        """A better estimate: bend towards it."""
        self.estimate = estimate
        self._line = self._slew.aim(time.monotonic(), estimate)
        self._write()

    def share(self, row: Row) -> None:
        """Keep the line in these cells from now on, and go on with the one there, so that no stream sees a jump."""
        if row.ints[_COUNT] and self.estimate is None:
            _, self._line = _read(row)
            self._slew.line = self._line
        self._row = row
        if self.estimate is not None:
            self._write()

    def facts(self) -> dict[str, float] | None:
        """Offset, drift, uncertainty and round trip in seconds, for people; None before the first estimate."""
        estimate = self.estimate
        if estimate is None:
            return None
        return {
            "offset": self._line.offset_at(time.monotonic()),
            "drift": estimate.drift,
            "uncertainty": estimate.uncertainty + abs(self._slew.error),
            "round_trip": estimate.round_trip,
        }

    def _write(self) -> None:
        row, line = self._row, self._line
        if row is None:
            return
        count = row.ints[_COUNT] + 1
        triple = _TRIPLES[count & 1].start
        row.floats[triple], row.floats[triple + 1], row.floats[triple + 2] = line.at, line.offset, line.slope
        row.ints[_COUNT] = count


class NodeClock(SystemClock):
    """A node's: reads the line that the host agent keeps."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._ints = row.ints
        self._seen = -1
        self._line = Line(0.0, 0.0, 0.0)

    def now(self) -> float:
        """Seconds of graph time."""
        if self._ints[_COUNT] != self._seen:
            self._seen, self._line = _read(self._row)
        line = self._line
        local = time.monotonic()
        return local + line.offset + line.slope * (local - line.at)


def node_clock(setup: NodeSetup) -> Clock:
    """Graph time for this node's process."""
    # The mapping lives as long as the row that is read.
    return SystemClock() if setup.own_clock else NodeClock(Board.attach(Path(setup.board)).clock)


def _read(row: Row) -> tuple[int, Line]:
    """The newest line, and how many there were."""
    while True:
        count = row.ints[_COUNT]
        line = Line(*row.floats[_TRIPLES[count & 1]])
        # The one that was read is not written to before there was another.
        if row.ints[_COUNT] == count:
            return count, line
