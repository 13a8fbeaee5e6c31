"""The compiled ends of a link against the Python that they speed up: the same leaves, and the same is taken in."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from rena_graph import kernel
from rena_graph.errors import RenaGraphError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport import fast
from rena_graph.transport.board import StreamColumn
from rena_graph.transport.crossing import fast_link
from rena_graph.transport.crossing.fast_link import LEFT, NOTHING
from rena_graph.transport.crossing.messages import Data, Grant, Offer, Position, pack, unpack
from rena_graph.transport.crossing.receiver import Receiver
from rena_graph.transport.crossing.sender import Sender
from rena_graph.transport.crossing.small import HEADER_BYTES, SmallCodec, lead_of
from rena_graph.transport.geometry import RECORD_BYTES, Word
from rena_graph.transport.interface import ChunkInfo, EdgeOptions
from rena_graph.transport.wire import Codec
from tests.transport.stage import Stage, numbered, stamps

pytestmark = pytest.mark.skipif(not fast_link._usable, reason=f"needs a C compiler: {kernel.missing}")
CHANNELS, CAPACITY = 64, 32
"""64 channels of float64 are 512 bytes: eight slots fill a page, so that this is what the ring really holds."""
SPEC = StreamSpec("s", CHANNELS, "float64", 1000.0)
WAYS = ("compiled", "python")


def failed(what: str, error: RenaGraphError) -> None:
    raise AssertionError(f"{what}: {error}")


# -- out ----------------------------------------------------------------------------------------------
class Leaving:
    """Two senders of one ring, neither of which runs: what is sent lies in the socket that they are connected to."""

    def __init__(self, stack: ExitStack) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stage = stack.enter_context(Stage("ring", folder))
        port = stage.port(SPEC, CAPACITY, edges=(0, 1))
        self.writer = stage.writer(port)
        context: zmq.Context[Any] = zmq.Context()
        stack.callback(context.term)
        self.ends: list[zmq.Socket[bytes]] = []
        self.senders: list[Sender] = []
        for edge, way in enumerate(WAYS):
            end = context.socket(zmq.DEALER)
            stack.callback(end.close, linger=0)
            end.bind(f"inproc://{way}")
            self.ends.append(end)
            sender = Sender(context, port, EdgeOptions(edge), stage.board, 1, f"inproc://{way}", None, failed)
            stack.callback(sender.close)
            self.senders.append(sender)
        assert self.senders[0]._outlet is not None
        self.senders[1]._outlet = None

    def sent(self) -> list[list[list[bytes]]]:
        found: list[list[list[bytes]]] = [[], []]
        for end, messages in zip(self.ends, found, strict=True):
            while end.poll(0):
                messages.append(end.recv_multipart())
        return found


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 12), st.sampled_from([math.nan, 0.5])),
        st.tuples(st.just("send"), st.integers(0, 40)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_the_same_leaves_whoever_sends_it(steps: list[Any]) -> None:
    with ExitStack() as stack:
        leaving = Leaving(stack)
        made = said = limit = 0
        for what, number, *more in steps:
            if what == "publish":
                leaving.writer.publish(numbered(made, number, CHANNELS), stamps(made, number), more[0])
                made += number
                continue
            limit, said = limit + number, said + 1
            for sender in leaving.senders:
                sender._flow.hear(Grant("s", 1, 0, 0, 0, limit))
                sender._send_some()
            one, other = leaving.sent()
            assert one == other
            assert leaving.senders[0]._flow.__dict__ == leaving.senders[1]._flow.__dict__


def test_all_that_is_there_leaves_while_its_sender_waits_for_it() -> None:
    with ExitStack() as stack:
        leaving = Leaving(stack)
        sender = leaving.senders[0]
        sender._flow.hear(Grant("s", 1, 0, 0, 0, 100))
        sender._wait(0.0)
        assert leaving.sent() == [[], []]
        leaving.writer.publish(numbered(0, 5, CHANNELS), stamps(0, 5), 0.25)
        leaving.writer.publish(numbered(5, 3, CHANNELS), stamps(5, 3), 0.5)
        sender._wait(0.0)
        codec = SmallCodec(SPEC)
        frames = [
            [codec.encode(1, 0, 0, 0.25, numbered(0, 5, CHANNELS), stamps(0, 5))],
            [codec.encode(1, 0, 5, 0.5, numbered(5, 3, CHANNELS), stamps(5, 3))],
        ]
        assert leaving.sent() == [frames, []]
        assert sender._flow.next == 8


def test_a_sender_that_may_send_no_more_does_not_wait_for_the_ring() -> None:
    with ExitStack() as stack:
        leaving = Leaving(stack)
        sender = leaving.senders[0]
        sender._flow.hear(Grant("s", 1, 0, 0, 0, 5))
        leaving.writer.publish(numbered(0, 8, CHANNELS), stamps(0, 8))
        sender._wait(math.inf)
        assert sender._flow.next == 5
        assert len(leaving.sent()[0]) == 1


# -- in -----------------------------------------------------------------------------------------------
class Coming:
    """A receiver that does not run, and who sends to it."""

    def __init__(self, stack: ExitStack, way: str) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.stage = stack.enter_context(Stage("ring", folder))
        self.port = self.stage.port(SPEC, CAPACITY, edges=(0,))
        context: zmq.Context[Any] = zmq.Context()
        stack.callback(context.term)
        bind = f"inproc://{way}"
        self.receiver = Receiver(context, bind, [self.port], None, {}, lambda: 42.0, failed)
        stack.callback(self.receiver.close)
        if way == "python":
            self.receiver._slots.intake = None
        self.receiver.take(self.port, "near", self.stage.board)
        self.inlet = self.receiver._inlets["s"]
        self.base = self.inlet.flow.generation
        self.peer = context.socket(zmq.DEALER)
        stack.callback(self.peer.close, linger=0)
        self.peer.connect(bind)

    def hear(self, frames: list[Any]) -> None:
        self.peer.send_multipart(frames)
        self.receiver._receive_next(0)

    def answers(self) -> list[Any]:
        found = []
        while self.peer.poll(0):
            grant = unpack(self.peer.recv_multipart())
            assert isinstance(grant, Grant)
            found.append((grant.generation - self.base, grant.next, grant.taken, grant.lost, grant.limit))
        return found

    def memory(self) -> list[Any]:
        """All that anybody else can see, but for times of the machine's own clock."""
        segment = self.inlet.writer._segment
        words = segment.words.tolist()
        words[Word.READERS] = 0
        records = bytearray(segment.records)
        for start in range(0, len(records), RECORD_BYTES):
            records[start + 16 : start + 24] = bytes(8)  # when it was published
        row = self.stage.board.stream(0).ints.tolist()
        row[StreamColumn.BLOCKED_NS] = 0
        flow = {**vars(self.inlet.flow), "generation": self.inlet.flow.generation - self.base}
        state = flow, self.inlet.ended, len(self.inlet.waiting), self.receiver.rejected
        return [words, bytes(records), segment.data.tobytes(), segment.stamps.tobytes(), row, state]


COMING = st.lists(
    st.tuples(
        st.sampled_from(
            ["next"] * 8 + ["many", "large", "gap", "old", "skipped", "again", "cut", "end", "where", "other"]
        ),
        st.integers(1, 9),
    ),
    max_size=25,
)


def said(what: str, count: int, coming: Coming) -> list[Any]:
    """A message as this receiver may get it now."""
    flow = coming.inlet.flow
    at, generation, skipped = flow.next, flow.generation, 0
    match what:
        case "again":
            return [pack(Offer("s", count))]
        case "end":
            return [pack(Position("s", generation, at, True))]
        case "where":
            return [pack(Position("s", generation, at + count, False))]
        case "gap":
            at += count
        case "skipped":
            at, skipped = at + count, count
        case "old":
            generation -= 1
    many = count * 3 if what == "many" else count
    data, times = numbered(at, many, CHANNELS), stamps(at, many)
    if what == "large":
        info = ChunkInfo(at, many, 0.0, 0.5, 0)
        return [pack(Data("s", generation, skipped)), *Codec(SPEC).encode(info, data, times)]
    spec = SPEC if what != "other" else StreamSpec("t", CHANNELS, "float64", 1000.0)
    frame = SmallCodec(spec).encode(generation, skipped, at, 0.5, data, times)
    return [frame[:-8] if what == "cut" else frame]


@settings(max_examples=40, deadline=None)
@given(COMING)
def test_the_same_is_taken_in_whoever_receives_it(steps: list[tuple[str, int]]) -> None:
    with ExitStack() as stack:
        both = [Coming(stack, way) for way in WAYS]
        assert both[0].receiver._slots.intake is not None
        for what, count in [("again", 1), *steps]:
            for coming in both:
                coming.hear(said(what, count, coming))
            assert both[0].memory() == both[1].memory()
            assert both[0].answers() == both[1].answers()


class Slot:
    """An intake with one slot, and a peer that sends to it."""

    def __init__(self, stack: ExitStack, host: str | None = None) -> None:
        from rena_graph.kernel import _core

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.stage = stack.enter_context(Stage("ring", folder))
        port = self.stage.port(SPEC, CAPACITY, edges=(0,))
        writer = self.stage.writer(port)
        assert isinstance(writer, fast.FastRingWriter)
        self.writer = writer
        context: zmq.Context[Any] = zmq.Context()
        stack.callback(context.term)
        router, door, self.peer = (context.socket(kind) for kind in (zmq.ROUTER, zmq.REP, zmq.DEALER))
        for socket in (router, door, self.peer):
            stack.callback(socket.close, linger=0)
        router.bind("inproc://router")
        door.bind("inproc://door")
        self.peer.connect("inproc://router")
        identity = SmallCodec(SPEC).identity
        self.intake = _core.Intake(router.underlying, door.underlying)
        self.number = self.intake.admit(lead_of(identity), identity, host, self.writer)

    def after(self, frame: bytes) -> int:
        self.peer.send(frame)
        return self.intake.receive(0)


@pytest.fixture
def slot() -> Iterator[Slot]:
    with ExitStack() as stack:
        yield Slot(stack)


GOOD = SmallCodec(SPEC).encode(7, 0, 0, 0.5, numbered(0, 2, CHANNELS), stamps(0, 2))


def test_a_frame_with_any_byte_changed_ahead_of_the_samples_is_left_to_python(slot: Slot) -> None:
    slot.intake.arm(slot.number, 7, 0)
    origin = range(HEADER_BYTES - 8, HEADER_BYTES)
    for place in range(HEADER_BYTES + len(SmallCodec(SPEC).identity)):
        if place not in origin:
            for bit in (1, 0x80):
                changed = bytes(b ^ bit if i == place else b for i, b in enumerate(GOOD))
                assert slot.after(changed) == LEFT, place
                assert (slot.intake.frame, slot.intake.more) == (changed, False)
    for length in (0, 1, 7, HEADER_BYTES - 1, HEADER_BYTES, len(GOOD) - 1):
        assert slot.after(GOOD[:length]) == LEFT
    assert slot.after(GOOD + b"x") == LEFT
    assert slot.writer.sequence == 0
    assert slot.after(GOOD) == slot.number
    assert slot.intake.samples == 2
    assert slot.writer.sequence == 2
    assert np.array_equal(slot.writer._data[:2], numbered(0, 2, CHANNELS))
    assert slot.after(GOOD) == LEFT, "what is here already"
    assert slot.intake.receive(0) == NOTHING


def test_it_takes_nothing_that_it_was_not_told_to(slot: Slot) -> None:
    assert slot.after(GOOD) == LEFT
    slot.intake.arm(slot.number, 7, 0)
    slot.intake.disarm(slot.number)
    assert slot.after(GOOD) == LEFT
    slot.intake.arm(slot.number, 7, 0)
    slot.peer.send_multipart([GOOD, b"more"])
    assert slot.intake.receive(0) == LEFT
    assert slot.intake.more
    slot.intake.forget(slot.number)
    for call in (slot.intake.disarm, slot.intake.forget):
        with pytest.raises(ValueError, match="no slot"):
            call(slot.number)


def test_a_sender_without_the_key_of_its_host_is_left_to_python() -> None:
    with ExitStack() as stack:
        secure = Slot(stack, "near")
        secure.intake.arm(secure.number, 7, 0)
        assert secure.after(GOOD) == LEFT
        secure.intake.hear(secure.number, "far")
        assert secure.after(GOOD) == LEFT
        assert secure.intake.host is None


def test_a_writer_that_is_fenced_off_is_left_to_python(slot: Slot) -> None:
    slot.intake.arm(slot.number, 7, 0)
    slot.writer._words[Word.EPOCH] += 1
    assert slot.after(GOOD) == LEFT
    slot.writer._words[Word.EPOCH] -= 1
    assert slot.after(GOOD) == slot.number
