"""What moves chunks between processes of one host: the interface that ring and ZMQ both offer.

A writer owns one stream; each of its readers stands for one edge. Both keep their counts in rows of
the :class:`~rena_graph.transport.board.Board`, so that anybody on the host can read them at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rena_graph.streams.spec import StreamSpec

__all__ = ["ChunkInfo", "Doorbell", "EdgeOptions", "StreamPort", "StreamReader", "StreamWriter", "Waiter"]

Samples = NDArray[Any]
Stamps = NDArray[np.float64]


@dataclass(frozen=True)
class StreamPort:
    """Where one stream of a run is found on one host. Picklable; travels with a node's setup.

    Parameters
    ----------
    spec : StreamSpec
        What flows.
    transport : {'ring', 'zmq'}
        How.
    address : str
        A shared-memory segment's path, or a ZMQ endpoint.
    capacity : int
        Samples that are kept for readers that have not taken them yet.
    index : int
        The stream's row on the board.
    edges : tuple of int
        Board rows of all edges that read this stream on this host.
    later : tuple of int
        Those of edges that may come to read it here, once another host is lost.
    """

    spec: StreamSpec
    transport: Literal["ring", "zmq"]
    address: str
    capacity: int
    index: int
    edges: tuple[int, ...] = ()
    later: tuple[int, ...] = ()


@dataclass(frozen=True)
class EdgeOptions:
    """What a reader does when it cannot keep up.

    Parameters
    ----------
    index : int
        The edge's row on the board.
    policy : {'fifo', 'latest', 'block'}
        ``fifo``: the oldest goes. ``latest``: only the newest chunk matters. ``block``: the writer waits.
    block_timeout : float
        Seconds that the writer waits at most before it goes on and the reader's oldest samples are dropped.
    """

    index: int
    policy: Literal["fifo", "latest", "block"] = "fifo"
    block_timeout: float = 1.0


class ChunkInfo(NamedTuple):
    """One publish.

    Attributes
    ----------
    first : int
        Sequence number of its first sample.
    count : int
        Samples.
    published : float
        Seconds of the host's monotonic clock, just before it became visible.
    origin : float
        Graph time of the oldest sample that it was made from; NaN where unknown.
    epoch : int
        The producer's epoch.
    """

    first: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody misses here
    published: float
    origin: float
    epoch: int


class StreamWriter(Protocol):
    """The one writer of a stream."""

    spec: StreamSpec

    def publish(self, data: Samples, timestamps: Stamps, origin: float = float("nan")) -> int:
        """Make ``data`` ``(samples, channels)``, of exactly the stream's dtype, visible to all readers.

        Returns the sequence number of the first sample. A chunk larger than the capacity is published in pieces.
        Blocks only for edges of policy ``block``, and for each at most its ``block_timeout``.
        """
        ...

    def wait_for_readers(self, count: int, timeout: float) -> bool:
        """Whether `count` of the stream's readers were ready before `timeout` seconds were over.

        A reader sees what is published after it got ready: call this before the first publish.
        """
        ...

    def stop_blocking(self) -> None:
        """Wait for no reader any more, nor in a publish that waits now; may be called from any thread."""
        ...

    def give_up_hope(self) -> None:
        """Wait for no reader any more that is away: none comes back; may be called from any thread."""
        ...

    def close(self) -> None:
        """Tell readers that no more comes, and let go."""
        ...


class StreamReader(Protocol):
    """One edge's end. Use from one thread: ``pending``, then ``peek``, copy, ``commit``."""

    spec: StreamSpec
    edge: EdgeOptions

    def pending(self) -> int:
        """Samples that can be taken now, after counting what was overtaken (``fifo``) or skipped (``latest``).

        To take everything, go on until it returns 0: over ZMQ a run of samples ends where some were lost.
        """
        ...

    def peek(self, limit: int | None = None) -> tuple[Samples, Stamps]:
        """The oldest `limit` pending samples, as views that hold until :meth:`commit` says otherwise."""
        ...

    def commit(self, count: int) -> bool:
        """Take `count` samples of the last peek, counting them delivered.

        False: the writer overtook them while they were copied. Nothing was taken; what was lost is counted as
        ``overrun``; throw the copy away and peek again.
        """
        ...

    def intact(self, first: int) -> bool:
        """Whether the samples from sequence number `first` on are still unharmed (for ``access: view``)."""
        ...

    def window(self, count: int) -> tuple[Samples, Stamps, int]:
        """Read-only views of the newest `count` samples up to the read position, and the first one's sequence number.

        For ``access: view``. Fewer than `count` where fewer are kept.
        """
        ...

    def skip(self, count: int, reason: str = "window") -> None:
        """Pass over the oldest `count` pending samples, counted as dropped for `reason`."""
        ...

    def retract(self, count: int, reason: str) -> None:
        """Count the last `count` delivered samples as dropped for `reason` after all.

        For what left the window before a loop saw it, and for what was computed from a view that was overtaken.
        """
        ...

    def newest(self) -> ChunkInfo | None:
        """The newest chunk published, taken or not."""
        ...

    def chunk_at(self, sequence: int) -> ChunkInfo | None:
        """The chunk that holds the sample of this sequence number, while it is remembered."""
        ...

    @property
    def position(self) -> int:
        """Sequence number of the next sample to take."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the writer said that no more comes, and all was taken."""
        ...

    def close(self) -> None:
        """Let go; the edge no longer holds up a writer."""
        ...


class Doorbell(Protocol):
    """Wakes one waiter, from any thread of its process."""

    def ring(self) -> None:
        """Wake it, now or at its next wait."""
        ...


class Waiter(Protocol):
    """One place to wait for several readers, a doorbell and a deadline."""

    @property
    def doorbell(self) -> Doorbell:
        """Wakes this waiter."""
        ...

    def wait(self, deadline: float | None, on_data: bool) -> None:
        """Sleep until `deadline` (monotonic seconds; None: for ever), the doorbell, or new data.

        New is what was published since the last wait with `on_data` returned: what came between that return and this
        call is not missed, and what the caller left lying does not wake it. With `on_data` false, data does not wake.
        May return early (the first wait for data does): callers look again.
        """
        ...

    def close(self) -> None:
        """Let go."""
        ...
