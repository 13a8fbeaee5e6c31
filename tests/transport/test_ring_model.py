"""Rings and inboxes against plain models of themselves, in random orders of calls."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal, cast

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import EdgeColumn, StreamColumn
from rena_graph.transport.interface import ChunkInfo
from rena_graph.transport.ring import RingWriter
from rena_graph.transport.ring_reader import RingReader
from rena_graph.transport.wire import Chunk
from rena_graph.transport.zmq_inbox import Inbox, joined

from .stage import Stage, numbered, stamps

CHANNELS = 64
CAPACITY = 8
"""64 channels of float64 are 512 bytes: eight slots fill a page, so that this is what the ring really holds."""

counts = st.integers(0, 5)
edges = st.integers(0, 2)


class RingMachine(RuleBasedStateMachine):
    """One writer, three readers of different policies; what a reader takes is what a list of all samples says."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.stage = Stage("ring", Path(self.folder.name))
        spec = StreamSpec("s", CHANNELS, "float64", 1000.0)
        self.port = self.stage.port(spec, CAPACITY, edges=(0, 1, 2))
        self.epoch = 0
        self.writer = cast(RingWriter, self.stage.writer(self.port))
        self.readers = [self._open(i) for i in range(3)]
        self.chunks: list[tuple[int, int]] = []
        self.produced = 0

    def _open(self, edge: int, resume: bool = False) -> RingReader:
        policies: list[Literal["fifo", "latest", "block"]] = ["fifo", "latest", "block"]
        # A reader that blocks gives up at once here: there is but one thread, so that nobody could make room.
        reader = self.stage.reader(self.port, edge, policies[edge], block_timeout=1e-6, resume=resume)
        return cast(RingReader, reader)

    @rule(count=counts)
    def publish(self, count: int) -> None:
        first = self.writer.publish(numbered(self.produced, count, CHANNELS), stamps(self.produced, count))
        assert first == self.produced
        for start in range(0, count, CAPACITY // 2):
            self.chunks.append((self.produced + start, min(CAPACITY // 2, count - start)))
        self.produced += count

    @rule(edge=edges, limit=counts, between=counts)
    def take(self, edge: int, limit: int, between: int) -> None:
        """Copy, let the writer publish in between, and commit: true exactly if nothing copied was overwritten."""
        reader = self.readers[edge]
        available = reader.pending()
        first = reader.position
        assert first + available == self.produced
        assert available <= CAPACITY
        if edge == 1 and available:
            assert first >= self.chunks[-1][0]
        data, times = reader.peek(limit)
        count = len(times)
        assert count == min(limit, available)
        np.testing.assert_array_equal(data, numbered(first, count, CHANNELS))
        np.testing.assert_array_equal(times, stamps(first, count))
        self.publish(between)
        whole = first >= self.produced - CAPACITY
        assert reader.intact(first) == whole
        assert reader.commit(count) == whole
        assert reader.position == first + count if whole else reader.position > first
        if not whole:
            # What was overtaken is counted, and the reader has a little room now.
            assert reader.position >= min(self.produced, self.produced - CAPACITY + 1)

    @rule(edge=edges, count=counts)
    def skip(self, edge: int, count: int) -> None:
        reader = self.readers[edge]
        count = min(count, reader.pending())
        before = self.stage.edge(EdgeColumn.DROPPED_WINDOW, edge)
        reader.skip(count)
        assert self.stage.edge(EdgeColumn.DROPPED_WINDOW, edge) == before + count

    @rule(edge=edges, count=counts)
    def retract(self, edge: int, count: int) -> None:
        count = min(count, self.stage.edge(EdgeColumn.DELIVERED, edge))
        self.readers[edge].retract(count, "view")

    @rule(edge=edges, count=st.integers(0, 20))
    def look_back(self, edge: int, count: int) -> None:
        reader = self.readers[edge]
        data, times, first = reader.window(count)
        assert first + len(times) == reader.position
        assert len(times) <= min(count, CAPACITY)
        if len(times):
            assert reader.intact(first)
        np.testing.assert_array_equal(data, numbered(first, len(times), CHANNELS))

    @rule(edge=edges, resume=st.booleans())
    def restart_reader(self, edge: int, resume: bool) -> None:
        start = self.stage.edge(EdgeColumn.START, edge)
        self.readers[edge].close()
        self.readers[edge] = self._open(edge, resume)
        assert self.stage.edge(EdgeColumn.START, edge) == (start if resume else self.produced)

    @rule(orderly=st.booleans())
    def restart_writer(self, orderly: bool) -> None:
        if orderly:
            self.writer.close()
            for reader in self.readers:
                assert reader.ended == (reader.position == self.produced)
        self.epoch += 1
        self.writer = cast(RingWriter, self.stage.writer(self.port, self.epoch))
        assert not any(reader.ended for reader in self.readers)

    @precondition(lambda self: self.chunks)
    @rule(back=st.integers(0, 12))
    def chunk(self, back: int) -> None:
        newest = self.readers[0].newest()
        assert newest is not None
        assert (newest.first, newest.count) == self.chunks[-1]
        sequence = self.produced - 1 - back
        found = self.readers[0].chunk_at(sequence)
        known = [(first, count) for first, count in self.chunks[-7:] if first <= sequence < first + count]
        assert [(found.first, found.count)] == known if found else not known

    @invariant()
    def ledgers(self) -> None:
        if hasattr(self, "produced"):
            assert self.stage.stream(StreamColumn.PRODUCED) == self.produced
            assert self.stage.stream(StreamColumn.CHUNKS) == len(self.chunks)
            assert all(self.stage.balanced(edge) for edge in range(3))

    def teardown(self) -> None:
        if hasattr(self, "stage"):
            self.stage.close()
            self.folder.cleanup()


class InboxMachine(RuleBasedStateMachine):
    """Chunks arrive, some are lost on the way; each sample ends up taken, overrun, skipped or missing: once."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox = Inbox(CAPACITY)
        self.sent = 0
        self.fate: dict[str, int] = dict.fromkeys(("taken", "overrun", "skipped", "missing"), 0)
        self.arrived: set[int] = set()
        self.position = 0
        self.available = 0

    @rule(count=st.integers(1, 12), lost=st.booleans())
    def send(self, count: int, lost: bool) -> None:
        info = ChunkInfo(self.sent, count, 0.0, 0.0, 1)
        if not lost:
            assert self.inbox.put(Chunk(info, numbered(self.sent, count), stamps(self.sent, count)))
            self.arrived.update(range(self.sent, self.sent + count))
        self.sent += count

    @rule(epoch=st.integers(0, 1))
    def send_again(self, epoch: int) -> None:
        if self.inbox.expected:
            info = ChunkInfo(self.inbox.expected - 1, 1, 0.0, 0.0, epoch)
            assert not self.inbox.put(Chunk(info, numbered(info.first, 1), stamps(info.first, 1)))

    @rule(latest=st.booleans())
    def settle(self, latest: bool) -> None:
        found = self.inbox.settle(latest)
        assert found.overrun + found.skipped + found.missing == found.position - self.position
        assert min(found.overrun, found.skipped, found.missing) >= 0
        passed = set(range(self.position, found.position))
        assert found.missing == len(passed - self.arrived)
        run = set(range(found.position, found.position + found.available))
        assert run <= self.arrived
        assert found.position + found.available not in self.arrived
        self.position, self.available = found.position, found.available
        for what in ("overrun", "skipped", "missing"):
            self.fate[what] += getattr(found, what)

    @rule(count=st.integers(0, 12))
    def take(self, count: int) -> None:
        if self.inbox.overtaken():
            return
        count = min(count, self.available)
        data, times = joined(*self.inbox.span(count), np.empty((0, 1)))
        np.testing.assert_array_equal(data, numbered(self.position, count))
        np.testing.assert_array_equal(times, stamps(self.position, count))
        self.inbox.take(count)
        self.fate["taken"] += count
        self.position += count
        self.available -= count

    @rule(count=st.integers(0, 20))
    def look_back(self, count: int) -> None:
        data, times = joined(*self.inbox.behind(count, 0), np.empty((0, 1)))
        assert len(times) <= count
        np.testing.assert_array_equal(data, numbered(self.position - len(times), len(times)))
        np.testing.assert_array_equal(times, stamps(self.position - len(times), len(times)))

    @invariant()
    def every_sample_has_one_fate(self) -> None:
        assert sum(self.fate.values()) == self.position == self.inbox.position <= self.sent


TestRing = RingMachine.TestCase
TestRing.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestInbox = InboxMachine.TestCase
TestInbox.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
