"""Room on a host for nodes that come from a lost one: rings, links, ledgers that go on. All of it safe to do twice."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rena_graph.runtime.plan import Plan
from rena_graph.transport.board import Board, EdgeColumn, StreamColumn
from rena_graph.transport.edge_reader import DROP_COLUMNS
from rena_graph.transport.links import check_shared_memory, create_stream, open_writer
from rena_graph.transport.ring import RingWriter

__all__ = ["Ledger", "Moved", "begin_links", "follow_ledgers", "make_missing", "open_moved"]


@dataclass(frozen=True)
class Ledger:
    """What was known last of an edge whose reader was on a host that is lost.

    Parameters
    ----------
    delivered : int
        Samples.
    dropped : mapping of str to int
        Samples by reason.
    """

    delivered: int
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class Moved:
    """What a host is to know of nodes that come to it.

    Parameters
    ----------
    nodes : frozenset of str
        All nodes of the run that are not where they were at first.
    produced : mapping of str to int
        Samples that a stream has had: where a ring of it is made now, it counts on from there.
    ledgers : mapping of int to Ledger
        By row, of the edges of nodes that come here.
    """

    nodes: frozenset[str]
    produced: Mapping[str, int] = field(default_factory=dict)
    ledgers: Mapping[int, Ledger] = field(default_factory=dict)


def begin_links(plan: Plan, board: Board, moved: Collection[str]) -> dict[str, int]:
    """Let links that there have not been yet begin with what is made from now on.

    Those of streams that nodes make which are still to come here are left for later.

    Parameters
    ----------
    plan, board : Plan, Board
        This host's.
    moved : collection of str
        All nodes of the run that are not where they were at first.

    Returns
    -------
    dict
        By stream, with how many samples its newest link begins.
    """
    found: dict[str, int] = {}
    for crossing in plan.outgoing:
        row = board.edge(crossing.edge).ints
        stream = board.stream(plan.ports[crossing.stream].index).ints
        if plan.graph.streams[crossing.stream].producer in moved and not stream[StreamColumn.MOVED_HERE]:
            continue
        if not row[EdgeColumn.READER_EPOCH] and not row[EdgeColumn.START]:
            row[EdgeColumn.START] = row[EdgeColumn.POSITION] = stream[StreamColumn.PRODUCED]
        if row[EdgeColumn.START]:
            found[crossing.stream] = max(row[EdgeColumn.START], found.get(crossing.stream, 0))
    return found


def make_missing(plan: Plan) -> None:
    """Make the rings that are not there.

    Raises
    ------
    SharedMemoryShort
        They do not fit.
    """
    missing = [port for port in plan.ports.values() if port.transport == "ring" and not Path(port.address).exists()]
    check_shared_memory(missing)
    for port in missing:
        create_stream(port)


def open_moved(plan: Plan, board: Board, moved: Moved) -> None:
    """Let the streams of nodes that come here be theirs to write, whatever epochs another writer had."""
    for name, port in plan.ports.items():
        producer = plan.graph.streams[name].producer
        row = board.stream(port.index).ints
        if producer not in moved.nodes or name in plan.incoming or row[StreamColumn.MOVED_HERE]:
            continue
        # One that an agent before this one had left behind is taken over; nobody else writes.
        writer = open_writer(port, board, row[StreamColumn.EPOCH] + 1)
        assert isinstance(writer, RingWriter), "streams cross between hosts from ring to ring"
        if not writer.sequence and moved.produced.get(name, 0):
            writer.skip(moved.produced[name])
        writer.hand_over()
        row[StreamColumn.MOVED_HERE] = 1


def follow_ledgers(plan: Plan, board: Board, moved: Moved) -> None:
    """Let the edges of nodes that come here go on with what was told of them; what is not known of is lost."""
    for edge, _ in plan.edges:
        row = board.edge(edge.index).ints
        ledger = moved.ledgers.get(edge.index)
        if edge.node not in plan.node_rows or ledger is None or row[EdgeColumn.READER_EPOCH]:
            continue
        position = board.stream(plan.ports[edge.stream].index).ints[StreamColumn.PRODUCED]
        lost = position - ledger.delivered - sum(ledger.dropped.values())
        if lost < 0:
            continue  # the rings of the two hosts counted differently: its ledger begins here
        for reason, count in ledger.dropped.items():
            row[DROP_COLUMNS[reason]] = count
        row[EdgeColumn.DROPPED_HOST] += lost
        row[EdgeColumn.DELIVERED] = ledger.delivered
        row[EdgeColumn.POSITION] = position
        row[EdgeColumn.READER_EPOCH] = 1  # there was one: the next goes on from here
