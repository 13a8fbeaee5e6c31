"""Which samples go over a link and which have arrived: both ends as pure state machines, whatever gets lost between.

A *generation* is one attempt to send the stream in order. The receiver begins a new one where something is missing,
and says where to begin again; the sender obeys; messages of an older generation count no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from rena_graph.transport.crossing.messages import Grant, Position

__all__ = ["Arrived", "Incoming", "Outgoing", "Span"]


@dataclass(frozen=True)
class Span:
    """What to send next: `count` samples from `first` on, `skipped` before them being lost."""

    first: int
    count: int
    skipped: int


class Outgoing:
    """The sender's side of one stream to one host. Sequence numbers are those of the ring it reads.

    Attributes
    ----------
    next : int
        Sequence number of the next sample to send.
    arrived : int
        All before is known to lie in the receiver's ring, or to be lost.
    lost : int
        How many of these were lost.

    Parameters
    ----------
    arrived, lost : int
        What a sender before knew of this ring.
    """

    def __init__(self, arrived: int = 0, lost: int = 0) -> None:
        self.generation = 0
        self.next = 0
        self.arrived = arrived
        self.lost = lost
        self._limit = 0
        self._skipped = 0

    @property
    def granted(self) -> bool:
        """Whether the receiver has ever asked for the stream."""
        return self.generation > 0

    @property
    def allowed(self) -> int:
        """Samples that the receiver takes now, beyond those that are on their way."""
        return max(0, self._limit - (self.next - self._skipped))

    @property
    def smooth(self) -> bool:
        """Whether the next samples follow the last ones, none being lost between them."""
        return not self._skipped

    def hear(self, grant: Grant) -> None:
        """The receiver says what it has and what it wants."""
        if grant.generation < self.generation:
            return
        if grant.generation > self.generation:
            self.generation = grant.generation
            self.next = grant.next
            self._skipped = 0
        if grant.taken >= self.arrived:
            self.arrived, self.lost = grant.taken, grant.lost
        self._limit = grant.limit

    def span(self, floor: int, committed: int, most: int) -> Span | None:
        """What to send now; None: nothing, or nothing is allowed.

        Parameters
        ----------
        floor, committed : int
            Sequence numbers of the oldest sample that the ring holds, and of the next one to be published.
        most : int
            Samples at most.
        """
        if not self.granted:
            return None
        if self.next < floor:
            self._skipped += floor - self.next
            self.next = floor
        # What is lost takes no room on the way.
        allowed = self._limit - (self.next - self._skipped)
        count = min(committed - self.next, allowed, most)
        return Span(self.next, count, self._skipped) if count > 0 else None

    def sent(self, span: Span) -> None:
        """This span is on its way."""
        self.next = span.first + span.count
        self._skipped = 0

    def position(self, stream: str, ended: bool, committed: int) -> Position:
        """What to say from time to time; samples that are lost but not yet said so are not passed over."""
        return Position(stream, self.generation, self.next - self._skipped, ended and self.next >= committed)


@dataclass(frozen=True)
class Arrived:
    """Samples to take into the ring, after `lost` that never come; of the sender's ring `source`."""

    lost: int
    source: int


class Incoming:
    """The receiver's side of one stream.

    Parameters
    ----------
    stream : str
        Its name.
    window : int
        Samples that may be on the way.
    generation : int
        Larger than any that a receiver before used for this stream.
    source, next, lost : int | None, int, int
        Where a receiver before stopped: in which ring of the sender's, at which sample, and how many never came.

    Attributes
    ----------
    next : int
        Sequence number, in the sender's ring, of the next sample to arrive.
    lost : int
        Samples of that ring that never came.
    """

    def __init__(
        self, stream: str, window: int, generation: int = 0, source: int | None = None, next: int = 0, lost: int = 0
    ) -> None:
        self.stream = stream
        self.window = window
        self.generation = generation
        self.next = next
        self.lost = lost
        self.source: int | None = None
        self._before = source
        self._pending = 0
        self._behind = 0
        self._limit = 0

    def offered(self, source: int) -> Grant:
        """The sender has the stream, in this ring. Another ring than before is read from its beginning."""
        if source == self.source:
            return self.grant()
        if source != self._before:
            self.next = self.lost = self._behind = 0
        self.source = self._before = source
        return self._again()

    def data(self, generation: int, first: int, count: int, skipped: int) -> Arrived | Grant | None:
        """Samples came: take them, answer with a grant that asks again, or (None) leave them.

        Each gap is answered once: what comes after it belongs to a generation that is over.
        """
        if generation != self.generation or self.source is None:
            return None
        if first - skipped != self.next:
            return self._again()
        self.next = first + count
        self._pending += count
        self._behind += skipped + count
        return Arrived(skipped, self.source)

    def position(self, said: Position) -> Grant:
        """The sender says how far it is; where that is further than we are, something was lost on the way."""
        if said.generation == self.generation and said.next > self.next:
            return self._again()
        return self.grant()

    def ended(self, said: Position) -> bool:
        """Whether this was the stream's end, and all of it is here."""
        return said.ended and said.generation == self.generation and said.next == self.next and not self._pending

    def taken(self, count: int, after: Arrived) -> Grant | None:
        """So many samples that arrived lie in the ring; a grant, where one is due."""
        self._pending -= count
        if after.source == self.source:
            self._behind -= after.lost + count
            self.lost += after.lost
        return self.grant() if self._allowed() - self._limit >= self.window // 4 else None

    def grant(self) -> Grant:
        """What we have and want now."""
        self._limit = self._allowed()
        taken = self.next - self._behind
        return Grant(self.stream, self.generation, self.next, taken, self.lost, self._limit)

    def _allowed(self) -> int:
        return self.next - self._pending + self.window

    def _again(self) -> Grant:
        self.generation += 1
        return self.grant()
