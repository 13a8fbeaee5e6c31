"""Both ends of a link as state machines, over a link that loses whatever it likes."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from rena_graph.transport.crossing.flow import Arrived, Incoming, Outgoing
from rena_graph.transport.crossing.messages import Grant, Position


class World:
    """A ring of `capacity` samples, a link of which any message may be lost, and a receiver."""

    def __init__(self, capacity: int, window: int, seed: int) -> None:
        self.capacity = capacity
        self.produced = 0
        self.out = Outgoing()
        self.into = Incoming("S", window, generation=1000)
        self.random = random.Random(seed)
        self.forth: list[tuple[str, object]] = []
        self.back: list[Grant] = []
        self.got: list[tuple[int, int, int]] = []
        self.window = window
        self.waiting: list[tuple[int, Arrived]] = []
        self.untaken = 0

    @property
    def floor(self) -> int:
        return max(0, self.produced - self.capacity)

    def send(self) -> None:
        while (span := self.out.span(self.floor, self.produced, 7)) is not None:
            self.forth.append(("data", (self.out.generation, span)))
            self.out.sent(span)

    def say(self) -> None:
        self.forth.append(("offer", 5))
        if self.out.granted:
            self.forth.append(("position", self.out.position("S", True, self.produced)))

    def deliver(self, lose: bool) -> None:
        if lose:
            self.forth = [m for m in self.forth if self.random.random() < 0.5]
            self.back = [m for m in self.back if self.random.random() < 0.5]
        for kind, what in self.forth:
            self._take(kind, what)
        self.forth = []
        for grant in self.back:
            self.out.hear(grant)
        self.back = []

    def _take(self, kind: str, what: object) -> None:
        if kind == "offer":
            self.back.append(self.into.offered(5))
        elif kind == "position":
            assert isinstance(what, Position)
            self.back.append(self.into.position(what))
        else:
            assert isinstance(what, tuple)
            generation, span = what
            verdict = self.into.data(generation, span.first, span.count, span.skipped)
            if isinstance(verdict, Arrived):
                self.got.append((span.first, span.count, span.skipped))
                self.waiting.append((span.count, verdict))
                self.untaken += span.count
                assert self.untaken <= self.window, "what is on the way is bounded"
            elif verdict is not None:
                self.back.append(verdict)

    def take(self) -> None:
        for count, arrived in self.waiting:
            grant = self.into.taken(count, arrived)
            if grant is not None:
                self.back.append(grant)
        self.waiting = []
        self.untaken = 0


steps = st.lists(
    st.one_of(
        st.tuples(st.just("produce"), st.integers(1, 300)),
        st.tuples(st.just("send"), st.just(0)),
        st.tuples(st.just("say"), st.just(0)),
        st.tuples(st.just("deliver"), st.booleans()),
        st.tuples(st.just("take"), st.just(0)),
    ),
    max_size=80,
)


@given(steps=steps, capacity=st.integers(10, 200), window=st.integers(2, 60), seed=st.integers(0, 2**32))
def test_every_sample_arrives_once_and_in_order_or_is_counted_as_lost(
    steps: list[tuple[str, int]], capacity: int, window: int, seed: int
) -> None:
    world = World(capacity, window, seed)
    for what, how in steps:
        if what == "produce":
            world.produced += how
        elif what == "send":
            world.send()
        elif what == "say":
            world.say()
        elif what == "take":
            world.take()
        else:
            world.deliver(bool(how))
    # The link is whole again: all that the ring still holds must come, within a few words.
    for _ in range(20 + 4 * world.produced // min(window, 7)):
        world.say()
        world.send()
        world.deliver(False)
        world.take()
    expected = 0
    for first, count, skipped in world.got:
        assert first - skipped == expected, "nothing twice, nothing missing without being said"
        expected = first + count
    if world.produced:
        assert expected == world.produced
    world.say()
    world.deliver(False)
    lost = sum(skipped for _, _, skipped in world.got)
    assert (world.out.arrived, world.out.lost) == (world.produced, lost)


def test_a_short_outage_loses_nothing_and_a_long_one_what_the_ring_let_go() -> None:
    world = World(100, 50, 1)
    world.produced = 30
    world.say()
    world.deliver(False)
    world.send()
    world.forth = []  # all of it is lost on the way
    world.produced = 90
    for _ in range(8):
        world.say()
        world.send()
        world.deliver(False)
        world.take()
    assert world.got[0][0] == 0
    assert world.out.lost == 0
    world.produced = 400
    for _ in range(20):
        world.say()
        world.send()
        world.deliver(False)
        world.take()
    assert world.out.lost == 210
    assert world.out.arrived == 400


def test_another_ring_is_read_from_its_beginning_and_the_same_one_where_it_was_left() -> None:
    into = Incoming("S", 100, generation=7)
    first = into.offered(1)
    assert (first.generation, first.next, first.limit) == (8, 0, 100)
    assert into.data(8, 0, 30, 0) == Arrived(0, 1)
    again = Incoming("S", 100, generation=50, source=1, next=30)
    assert again.offered(1).next == 30
    other = Incoming("S", 100, generation=50, source=1, next=30)
    assert other.offered(2).next == 0


def test_what_is_older_than_the_generation_counts_no_more() -> None:
    out = Outgoing()
    out.hear(Grant("S", 5, 10, 10, 0, 100))
    assert out.next == 10
    out.hear(Grant("S", 4, 0, 0, 0, 500))
    assert (out.generation, out.next) == (5, 10)
    into = Incoming("S", 100, generation=5)
    into.offered(1)
    assert into.data(5, 0, 10, 0) is None
    assert isinstance(into.data(6, 3, 10, 0), Grant)


def test_what_waits_for_slow_readers_has_not_arrived_yet() -> None:
    into, out = Incoming("S", 100, generation=5), Outgoing()
    out.hear(into.offered(1))
    assert out.span(0, 30, 50) is not None
    arrived = into.data(out.generation, 10, 20, 10)
    assert arrived == Arrived(10, 1)
    out.hear(into.grant())
    assert (out.arrived, out.lost) == (0, 0)
    into.taken(20, arrived)
    out.hear(into.grant())
    assert (out.arrived, out.lost) == (30, 10)


def test_what_waits_of_a_ring_before_says_nothing_about_the_next_one() -> None:
    into = Incoming("S", 100, generation=5)
    into.offered(1)
    before = into.data(6, 3, 20, 3)
    assert isinstance(before, Arrived)
    other = into.offered(2)
    assert (other.next, other.taken, other.lost) == (0, 0, 0)
    into.taken(20, before)
    again = into.grant()
    assert (again.taken, again.lost) == (0, 0)


def test_a_sender_that_is_made_anew_keeps_the_ledger_of_the_one_before() -> None:
    out = Outgoing(500, 20)
    assert (out.arrived, out.lost) == (500, 20)
    assert out.span(0, 1000, 50) is None, "it sends nothing before it was asked"
    out.hear(Grant("S", 5, 510, 505, 22, 700))
    assert (out.next, out.arrived, out.lost) == (510, 505, 22)
