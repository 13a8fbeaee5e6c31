"""Opens the ends of streams: whoever moves chunks comes here, and nowhere else chooses between ring and ZMQ."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, cast

from rena_graph.errors import SharedMemoryShort
from rena_graph.transport.board import Board
from rena_graph.transport.interface import EdgeOptions, StreamPort, StreamReader, StreamWriter, Waiter
from rena_graph.transport.probe import ring_available

__all__ = [
    "check_shared_memory",
    "create_stream",
    "open_reader",
    "open_waiter",
    "open_writer",
    "remove_stream",
    "ring_available",
    "segment_bytes",
    "shared_memory_free",
]

_IPC = "ipc://"


def create_stream(port: StreamPort) -> None:
    """Allocate what the stream needs on this host: a ring's segment; nothing for ZMQ.

    Raises
    ------
    SharedMemoryShort
        The segment does not fit; nothing is left behind.
    TransportError
        It exists already, or cannot be made.
    """
    if port.transport == "ring":
        from rena_graph.transport.mapping import create_segment

        create_segment(Path(port.address), port.spec, port.capacity)


def remove_stream(port: StreamPort) -> None:
    """Remove the segment, or the socket's file. Whoever has it open keeps it; missing is as good."""
    if port.transport == "ring":
        Path(port.address).unlink(missing_ok=True)
    elif port.address.startswith(_IPC):
        Path(port.address.removeprefix(_IPC)).unlink(missing_ok=True)


def open_writer(
    port: StreamPort, board: Board, epoch: int, clock: Callable[[], float] = time.monotonic
) -> StreamWriter:
    """Open a stream for writing; from now on any writer of a smaller epoch is refused.

    Parameters
    ----------
    port : StreamPort
        Of a stream that :func:`create_stream` made.
    board : Board
        This host's counters; must outlive the writer.
    epoch : int
        Grows with each restart of the producer.
    clock : callable
        Monotonic seconds, for :attr:`~rena_graph.transport.interface.ChunkInfo.published`.

    Raises
    ------
    Fenced
        A writer of this or a larger epoch holds the stream.
    TransportError
        The segment is missing, or another stream's; or the endpoint cannot be bound.
    """
    if port.transport == "zmq":
        from rena_graph.transport.zmq_writer import ZmqWriter

        return ZmqWriter(port, board, epoch, clock)
    if port.spec.is_string:
        from rena_graph.transport.strings import StringRingWriter

        return StringRingWriter(port, board, epoch, clock)
    from rena_graph.transport import fast

    if fast.usable and clock is time.monotonic:
        return fast.FastRingWriter(port, board, epoch)
    from rena_graph.transport.ring import RingWriter

    return RingWriter(port, board, epoch, clock)


def open_reader(
    port: StreamPort, edge: EdgeOptions, board: Board, *, start: int | None = None, resume: bool = False
) -> StreamReader:
    """Open one edge's end of a stream.

    Parameters
    ----------
    port : StreamPort
        Of a stream that :func:`create_stream` made.
    edge : EdgeOptions
        The edge's row, and what to do when the reader cannot keep up.
    board : Board
        This host's counters; must outlive the reader.
    start : int | None
        Sequence number at which the edge's ledger begins; by default behind all that was published. Over ZMQ
        nothing is kept for those who come later, and what lies before is counted as dropped (``transport``).
    resume : bool
        Go on with the ledger of the edge's reader before, if it had one: what is still kept is read, the rest
        counted as dropped (``restart``).

    Raises
    ------
    TransportError
        The segment is missing, or another stream's.
    UsageError
        `start` lies ahead of what was published.
    """
    if port.transport == "zmq":
        from rena_graph.transport.zmq_reader import ZmqReader

        return ZmqReader(port, edge, board, start, resume)
    if port.spec.is_string:
        from rena_graph.transport.strings import StringRingReader

        return StringRingReader(port, edge, board, start, resume)
    from rena_graph.transport import fast

    if fast.usable:
        return fast.FastRingReader(port, edge, board, start, resume)
    from rena_graph.transport.ring_reader import RingReader

    return RingReader(port, edge, board, start, resume)


def open_waiter(
    transport: Literal["ring", "zmq"], readers: Sequence[StreamReader], clock: Callable[[], float] = time.monotonic
) -> Waiter:
    """One place to wait for all of these readers, which are of this transport; there may be none."""
    if transport == "zmq":
        from rena_graph.transport.zmq_reader import ZmqReader
        from rena_graph.transport.zmq_waiter import ZmqWaiter

        return ZmqWaiter(cast("Sequence[ZmqReader]", readers), clock)
    from rena_graph.transport import fast
    from rena_graph.transport.ring_reader import RingReader
    from rena_graph.transport.waiter import RingWaiter

    if fast.usable and clock is time.monotonic:
        return fast.FastRingWaiter(cast("Sequence[RingReader]", readers))
    return RingWaiter(cast("Sequence[RingReader]", readers), clock)


def segment_bytes(port: StreamPort) -> int:
    """Bytes of shared memory that the stream takes on this host; 0 over ZMQ."""
    if port.transport == "zmq":
        return 0
    from rena_graph.transport.geometry import Geometry

    return Geometry.of(port.spec, port.capacity).file_bytes


def shared_memory_free() -> int:
    """Bytes of shared memory that are not in use on this machine; 0 where there is none."""
    from rena_graph.transport.mapping import shared_memory_free as free

    return free()


def check_shared_memory(ports: Sequence[StreamPort], free: int | None = None) -> None:
    """Make sure that all these rings fit together, before any is made.

    Parameters
    ----------
    ports : sequence of StreamPort
        All streams of one host.
    free : int | None
        Bytes; by default :func:`shared_memory_free`.

    Raises
    ------
    SharedMemoryShort
        They do not; the message has the figures, the largest streams first.
    """
    sizes = sorted(((segment_bytes(port), port.spec.name) for port in ports), reverse=True)
    needed = sum(size for size, _ in sizes)
    free = shared_memory_free() if free is None else free
    if needed > free:
        largest = ", ".join(f"{name!r} {size:,}" for size, name in sizes[:3])
        raise SharedMemoryShort(
            f"the streams of this host need {needed:,} bytes of shared memory, {free:,} are free (largest: {largest}). "
            f"Shorten buffer_duration, enlarge /dev/shm (in Docker: --shm-size), or use the transport 'zmq'"
        )
