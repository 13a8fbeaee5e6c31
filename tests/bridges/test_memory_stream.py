"""The stream in memory keeps the transport's promises: its ledger balances whatever is done."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.streams.spec import StreamSpec
from rena_graph.testing.memory import MemoryReader, MemoryStream, MemoryWaiter
from rena_graph.transport.board import EdgeColumn

SPEC = StreamSpec("S", 1, "int64")
DROPPED = [column for column in EdgeColumn if column.name.startswith("DROPPED")]


def publish(stream: MemoryStream, count: int) -> None:
    data = np.arange(stream.produced, stream.produced + count).reshape(-1, 1)
    stream.writer.publish(data, np.zeros(count))


def check(stream: MemoryStream, reader: MemoryReader) -> None:
    row = reader.row.ints
    gone = row[EdgeColumn.DELIVERED] + sum(row[column] for column in DROPPED)
    assert gone == reader.position - row[EdgeColumn.START]
    assert row[EdgeColumn.POSITION] == reader.position <= stream.produced


steps = st.one_of(
    st.tuples(st.just("publish"), st.integers(1, 12)),
    st.tuples(st.just("take"), st.integers(1, 12)),
    st.tuples(st.just("skip"), st.integers(0, 12)),
)


@given(st.lists(steps, max_size=40), st.sampled_from(["fifo", "latest"]))
def test_the_ledger_balances(todo: list[tuple[str, int]], policy: str) -> None:
    stream = MemoryStream(SPEC, capacity=20)
    reader = stream.reader("latest" if policy == "latest" else "fifo")
    last = -1
    for what, count in todo:
        if what == "publish":
            publish(stream, count)
        elif what == "skip":
            reader.pending()
            reader.skip(count, "view")
        else:
            position_of = reader.pending()
            data, _ = reader.peek(count)
            assert len(data) == min(count, position_of)
            if len(data):
                assert data[0, 0] == reader.position > last
                last = int(data[-1, 0])
            assert reader.commit(len(data))
        check(stream, reader)


def test_readers_find_chunks_and_windows() -> None:
    stream = MemoryStream(SPEC, capacity=6)
    reader = stream.reader()
    assert reader.newest() is None
    assert reader.chunk_at(0) is None
    publish(stream, 4)
    publish(stream, 4)
    newest, holder = reader.newest(), reader.chunk_at(3)
    assert newest is not None
    assert holder is not None
    assert (newest.first, newest.count, holder.first) == (4, 4, 0)
    assert reader.chunk_at(8) is None
    assert reader.pending() == 6
    reader.peek()
    reader.commit(5)
    data, _, first = reader.window(3)
    assert (data[:, 0].tolist(), first) == ([4, 5, 6], 4)
    assert reader.intact(2)
    assert not reader.intact(1)
    stream.writer.close()
    before = reader.ended
    reader.skip(9)
    assert (before, reader.ended) == (False, True)
    reader.close()
    assert reader.row.ints[EdgeColumn.ACTIVE] == 0


def test_a_chunk_of_the_wrong_kind_is_shown_to_the_test() -> None:
    stream = MemoryStream(SPEC)
    with pytest.raises(ValueError, match="needed is int64"):
        stream.writer.publish(np.zeros((1, 1), np.int32), np.zeros(1))


def test_waiting_ends_by_data_by_the_bell_and_by_the_deadline() -> None:
    stream = MemoryStream(SPEC)
    reader = stream.reader()
    now = [0.0]
    waiter = MemoryWaiter(reader, lambda: now[0])
    waiter.wait(-1.0, on_data=True)
    publish(stream, 1)
    waiter.wait(None, on_data=True)
    waiter.ring()
    waiter.wait(None, on_data=False)
    waiter.wait(-1.0, on_data=False)
    waiter.close()
