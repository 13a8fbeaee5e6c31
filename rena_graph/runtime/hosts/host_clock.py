"""Graph time on a host that is not the coordinator's: its own monotonic clock, and a line that says how far it is off.

The host agent measures, and keeps the line on the board, from where the nodes read it, and from where an agent that
takes its place goes on.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from rena_graph.runtime.clock import Clock, SystemClock
from rena_graph.runtime.hosts.offset import Estimate
from rena_graph.runtime.hosts.slew import Line, Slew
from rena_graph.runtime.setup import NodeSetup
from rena_graph.transport.board import Board, Row

__all__ = ["AgentClock", "NodeClock", "clock_facts", "node_clock"]

log = logging.getLogger("rena_graph.bridges.clock")
"""What whoever runs the graph is to hear of."""

# Of the board's cells for the clock the first counts the lines that were kept; the last bit of it says in which of the
# two triples behind it the newest one lies. So whoever reads, or dies while writing, holds up nobody.
_COUNT = 0
_TRIPLES = (slice(1, 4), slice(4, 7))
_FACTS = {"drift": 7, "uncertainty": 8, "round_trip": 9}
"""For people, behind these: in seconds, the drift a second."""


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
        local, leaps = time.monotonic(), self._slew.leaps
        before = self._line.offset_at(local)
        self.estimate = estimate
        self._line = self._slew.aim(local, estimate)
        if self._slew.leaps > leaps:
            late = self._line.offset_at(local) - before
            log.warning("this host's clock was %.3f s late: was it suspended? Its time leaps forwards", late)
        self._write()

    def share(self, row: Row) -> None:
        """Keep the line in these cells from now on, and go on with the one there, so that no stream sees a jump."""
        if row.ints[_COUNT] and self.estimate is None:
            _, self._line = _read(row)
            self._slew.line = self._line
        self._row = row
        self._write()

    def _write(self) -> None:
        row, line, estimate = self._row, self._line, self.estimate
        if row is None or estimate is None:
            return
        row.floats[_FACTS["drift"]] = estimate.drift
        # Until the line is where the estimate says, it is off by that much besides.
        row.floats[_FACTS["uncertainty"]] = estimate.uncertainty + abs(self._slew.error)
        row.floats[_FACTS["round_trip"]] = estimate.round_trip
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


def clock_facts(row: Row, local: float) -> dict[str, float] | None:
    """How a host's clock stands to graph time, from its board.

    Parameters
    ----------
    row : Row
        :attr:`~rena_graph.transport.board.Board.clock`.
    local : float
        That clock, in seconds.

    Returns
    -------
    dict or None
        In seconds: ``offset`` (graph time less this clock), ``drift`` (how much that grows in a second),
        ``uncertainty``, ``round_trip``. None where the clock is graph time, or before the first estimate.
    """
    if not row.ints[_COUNT]:
        return None
    _, line = _read(row)
    return {"offset": line.offset_at(local), **{fact: row.floats[cell] for fact, cell in _FACTS.items()}}


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
