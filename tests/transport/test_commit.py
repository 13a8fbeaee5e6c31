"""A commit is old or new, whichever store its process was killed after; going back may be killed too."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.transport.board import EdgeColumn, NodeColumn, Row, StreamColumn
from rena_graph.transport.commit import Commit

EDGES, STREAMS = 2, 2
EDGE_COLUMNS, STREAM_COLUMNS = 17, 2
EDGE_SLOTS, SLOTS, SCALARS = (24, 44), (32, 48), 64


class Killed(Exception):
    pass


class Memory:
    """Rows whose stores are counted, word by word, and that are no longer written once so many were made."""

    def __init__(self) -> None:
        self.rows = [memoryview(bytearray(8 * 64)).cast("Q") for _ in range(EDGES + STREAMS + 1)]
        self.left: int | None = None

    def store(self, cells: memoryview, index: int, value: int) -> None:
        if self.left is not None:
            if not self.left:
                raise Killed
            self.left -= 1
        cells[index] = value

    def row(self, index: int) -> Row:
        return Row(cast(Any, Cells(self, self.rows[index])), cast(Any, None))

    def commit(self) -> Commit:
        """As the next process sees it."""
        edges = [self.row(i) for i in range(EDGES)]
        streams = [self.row(EDGES + i) for i in range(STREAMS)]
        return Commit(self.row(EDGES + STREAMS), edges, streams)


class Cells:
    """A view of a row, each word stored on its own: nothing promises that a slice is stored at once."""

    def __init__(self, memory: Memory, cells: memoryview) -> None:
        self._memory = memory
        self._cells = cells

    def __len__(self) -> int:
        return len(self._cells)

    def __getitem__(self, key: Any) -> Any:
        return Cells(self._memory, self._cells[key]) if isinstance(key, slice) else self._cells[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, slice):
            self._memory.store(self._cells, key, value)
            return
        source = value._cells if isinstance(value, Cells) else value
        for at, word in zip(range(*key.indices(len(self._cells))), list(source), strict=True):
            self._memory.store(self._cells, at, word)


class Node:
    """A node that takes, publishes and saves, on rows in memory."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.edges, self.streams = self.memory.rows[:EDGES], self.memory.rows[EDGES : EDGES + STREAMS]
        self.node = self.memory.rows[-1]

    def loop(self, amounts: list[int]) -> None:
        """What one loop changes before it commits; the ledger stays in order."""
        for edge, amount in zip(self.edges, amounts, strict=False):
            dropped = amount // 3
            edge[EdgeColumn.POSITION] += amount
            edge[EdgeColumn.DROPPED_WINDOW] += dropped
            edge[EdgeColumn.DELIVERED] += amount - dropped
            edge[EdgeColumn.HELD] = amount + 1
        for stream, amount in zip(self.streams, amounts, strict=False):
            stream[StreamColumn.PRODUCED] += amount
        self.node[NodeColumn.STATE_FILE] = 2 if self.node[NodeColumn.STATE_FILE] == 1 else 1
        self.node[NodeColumn.STATE_BYTES] = sum(amounts)

    def seen(self) -> tuple[Any, ...]:
        """What a restarted node goes on from."""
        taken = [
            (*edge[: EdgeColumn.DELIVERED], edge[EdgeColumn.DELIVERED] - edge[EdgeColumn.REPEATED])
            for edge in self.edges
        ]
        made = [s[StreamColumn.PRODUCED] - s[StreamColumn.REPEATED] for s in self.streams]
        return (*taken, *made, self.node[NodeColumn.STATE_FILE], self.node[NodeColumn.STATE_BYTES])

    def balanced(self) -> bool:
        return all(
            e[EdgeColumn.DELIVERED] - e[EdgeColumn.REPEATED] + e[EdgeColumn.DROPPED_WINDOW] == e[EdgeColumn.POSITION]
            for e in self.edges
        )

    def restart(self, killed_after: int | None = None) -> bool:
        """Go back, killed after so many stores; whether it came to its end."""
        commit = self.memory.commit()
        self.memory.left = killed_after
        try:
            commit.go_back()
            commit.count_repeated()
        except Killed:
            return False
        finally:
            self.memory.left = None
        return True


loops = st.lists(st.integers(0, 50), min_size=2, max_size=2)
kills = st.integers(0, 2 * (EDGES * EDGE_COLUMNS + STREAMS * STREAM_COLUMNS + 3))


@given(st.lists(st.tuples(loops, kills, st.lists(kills, max_size=3)), min_size=1, max_size=8))
def test_a_killed_commit_leaves_the_old_or_the_new_and_never_a_mixture(steps: list[Any]) -> None:
    node = Node()
    commit = node.memory.commit()
    commit.commit()
    old = node.seen()
    for amounts, killed_after, killed_again in steps:
        node.loop(amounts)
        new = node.seen()
        number = node.node[NodeColumn.COMMITS]
        node.memory.left = killed_after
        try:
            commit.commit()
        except Killed:
            pass
        finally:
            node.memory.left = None
        wanted = new if node.node[NodeColumn.COMMITS] > number else old
        for again in killed_again:
            node.restart(again)
        assert node.restart()
        assert node.seen() == wanted
        assert node.balanced()
        before = [list(row) for row in node.memory.rows]
        assert node.restart(), "once more changes nothing"
        assert [list(row) for row in node.memory.rows] == before
        commit = node.memory.commit()
        commit.commit()
        old = node.seen()


def test_what_went_out_before_a_kill_is_counted_as_repeated_and_stays_counted() -> None:
    node = Node()
    commit = node.memory.commit()
    commit.commit()
    for lost in (5, 7):
        node.loop([10, 10])
        commit.commit()
        node.loop([lost, 0])
        assert node.restart()
        commit = node.memory.commit()
    assert [s[StreamColumn.REPEATED] for s in node.streams] == [12, 0]
    assert [e[EdgeColumn.REPEATED] for e in node.edges] == [5 - 5 // 3 + 7 - 7 // 3, 0]
    assert [e[EdgeColumn.POSITION] for e in node.edges] == [20, 20]


def test_a_delivered_count_never_goes_backwards() -> None:
    node = Node()
    commit = node.memory.commit()
    commit.commit()
    node.loop([9, 9])
    before = node.edges[0][EdgeColumn.DELIVERED]
    assert node.restart()
    assert node.edges[0][EdgeColumn.DELIVERED] == before


def test_without_a_commit_nothing_is_gone_back_to() -> None:
    node = Node()
    node.loop([3, 4])
    before = [list(row) for row in node.memory.rows]
    assert not node.memory.commit().made
    assert node.restart()
    assert [list(row) for row in node.memory.rows] == before


@pytest.mark.parametrize(
    ("columns", "width", "slots"),
    [(EdgeColumn, EDGE_COLUMNS, EDGE_SLOTS), (StreamColumn, STREAM_COLUMNS, SLOTS)],
    ids=["edge", "stream"],
)
def test_what_is_committed_are_the_first_columns(columns: Any, width: int, slots: tuple[int, int]) -> None:
    """The layout that one slice of a row relies on."""
    assert width - 1 == columns.REPEATED
    copies = [number for at in slots for number in range(at, at + width)]
    assert len(copies) == len(set(copies))
    assert not set(copies) & set(map(int, columns))
    assert max(*copies, *columns) < SCALARS


def test_no_column_of_a_node_lies_in_the_copies() -> None:
    assert NodeColumn.STATE_BYTES == NodeColumn.STATE_FILE + 1
    assert not {32, 33, 48, 49} & set(NodeColumn)
