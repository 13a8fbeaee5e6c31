"""What nodes said last, and what the board says in their place."""

from __future__ import annotations

import threading
from typing import Any

from rena_graph.runtime.lifecycle import FAILURE_KINDS, NodeState
from rena_graph.transport.board import NodeColumn, Row

__all__ = ["LastWords", "state_on_board"]

WAIT = 1.0
"""Seconds for the last event of a node whose process has ended: it was sent before that."""


class LastWords:
    """Which lives of nodes have told how they ended."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._said: set[tuple[str, int]] = set()

    def said(self, node: str, epoch: int) -> None:
        """This one has."""
        with self._changed:
            self._said.add((node, epoch))
            self._changed.notify_all()

    def wait(self, node: str, epoch: int) -> bool:
        """Whether it has, now or within a second."""
        with self._changed:
            return self._changed.wait_for(lambda: (node, epoch) in self._said, WAIT)


def state_on_board(node: str, row: Row) -> dict[str, Any]:
    """The event that a node would have sent of the state which it has on the board."""
    ints = row.ints
    failed = ints[NodeColumn.STATE] == NodeState.FAILED
    return {
        "event": "state",
        "node": node,
        "epoch": ints[NodeColumn.EPOCH],
        "state": ints[NodeColumn.STATE],
        "error": "it failed; its console says why" if failed else None,
        "kind": FAILURE_KINDS[ints[NodeColumn.FAILURE]] if failed else None,
        "pid": ints[NodeColumn.PID],
    }
