"""One stream that comes from another host: what its receiver knows of it, and the ring that it goes into."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from rena_graph.transport.board import Board, EdgeColumn, StreamColumn
from rena_graph.transport.crossing.flow import Arrived, Incoming
from rena_graph.transport.crossing.sender import PIECE_BYTES
from rena_graph.transport.crossing.small import SmallCodec
from rena_graph.transport.interface import StreamPort
from rena_graph.transport.links import open_writer
from rena_graph.transport.ring import RingWriter
from rena_graph.transport.text import TextCodec
from rena_graph.transport.wire import Chunk, Codec

__all__ = ["Inlet", "largest_message", "must_wait", "open_inlet", "open_ring"]

WINDOW_BYTES = 4 << 20
"""How much of a stream may be on the way: more than a Gbit link carries in 20 ms."""
_PATIENCE = 1.0
"""Seconds to wait for slow readers: before a hole, and before a publish that must wait for one of policy ``block``."""


@dataclass
class Inlet:
    """One stream that comes from another host."""

    host: str
    port: StreamPort
    board: Board
    codec: Codec
    small: SmallCodec
    writer: RingWriter
    flow: Incoming
    row: memoryview
    """The stream's row on the board."""
    edges: list[memoryview]
    """Those of all its readers here."""
    waiting: deque[tuple[Arrived, Chunk]] = field(default_factory=deque)
    """Chunks that are here and not in the ring yet, each with what was lost before it; the window bounds them."""
    since: float | None = None
    """When the first of them began to wait for a reader."""
    peer: bytes = b""
    """Where the last message of it came from, to answer there."""
    generation: int | None = None
    slot: int | None = None
    """Where the kernel takes in what is small, and goes on where the last one stopped; None: nowhere."""
    ended: bool = False
    """Whether the stream has ended; a node that is started again takes it up again."""


def open_inlet(port: StreamPort, host: str, board: Board, begin_at: int) -> Inlet:
    """Take over a ring, and go on where a receiver before stopped; one that holds nothing yet begins at `begin_at`."""
    row = board.stream(port.index).ints
    writer = open_ring(port, board, row[StreamColumn.EPOCH] + 1)
    if begin_at > writer.sequence == 0:
        writer.skip(begin_at)
    window = max(2, min(WINDOW_BYTES // port.spec.sample_bytes, port.capacity))
    # A receiver that comes after another must speak of later generations than that one did.
    first = time.monotonic_ns() // 1_000_000
    source = row[StreamColumn.LINK_SOURCE] or None
    # What of the ring before was here, and not in this ring when its receiver died, is gone.
    begin = row[StreamColumn.LINK_BEGIN] = min(row[StreamColumn.LINK_BEGIN], writer.sequence)
    lost = row[StreamColumn.LINK_LOST] - row[StreamColumn.LINK_LOST_BEFORE]
    flow = Incoming(port.spec.name, window, first, source, writer.sequence - begin, lost)
    edges = [board.edge(index).ints for index in (*port.edges, *port.later)]
    return Inlet(host, port, board, Codec(port.spec), SmallCodec(port.spec), writer, flow, row, edges)


def open_ring(port: StreamPort, board: Board, epoch: int) -> RingWriter:
    """The writer of a ring that a link fills."""
    writer = open_writer(port, board, epoch)
    assert isinstance(writer, RingWriter), "streams cross between hosts from ring to ring"
    return writer


def must_wait(inlet: Inlet, lost: int, count: int) -> bool:
    """Whether so many samples, behind a hole of `lost`, have to wait for readers; not longer than these may take."""
    sequence = inlet.writer.sequence
    behind = lost and any(e[EdgeColumn.ACTIVE] and e[EdgeColumn.POSITION] < sequence for e in inlet.edges)
    if not behind and not inlet.writer.would_block(lost + count):
        return False
    now = time.monotonic()
    inlet.since = inlet.since or now
    return now - inlet.since < _PATIENCE


def largest_message(port: StreamPort) -> int:
    """Bytes of the stream's longest frame: a piece or a sample; text may be as long as the ring can hold."""
    spec = port.spec
    return TextCodec(spec, port.capacity).room if spec.is_string else max(PIECE_BYTES, spec.sample_bytes)
