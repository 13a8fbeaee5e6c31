"""What a stream does over either transport, within one process."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from rena_graph.errors import Fenced, UsageError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.backpressure import leave
from rena_graph.transport.board import EdgeColumn, StreamColumn
from rena_graph.transport.edge_reader import DROP_COLUMNS
from rena_graph.transport.links import open_waiter
from tests.limits import LIMIT

from .stage import Stage, numbered, stamps, take, until

DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_and_dtype_arrive_as_they_were_sent(stage: Stage, dtype: str) -> None:
    port = stage.port(StreamSpec("s", 3, dtype, 100.0), 64)
    writer, reader = stage.pair(port)
    data = np.arange(30).reshape(10, 3).astype(dtype)
    assert writer.publish(data, stamps(0, 10)) == 0
    stage.settle(reader, 10)
    got, times = take(reader)
    assert got.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(got, data)
    np.testing.assert_array_equal(times, stamps(0, 10))
    assert stage.balanced()


def test_infinities_and_nan_pass(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port(StreamSpec("s", 4, "float32")))
    data = np.array([[np.nan, np.inf, -np.inf, -0.0]], np.float32)
    writer.publish(data, np.array([1.0]))
    stage.settle(reader, 1)
    assert take(reader)[0].tobytes() == data.tobytes()


def test_sequence_numbers_count_samples(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port())
    assert [writer.publish(numbered(i, n), stamps(i, n)) for i, n in ((0, 3), (3, 0), (3, 2))] == [0, 3, 3]
    stage.settle(reader, 5)
    np.testing.assert_array_equal(take(reader)[0], numbered(0, 5))
    assert reader.position == 5
    assert stage.stream(StreamColumn.PRODUCED) == 5
    assert stage.stream(StreamColumn.CHUNKS) == 2
    assert stage.stream(StreamColumn.BYTES) == 40
    assert stage.board.stream(0).floats[StreamColumn.LAST_TIMESTAMP] == 0.004
    assert stage.board.edge(0).floats[EdgeColumn.LAST_TIMESTAMP] == 0.004


def test_a_chunk_larger_than_the_capacity_goes_in_pieces(stage: Stage) -> None:
    port = stage.port(capacity=512)
    writer, reader = stage.pair(port)
    assert writer.publish(numbered(0, 5000), stamps(0, 5000)) == 0
    until(lambda: reader.pending() and reader.position + reader.pending() == 5000)
    data, _ = take(reader)
    assert data[-1, 0] == 4999
    np.testing.assert_array_equal(data, numbered(5000 - len(data), len(data)))
    assert stage.dropped() == {"overrun": 5000 - len(data)}
    assert stage.balanced()


@pytest.mark.parametrize(
    ("data", "times"),
    [
        (np.zeros((2, 1), np.float32), np.zeros(2)),
        (np.zeros((2, 2)), np.zeros(2)),
        (np.zeros(2), np.zeros(2)),
        (np.zeros((2, 1)), np.zeros(3)),
        (np.zeros((2, 1)), np.zeros((2, 1))),
    ],
)
def test_another_shape_or_dtype_is_refused_and_nothing_sent(stage: Stage, data: object, times: object) -> None:
    writer = stage.writer(stage.port())
    with pytest.raises(UsageError, match=r"'s' takes data of shape \(samples, 1\) and dtype float64"):
        writer.publish(data, times)  # type: ignore[arg-type]
    assert stage.stream(StreamColumn.PRODUCED) == 0


def test_samples_from_non_contiguous_arrays(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port(StreamSpec("s", 2, "float64")))
    data = np.arange(40.0).reshape(2, 20).T[::2]
    writer.publish(data, np.arange(20.0)[::2])
    stage.settle(reader, 10)
    got, times = take(reader)
    np.testing.assert_array_equal(got, data)
    np.testing.assert_array_equal(times, np.arange(0, 20, 2))


def test_a_reader_begins_with_what_comes_after_it(stage: Stage) -> None:
    port = stage.port()
    writer, early = stage.pair(port)
    writer.publish(numbered(0, 5), stamps(0, 5))
    late = stage.reader(port, 1)
    assert writer.wait_for_readers(2, LIMIT)
    writer.publish(numbered(5, 3), stamps(5, 3))
    stage.settle(early, 8)
    stage.settle(late, 8)
    np.testing.assert_array_equal(take(early)[0], numbered(0, 8))
    np.testing.assert_array_equal(take(late)[0], numbered(5, 3))
    assert stage.edge(EdgeColumn.START, 1) == 5
    assert stage.balanced(0)
    assert stage.balanced(1)


def test_waiting_for_a_reader_that_does_not_come_ends(stage: Stage) -> None:
    assert not stage.writer(stage.port()).wait_for_readers(1, 0.01)


def test_peek_is_limited_and_commit_takes_part(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port())
    writer.publish(numbered(0, 6), stamps(0, 6))
    writer.publish(numbered(6, 6), stamps(6, 6))
    stage.settle(reader, 12)
    data, times = reader.peek(9)
    np.testing.assert_array_equal(data, numbered(0, 9))
    np.testing.assert_array_equal(times, stamps(0, 9))
    assert reader.commit(7)
    assert (reader.position, reader.pending()) == (7, 5)
    np.testing.assert_array_equal(reader.peek()[0], numbered(7, 5))
    assert reader.commit(0)
    assert stage.balanced()
    with pytest.raises(UsageError, match="cannot take 6 samples"):
        reader.commit(6)


def test_views_are_read_only(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port())
    writer.publish(numbered(0, 4), stamps(0, 4))
    stage.settle(reader, 4)
    data, times = reader.peek()
    assert not data.flags.writeable
    assert not times.flags.writeable
    reader.commit(4)
    data, times, _ = reader.window(4)
    assert not data.flags.writeable
    assert not times.flags.writeable


def test_views_outlive_reader_and_segment(stage: Stage) -> None:
    port = stage.port(capacity=64)
    writer, reader = stage.pair(port)
    writer.publish(numbered(0, 4), stamps(0, 4))
    stage.settle(reader, 4)
    data, times = reader.peek()
    reader.close()
    writer.close()
    stage.close()
    np.testing.assert_array_equal(data, numbered(0, 4))
    np.testing.assert_array_equal(times, stamps(0, 4))


def test_latest_jumps_to_the_newest_chunk(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port(), "latest")
    for i in range(0, 50, 5):
        writer.publish(numbered(i, 5), stamps(i, 5))
    until(lambda: reader.pending() and reader.position == 45)
    np.testing.assert_array_equal(take(reader)[0], numbered(45, 5))
    assert stage.dropped() == {"latest": 45}
    assert stage.balanced()


def test_latest_finishes_a_chunk_that_it_began(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port(), "latest")
    writer.publish(numbered(0, 6), stamps(0, 6))
    stage.settle(reader, 6)
    reader.peek(2)
    assert reader.commit(2)
    assert reader.pending() == 4
    np.testing.assert_array_equal(take(reader)[0], numbered(2, 4))
    assert stage.dropped() == {}


def test_skipping_is_counted_by_reason(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port())
    writer.publish(numbered(0, 20), stamps(0, 20))
    stage.settle(reader, 20)
    for reason in DROP_COLUMNS:
        reader.skip(1, reason)
    reader.skip(3)
    assert stage.dropped() == {**dict.fromkeys(DROP_COLUMNS, 1), "window": 4}
    np.testing.assert_array_equal(take(reader)[0], numbered(3 + len(DROP_COLUMNS), 17 - len(DROP_COLUMNS)))
    assert stage.balanced()
    with pytest.raises(UsageError, match="no reason 'boredom'"):
        reader.skip(0, "boredom")


def test_delivered_samples_can_be_taken_back(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port())
    writer.publish(numbered(0, 10), stamps(0, 10))
    stage.settle(reader, 10)
    take(reader)
    reader.retract(4, "view")
    assert stage.dropped() == {"view": 4}
    assert stage.edge(EdgeColumn.DELIVERED) == 6
    assert stage.balanced()
    with pytest.raises(UsageError, match="6 were delivered"):
        reader.retract(7, "view")


def test_window_shows_what_was_taken(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port(capacity=512))
    assert len(reader.window(5)[1]) == 0
    for i in range(0, 30, 3):
        writer.publish(numbered(i, 3), stamps(i, 3))
    stage.settle(reader, 30)
    assert reader.pending() == 30
    assert reader.commit(20)
    data, times, first = reader.window(7)
    assert first == 13
    np.testing.assert_array_equal(data, numbered(13, 7))
    np.testing.assert_array_equal(times, stamps(13, 7))
    assert reader.intact(first)
    data, _, first = reader.window(100)
    assert (first, len(data)) == (0, 20)


def test_window_stops_at_the_beginning_of_the_reader(stage: Stage) -> None:
    port = stage.port()
    writer, first = stage.pair(port)
    writer.publish(numbered(0, 8), stamps(0, 8))
    late = stage.reader(port, 1)
    assert writer.wait_for_readers(2, LIMIT)
    writer.publish(numbered(8, 2), stamps(8, 2))
    stage.settle(late, 10)
    stage.settle(first, 10)
    take(late)
    data, _, at = late.window(10)
    assert at == 8
    np.testing.assert_array_equal(data, numbered(8, 2))


def test_chunks_are_remembered(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port())
    assert reader.newest() is None
    assert reader.chunk_at(0) is None
    for i, n in ((0, 4), (4, 1), (5, 7)):
        writer.publish(numbered(i, n), stamps(i, n), origin=float(i))
    stage.settle(reader, 12)
    take(reader)
    newest = reader.newest()
    assert newest is not None
    assert (newest.first, newest.count, newest.origin, newest.epoch) == (5, 7, 5.0, 0)
    found = [reader.chunk_at(i) for i in (0, 3, 4, 5, 11)]
    assert [chunk and chunk.first for chunk in found] == [0, 0, 4, 5, 5]
    assert reader.chunk_at(12) is None
    assert reader.chunk_at(-1) is None


def test_origin_is_unknown_unless_given(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port())
    writer.publish(numbered(0, 1), stamps(0, 1))
    stage.settle(reader, 1)
    newest = reader.newest()
    assert newest is not None
    assert math.isnan(newest.origin)


def test_end_comes_after_the_last_sample(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port())
    writer.publish(numbered(0, 3), stamps(0, 3))
    assert not reader.ended
    writer.close()
    assert stage.stream(StreamColumn.ENDED) == 1
    stage.settle(reader, 3)
    assert not reader.ended
    take(reader)
    until(lambda: reader.ended)
    assert stage.balanced()


def test_a_reader_closes_once_and_is_active_until_then(stage: Stage) -> None:
    _, reader = stage.pair(stage.port())
    assert stage.edge(EdgeColumn.ACTIVE) == 1
    reader.close()
    reader.close()
    assert stage.edge(EdgeColumn.ACTIVE) == 0


def test_a_million_channels(stage: Stage) -> None:
    frame = 1080 * 1920 * 3
    writer, reader = stage.pair(stage.port(StreamSpec("camera", frame, "uint8", 30.0), 8))
    rng = np.random.default_rng(0)
    for i in range(12):
        sent = rng.integers(0, 256, (1, frame), np.uint8)
        writer.publish(sent, np.array([float(i)]))
        stage.settle(reader, i + 1)
        data, _ = reader.peek()
        assert data.shape == (1, frame)
        assert data.flags.c_contiguous
        np.testing.assert_array_equal(data, sent)
        assert reader.commit(1)
    assert stage.dropped() == {}


# --- policy "block" ---


def test_block_loses_nothing(stage: Stage) -> None:
    port = stage.port(capacity=512)
    writer, reader = stage.pair(port, "block")
    total = 20_000

    def produce() -> None:
        for i in range(0, total, 50):
            writer.publish(numbered(i, 50), stamps(i, 50))
        writer.close()

    thread = threading.Thread(target=produce)
    thread.start()
    waiter = open_waiter(stage.transport, [reader])
    taken = []
    while not reader.ended:
        waiter.wait(None, True)
        while reader.pending():
            data, _ = reader.peek(64)
            taken.append(data.copy())
            assert reader.commit(len(data))
            assert stage.balanced()
    thread.join(LIMIT)
    waiter.close()
    np.testing.assert_array_equal(np.concatenate(taken), numbered(0, total))
    assert stage.dropped() == {}
    assert stage.stream(StreamColumn.BLOCK_TIMEOUTS) == 0


def test_block_gives_up_once_until_the_reader_moves(stage: Stage) -> None:
    port = stage.port(capacity=512)
    writer, reader = stage.pair(port, "block", block_timeout=0.02)
    for i in range(0, 2048, 64):
        writer.publish(numbered(i, 64), stamps(i, 64))
    assert stage.stream(StreamColumn.BLOCK_TIMEOUTS) == 1
    assert stage.stream(StreamColumn.BLOCKED_NS) >= 20_000_000
    until(lambda: reader.pending() and reader.position + reader.pending() == 2048)
    data, _ = take(reader)
    assert stage.dropped() == {"overrun": 2048 - len(data)}
    for i in range(2048, 4096, 64):
        writer.publish(numbered(i, 64), stamps(i, 64))
    assert stage.stream(StreamColumn.BLOCK_TIMEOUTS) == 2


def test_a_reader_that_went_holds_nobody(stage: Stage) -> None:
    port = stage.port(capacity=512)
    writer, reader = stage.pair(port, "block")
    thread = threading.Thread(target=lambda: writer.publish(numbered(0, 4096), stamps(0, 4096)))
    thread.start()
    until(lambda: stage.stream(StreamColumn.PRODUCED) >= 256)
    assert thread.is_alive()
    reader.close()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert stage.stream(StreamColumn.PRODUCED) == 4096
    assert stage.stream(StreamColumn.BLOCK_TIMEOUTS) == 0


def test_a_reader_that_comes_back_finds_all(ring_stage: Stage) -> None:
    stage = ring_stage
    port = stage.port(capacity=512)
    writer, reader = stage.pair(port, "block", block_timeout=0.01)
    thread = threading.Thread(target=lambda: writer.publish(numbered(0, 4096), stamps(0, 4096)))
    leave(stage.board.edge(0), returns=True)
    thread.start()
    until(lambda: stage.stream(StreamColumn.PRODUCED) >= 256)
    again = stage.reader(port, 0, "block", block_timeout=LIMIT, resume=True)
    taken: list[float] = []
    while len(taken) < 4096:
        until(again.pending)
        taken += take(again)[0][:, 0].tolist()
    thread.join(LIMIT)
    assert taken == list(range(4096))
    assert stage.dropped() == {}
    assert stage.edge(EdgeColumn.AWAY_NS) == 0
    del reader


def test_blocking_can_be_stopped(stage: Stage) -> None:
    port = stage.port(capacity=512)
    writer, reader = stage.pair(port, "block")
    thread = threading.Thread(target=lambda: writer.publish(numbered(0, 4096), stamps(0, 4096)))
    thread.start()
    until(lambda: stage.stream(StreamColumn.PRODUCED) >= 256)
    assert thread.is_alive()
    writer.stop_blocking()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert stage.stream(StreamColumn.PRODUCED) == 4096
    assert stage.edge(EdgeColumn.ACTIVE) == 1
    reader.close()


def test_only_the_slow_reader_loses(stage: Stage) -> None:
    port = stage.port(capacity=512)
    writer, fast = stage.pair(port)
    slow = stage.reader(port, 1)
    assert writer.wait_for_readers(2, LIMIT)
    taken = []
    for i in range(0, 5000, 100):
        writer.publish(numbered(i, 100), stamps(i, 100))
        stage.settle(fast, i + 100)
        taken.append(take(fast)[0])
    np.testing.assert_array_equal(np.concatenate(taken), numbered(0, 5000))
    assert stage.dropped(0) == {}
    until(lambda: slow.pending() and slow.position + slow.pending() == 5000)
    data, _ = take(slow)
    np.testing.assert_array_equal(data, numbered(5000 - len(data), len(data)))
    assert stage.dropped(1) == {"overrun": 5000 - len(data)}
    assert stage.balanced(0)
    assert stage.balanced(1)


# --- epochs ---


def test_a_successor_goes_on_with_the_sequence(stage: Stage) -> None:
    port = stage.port()
    writer, reader = stage.pair(port)
    writer.publish(numbered(0, 5), stamps(0, 5))
    stage.settle(reader, 5)
    assert len(take(reader)[0]) == 5
    successor = stage.writer(port, epoch=1)
    with pytest.raises(Fenced):
        writer.publish(numbered(5, 1), stamps(5, 1))

    def arrived() -> bool:
        # Over ZMQ the reader has to find the new socket; until then it hears nothing.
        produced = stage.stream(StreamColumn.PRODUCED)
        assert successor.publish(numbered(produced, 1), stamps(produced, 1)) == produced
        return reader.pending() > 0

    until(arrived)
    first = reader.position
    data, times = take(reader)
    np.testing.assert_array_equal(data, numbered(first, len(data)))
    np.testing.assert_array_equal(times, stamps(first, len(data)))
    assert stage.dropped() == ({"transport": first - 5} if first > 5 else {})
    newest = reader.newest()
    assert newest is not None
    assert newest.epoch == 1
    assert stage.stream(StreamColumn.EPOCH) == 1
    assert stage.balanced()


def test_an_older_writer_is_fenced_off(stage: Stage) -> None:
    port = stage.port()
    old = stage.writer(port, epoch=1)
    old.publish(numbered(0, 5), stamps(0, 5))
    stage.writer(port, epoch=2)
    with pytest.raises(Fenced, match="epoch 1 is over, epoch 2 holds the stream"):
        old.publish(numbered(5, 5), stamps(5, 5))
    assert stage.stream(StreamColumn.PRODUCED) == 5
    old.close()
    assert stage.stream(StreamColumn.ENDED) == 0


@pytest.mark.parametrize("epoch", [1, 2])
def test_no_writer_takes_over_a_newer_or_equal_one(stage: Stage, epoch: int) -> None:
    port = stage.port()
    stage.writer(port, epoch=2).publish(numbered(0, 1), stamps(0, 1))
    with pytest.raises(Fenced, match=f"epoch {epoch} cannot take over, a writer of epoch 2 holds it"):
        stage.writer(port, epoch=epoch)


def test_a_closed_writer_publishes_no_more(stage: Stage) -> None:
    writer = stage.writer(stage.port())
    writer.close()
    writer.close()
    with pytest.raises(UsageError, match="'s': the writer is closed"):
        writer.publish(numbered(0, 1), stamps(0, 1))
    assert stage.stream(StreamColumn.PRODUCED) == 0


def test_a_closed_writer_may_be_followed_by_one_of_its_epoch(stage: Stage) -> None:
    port = stage.port()
    writer = stage.writer(port)
    writer.publish(numbered(0, 2), stamps(0, 2))
    writer.close()
    assert stage.writer(port).publish(numbered(2, 2), stamps(2, 2)) == 2
    assert stage.stream(StreamColumn.ENDED) == 0


def test_a_restarted_reader_goes_on_with_the_ledger(stage: Stage) -> None:
    port = stage.port(capacity=512)
    writer, reader = stage.pair(port)
    writer.publish(numbered(0, 10), stamps(0, 10))
    stage.settle(reader, 10)
    take(reader)
    reader.close()
    for i in range(10, 2010, 100):
        writer.publish(numbered(i, 100), stamps(i, 100))
    again = stage.reader(port, resume=True)
    assert writer.wait_for_readers(1, LIMIT)
    writer.publish(numbered(2010, 1), stamps(2010, 1))
    until(lambda: again.pending() and again.position + again.pending() == 2011)
    data, _ = take(again)
    np.testing.assert_array_equal(data, numbered(2011 - len(data), len(data)))
    assert stage.dropped() == {"restart": 2011 - 10 - len(data)}
    assert stage.edge(EdgeColumn.START) == 0
    assert stage.edge(EdgeColumn.READER_EPOCH) == 2
    assert stage.balanced()


def test_a_ledger_torn_by_a_kill_is_mended(stage: Stage) -> None:
    port = stage.port()
    writer, reader = stage.pair(port)
    writer.publish(numbered(0, 10), stamps(0, 10))
    stage.settle(reader, 10)
    take(reader)
    reader.close()
    # Killed after the one store, before the other.
    stage.board.edge(0).ints[EdgeColumn.DELIVERED] += 3
    stage.reader(port, resume=True)
    assert stage.balanced()


def test_resume_without_a_reader_before_begins_anew(stage: Stage) -> None:
    port = stage.port()
    writer, first = stage.pair(port)
    writer.publish(numbered(0, 4), stamps(0, 4))
    stage.settle(first, 4)
    second = stage.reader(port, 1, resume=True)
    assert writer.wait_for_readers(2, LIMIT)
    assert (second.position, stage.edge(EdgeColumn.START, 1)) == (4, 4)


def test_a_reader_cannot_start_in_the_future(stage: Stage) -> None:
    port = stage.port()
    stage.writer(port).publish(numbered(0, 4), stamps(0, 4))
    with pytest.raises(UsageError, match="cannot start at 5, 4 were published"):
        stage.reader(port, start=5)
