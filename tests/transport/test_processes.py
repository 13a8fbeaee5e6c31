"""Streams between real processes: order, torn reads, lost wake-ups, killed writers, stopped readers."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

from rena_graph.streams.spec import StreamSpec
from rena_graph.transport import waiter as ring_waiter
from rena_graph.transport import zmq_waiter
from rena_graph.transport.board import EdgeColumn, StreamColumn
from rena_graph.transport.interface import EdgeOptions
from rena_graph.transport.links import open_waiter
from tests.limits import LIMIT

from .stage import Stage, numbered, stamps, take, until


def test_a_hundred_thousand_samples_arrive_once_in_order(stage: Stage) -> None:
    port = stage.port(StreamSpec("s", 2, "float64", 1000.0), 20_000, edges=(0, 1))
    readers = [stage.peer("read", port, edge=EdgeOptions(i, "block", LIMIT)).ready() for i in (0, 1)]
    writer = stage.peer("write", port, count=100_000, size=25, readers=2).ready()
    writer.go()
    assert writer.report() == {"ok": True}
    for edge, reader in enumerate(readers):
        assert reader.report() == {"delivered": 100_000, "wrong": 0, "position": 100_000}
        assert stage.dropped(edge) == {}
        assert stage.balanced(edge)
        assert stage.edge(EdgeColumn.ACTIVE, edge) == 0


def test_no_torn_sample_is_delivered_while_the_writer_laps_the_reader(ring_stage: Stage) -> None:
    stage = ring_stage
    channels = 4096
    port = stage.port(StreamSpec("s", channels, "float64", 1000.0), 8)
    reader = stage.reader(port)
    lapper = stage.peer("lap", port, size=2).ready()
    lapper.go()
    refused = taken = 0
    deadline = time.monotonic() + LIMIT
    while (taken < 300 or not refused) and time.monotonic() < deadline:
        count = reader.pending()
        if not count:
            continue
        first = reader.position
        data, times = (part.copy() for part in reader.peek(2))
        if reader.commit(len(times)):
            np.testing.assert_array_equal(data, numbered(first, len(times), channels))
            np.testing.assert_array_equal(times, stamps(first, len(times)))
            taken += len(times)
        else:
            refused += 1
        assert stage.balanced()
    lapper.process.send_signal(signal.SIGTERM)
    produced = lapper.report()["produced"]
    take(reader)
    assert taken >= 300
    assert refused > 0
    assert reader.position == produced == stage.stream(StreamColumn.PRODUCED)
    assert stage.dropped()["overrun"] > 0
    assert stage.balanced()


def test_no_wakeup_is_lost(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that sleep without a limit hand one sample to and fro: one lost wake-up and both sleep for ever."""
    monkeypatch.setattr(ring_waiter, "LONGEST", 3600.0)
    monkeypatch.setattr(zmq_waiter, "_LONGEST", 3600.0)
    there, back = stage.port(edges=(0,)), stage.port(edges=(1,))
    reader = stage.reader(back, 1)
    writer = stage.writer(there)
    peer = stage.peer("echo", there, back=back, edge=EdgeOptions(0))
    assert writer.wait_for_readers(1, LIMIT)
    peer.ready()
    waiter = open_waiter(stage.transport, [reader])
    for i in range(5000):
        writer.publish(numbered(i, 1), stamps(i, 1))
        while not reader.pending():
            waiter.wait(None, True)
        assert reader.peek()[0][0, 0] == i
        assert reader.commit(1)
    waiter.close()
    writer.close()
    assert peer.report() == {"ready": True}


def test_a_writer_killed_in_the_middle_of_a_copy_leaves_whole_samples_only(ring_stage: Stage) -> None:
    stage = ring_stage
    channels = 64
    port = stage.port(StreamSpec("s", channels, "float64", 1000.0), 64)
    reader = stage.reader(port, 0)
    late = stage.reader(port, 1, start=0)
    # 60 of 64 slots are full; the next chunk, of 20, overwrites the oldest 16.
    victim = stage.peer("die", port, count=60, size=20).ready()
    assert victim.process.wait(LIMIT) == -signal.SIGKILL
    # Of the 44 that are left, the reader gives an eighth away so as not to be overtaken again at once.
    assert reader.pending() == 44 - 5
    assert stage.dropped() == {"overrun": 16 + 5}
    first = reader.position
    np.testing.assert_array_equal(take(reader)[0], numbered(first, 39, channels))
    assert not reader.ended
    successor = stage.writer(port, epoch=1)
    assert successor.publish(numbered(60, 4, channels), stamps(60, 4)) == 60
    np.testing.assert_array_equal(take(reader)[0], numbered(60, 4, channels))
    newest = reader.newest()
    assert newest is not None
    assert (newest.first, newest.epoch) == (60, 1)
    data, _ = take(late)
    np.testing.assert_array_equal(data, numbered(64 - len(data), len(data), channels))
    for edge in (0, 1):
        assert stage.balanced(edge)


def test_a_writer_killed_before_it_commits_is_not_heard(ring_stage: Stage) -> None:
    """The chunk's record is written, the commit is not: the successor takes the number again."""
    stage = ring_stage
    port = stage.port()
    reader = stage.reader(port)
    writer = stage.writer(port)
    writer.publish(numbered(0, 4), stamps(0, 4))
    words = writer._words  # type: ignore[attr-defined]
    writer.publish(numbered(777, 4), stamps(777, 4))
    words[10] = 4  # COMMITTED, as a kill just before that store leaves it
    newest = reader.newest()
    assert newest is not None
    assert (newest.first, newest.count) == (0, 4)
    successor = stage.writer(port, epoch=1)
    assert stage.stream(StreamColumn.PRODUCED) == 4
    assert successor.publish(numbered(4, 2), stamps(4, 2)) == 4
    np.testing.assert_array_equal(take(reader)[0], numbered(0, 6))
    chunk = reader.chunk_at(4)
    assert chunk is not None
    assert (chunk.first, chunk.count, chunk.epoch) == (4, 2, 1)


def test_what_zmq_loses_for_a_stopped_reader_is_counted(zmq_stage: Stage) -> None:
    stage = zmq_stage
    port = stage.port(StreamSpec("s", 1024, "float64", 1000.0), 1000, edges=(0,))
    peer = stage.peer("read", port, edge=EdgeOptions(0))
    writer = stage.writer(port)
    assert writer.wait_for_readers(1, LIMIT)
    peer.ready()
    peer.process.send_signal(signal.SIGSTOP)
    for i in range(0, 6000, 2):
        writer.publish(numbered(i, 2, 1024), stamps(i, 2))
    peer.process.send_signal(signal.SIGCONT)
    # Once its queues have room again, what is published now gets through and shows the hole.
    sequence = [6000]

    def caught_up() -> bool:
        writer.publish(numbered(sequence[0], 1, 1024), stamps(sequence[0], 1))
        sequence[0] += 1
        return stage.edge(EdgeColumn.POSITION) > 6000

    until(caught_up)
    writer.close()
    report = peer.report()
    assert report["wrong"] == 0
    assert report["position"] == sequence[0]
    dropped = stage.dropped()
    assert dropped["transport"] > 0
    assert report["delivered"] + sum(dropped.values()) == sequence[0]
    assert stage.balanced()


def test_a_killed_writer_over_zmq_has_a_successor(zmq_stage: Stage) -> None:
    stage = zmq_stage
    port = stage.port(edges=(0,))
    reader = stage.reader(port)
    lapper = stage.peer("lap", port, size=1).ready()
    lapper.go()
    until(reader.pending)
    take(reader)
    lapper.process.kill()
    lapper.process.wait(LIMIT)
    produced = stage.stream(StreamColumn.PRODUCED)
    successor = stage.writer(port, epoch=1)

    def heard() -> bool:
        sequence = stage.stream(StreamColumn.PRODUCED)
        assert sequence >= produced
        successor.publish(numbered(sequence, 1), stamps(sequence, 1))
        take(reader)
        newest = reader.newest()
        return newest is not None and newest.epoch == 1

    until(heard)
    assert stage.balanced()
