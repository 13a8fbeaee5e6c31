"""The nodes of one host as processes: commanded, watched, told of, held, ended by force."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rena_graph.runtime.events import AgentLine
from rena_graph.runtime.host.pids import PidWatch
from rena_graph.runtime.host.words import LastWords, state_on_board
from rena_graph.runtime.lifecycle import ENDED, NodeState
from rena_graph.runtime.plan import HostPaths, Plan
from rena_graph.transport.backpressure import leave
from rena_graph.transport.board import Board, EdgeColumn, NodeColumn

__all__ = ["Processes"]

log = logging.getLogger(__name__)

CLEANUP_SECONDS = 1.0
"""For ``cleanup()``, once a node's time to drain is over."""
KILLED_WITHIN = 2.0
"""Seconds for the kernel to end what it was told to end."""


class Processes:
    """Speaks with the nodes of a host, and sees them end; of no node before :meth:`know`.

    Parameters
    ----------
    paths : HostPaths
        Where their sockets are.
    debugged : str | None
        The node that runs in the launching process, whose end is not the node's.
    tell : callable
        Takes what a coordinator is to hear.
    """

    def __init__(self, paths: HostPaths, debugged: str | None, tell: Callable[[dict[str, Any]], None]) -> None:
        self._debugged = debugged
        self._tell = tell
        self._plan: Plan | None = None
        self._board: Board | None = None
        self._held = False
        self._last_words = LastWords()
        self._pids = PidWatch(self._gone)
        self._line = AgentLine(paths.commands, paths.events, self._on_event)

    def know(self, plan: Plan, board: Board) -> None:
        """From now on it is known which nodes there are, and where they count."""
        self._plan, self._board = plan, board

    def _rows(self) -> dict[str, Any]:
        if self._plan is None or self._board is None:
            return {}
        return {node: self._board.node(index) for node, index in self._plan.node_rows.items()}

    def pids(self) -> dict[str, int]:
        """Process ids by node; 0 where none has been."""
        return {node: row.ints[NodeColumn.PID] for node, row in self._rows().items()}

    def command(self, node: str, epoch: int, message: dict[str, Any]) -> None:
        """Hand a command to a node."""
        self._line.send(f"{node}:{epoch}", message)

    def tell_anew(self) -> None:
        """Say of each node what stands on the board: a coordinator, or an agent, has died and may have missed it."""
        for node, row in self._rows().items():
            if row.ints[NodeColumn.PID]:
                self._tell(state_on_board(node, row))
                self._watch(node, row.ints[NodeColumn.EPOCH], row.ints[NodeColumn.PID])

    def has_begun(self, node: str, epoch: int) -> bool:
        """Whether a process has lived, or lives, this life of a node: no other one may."""
        row = self._rows()[node].ints
        return bool(row[NodeColumn.PID]) and row[NodeColumn.EPOCH] == epoch

    def progress(self, node: str, epoch: int) -> dict[str, int]:
        """The versions of the newest changes that the node's loop has, and its single steps to come.

        Empty where another incarnation of the node has the board's row.
        """
        rows = self._rows()
        if node not in rows or rows[node].ints[NodeColumn.EPOCH] != epoch:
            return {}
        row = rows[node].ints
        return {
            "params": row[NodeColumn.PARAM_VERSION],
            "rate": row[NodeColumn.RATE_VERSION],
            "step": row[NodeColumn.STEP_VERSION],
            "left": row[NodeColumn.STEPS_LEFT],
        }

    def kill(self, node: str, epoch: int) -> None:
        """End a node's process by force, whatever it does; SIGKILL needs nobody's cooperation."""
        rows = self._rows()
        if node not in rows:
            return
        pid = rows[node].ints[NodeColumn.PID]
        if pid and rows[node].ints[NodeColumn.EPOCH] == epoch:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def release(self, node: str) -> None:
        """A node's process is gone, perhaps without letting go: writers wait for its next one, or for none."""
        if self._plan is None or self._board is None:
            return
        kept = self._plan.transport == "ring" and self._plan.graph.nodes[node].restart.policy != "never"
        for edge in self._plan.graph.inputs_of(node):
            row = self._board.edge(edge.index)
            if row.ints[EdgeColumn.ACTIVE]:  # else it has let go, and said itself whether it comes back
                leave(row, returns=kept)

    def hold(self, hold: bool) -> None:
        """Pause all nodes, or let them go on; one that the user has paused stays so."""
        self._held = hold
        for node, row in self._rows().items():
            if row.ints[NodeColumn.PID] and NodeState(row.ints[NodeColumn.STATE]) not in ENDED:
                self.command(node, row.ints[NodeColumn.EPOCH], {"do": "hold" if hold else "let_go"})

    # -- what they say, and how they end -------------------------------------------------------------
    def _on_event(self, message: dict[str, Any]) -> None:
        self._tell(message)
        if message["event"] == "state":
            node, epoch = message["node"], message["epoch"]
            state = NodeState(message["state"])
            if state in ENDED:
                self._last_words.said(node, epoch)
            elif self._held and state is NodeState.RUNNING:  # it was let go while nobody may run here
                self.command(node, epoch, {"do": "hold"})
            self._watch(node, epoch, message["pid"])

    def _watch(self, node: str, epoch: int, pid: int) -> None:
        if node != self._debugged:
            self._pids.add(node, epoch, pid)

    def _gone(self, node: str, epoch: int, how: str) -> None:
        """A node's process ended. Its last words travel another way: they come first, or are read off the board."""
        row = self._rows()[node]
        if row.ints[NodeColumn.EPOCH] == epoch:
            state = state_on_board(node, row)
            if NodeState(state["state"]) in ENDED and not self._last_words.wait(node, epoch):
                self._tell(state)
            self.release(node)
        self._line.forget(f"{node}:{epoch}")
        self._tell({"event": "gone", "node": node, "epoch": epoch, "cause": how})

    # -- all of them ---------------------------------------------------------------------------------
    def stop_all(self) -> None:
        """End all nodes in good order, all at once, and by force those that take too long."""
        if self._plan is None:
            return
        nodes = self._plan.graph.nodes
        for node, row in self._rows().items():
            stop = {"do": "stop", "within": nodes[node].stop_timeout, "again": False}
            self.command(node, row.ints[NodeColumn.EPOCH], stop)
        longest = max((nodes[node].stop_timeout for node in self._plan.node_rows), default=0.0)
        if not self._pids.wait(longest + CLEANUP_SECONDS):
            self.kill_all()

    def kill_all(self) -> None:
        """End all nodes by force; the launcher is none of them."""
        for node, row in self._rows().items():
            if node != self._debugged:
                self.kill(node, row.ints[NodeColumn.EPOCH])
        if not self._pids.wait(KILLED_WITHIN):
            log.warning("not every node's process has ended %g s after it was killed", KILLED_WITHIN)

    def close(self) -> None:
        """Watch no more."""
        self._pids.close()

    def hang_up(self) -> None:
        """Speak with them no more."""
        self._line.close()
