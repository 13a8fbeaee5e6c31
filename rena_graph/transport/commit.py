"""What a node's loop has brought about, committed all at once: a process killed at any instruction leaves old or new.

A commit holds, for each input, its position, its ledger and what the script still had in its window; for each output,
the sequence number that it had reached; and which file holds the script's saved state. All that stands in the board's
rows anyhow. Each row has room for two copies: a commit fills the one that does not count, then one aligned 8-byte
store of the node's ``COMMITS`` makes it the one that counts. x86-64 keeps stores in order, and what a killed process
has stored stays.

The next process of the node goes back to the last commit. Going back only assigns, from numbers that it does not
change: a process that is killed while it goes back leaves its successor the same to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from rena_graph.transport.board import EdgeColumn, NodeColumn, Row, StreamColumn

__all__ = ["Commit"]

_COMMITS = int(NodeColumn.COMMITS)
_STATE = int(NodeColumn.STATE_FILE)
_POSITION = int(EdgeColumn.POSITION)
_DELIVERED = int(EdgeColumn.DELIVERED)
_REPEATED = int(EdgeColumn.REPEATED)
_PRODUCED = int(StreamColumn.PRODUCED)
_REMADE = int(StreamColumn.REPEATED)
_EDGE_COLUMNS = _REPEATED + 1
_STREAM_COLUMNS = _REMADE + 1
_STATE_COLUMNS = 2
_SLOTS = (32, 48)
"""Column of a stream's or node's row at which each of its two copies begins."""
_EDGE_SLOTS = (24, 44)
"""Likewise of an edge's row, whose copies are longer."""


class Commit:
    """The commits of one node, on its host's board.

    Parameters
    ----------
    node : Row
        The node's.
    edges : sequence of Row
        Its inputs'.
    streams : sequence of Row
        Its outputs'.
    """

    def __init__(self, node: Row, edges: Sequence[Row], streams: Sequence[Row]) -> None:
        self._ints = node.ints
        live = [row.ints[:_EDGE_COLUMNS] for row in edges]
        live += [row.ints[:_STREAM_COLUMNS] for row in streams]
        live.append(node.ints[_STATE : _STATE + _STATE_COLUMNS])
        rows = [*edges, *streams, node]
        slots = [_EDGE_SLOTS] * len(edges) + [_SLOTS] * (len(streams) + 1)
        self._edges = slice(0, len(edges))
        self._streams = slice(len(edges), len(live) - 1)
        self._copies = tuple(
            tuple(
                (row.ints[at[which] : at[which] + len(cells)], cells)
                for row, cells, at in zip(rows, live, slots, strict=True)
            )
            for which in (0, 1)
        )
        self._written = self._copies

    def forget_state(self) -> None:
        """Whatever script's state is saved has nothing to do with this life's, which saves none."""
        for copies in self._copies:
            copy, live = copies[-1]
            copy[0] = live[0] = 0
        # Nothing of it changes any more: a loop need not copy it.
        self._written = tuple(copies[:-1] for copies in self._copies)

    @property
    def made(self) -> bool:
        """Whether there is any."""
        return bool(self._ints[_COMMITS])

    def commit(self) -> None:
        """What the rows say now is what counts from now on."""
        ints = self._ints
        number = ints[_COMMITS] + 1
        for copy, live in self._written[number & 1]:
            copy[:] = live
        ints[_COMMITS] = number

    def go_back(self) -> None:
        """Set the inputs back to the last commit, before a restarted node opens them; nothing where there is none.

        What loops were handed since is handed out again, and counted as ``REPEATED``; what was dropped since is no
        longer, until it is found missing again.
        """
        if not self.made:
            return
        copies = self._copies[self._ints[_COMMITS] & 1]
        for copy, live in copies[self._edges]:
            live[:_DELIVERED] = copy[:_DELIVERED]
            live[_REPEATED] = max(live[_DELIVERED] - (copy[_DELIVERED] - copy[_REPEATED]), copy[_REPEATED])
        copy, live = copies[-1]
        live[:] = copy

    def count_repeated(self) -> None:
        """Count what was published since the last commit as ``REPEATED``; once the outputs are open."""
        if not self.made:
            return
        for copy, live in self._copies[self._ints[_COMMITS] & 1][self._streams]:
            live[_REMADE] = copy[_REMADE] + live[_PRODUCED] - copy[_PRODUCED]
