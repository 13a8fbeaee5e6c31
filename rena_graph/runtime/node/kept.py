"""The state of a script that keeps some: saved with each commit of its node, loaded into the next life."""

from __future__ import annotations

from collections.abc import Callable

from rena_graph.script import RenaScript
from rena_graph.streams.state_codec import decode_state, encode_state
from rena_graph.transport.board import NodeColumn, Row
from rena_graph.transport.commit import Commit
from rena_graph.transport.state_files import StateFiles

__all__ = ["KeptState"]

_FILE = int(NodeColumn.STATE_FILE)
_BYTES = int(NodeColumn.STATE_BYTES)


class KeptState:
    """Commits a node's loops together with its script's state.

    Parameters
    ----------
    script : RenaScript
        One that keeps state: see :func:`rena_graph.script.keeps_state`.
    commit : Commit
        The node's; nothing is committed but with a state.
    files : StateFiles
        Where states are put.
    row : Row
        The node's counters.
    every : float
        Seconds between two saves, at least; 0: after every loop.
    now_ns : callable
        Monotonic nanoseconds.
    refused : callable
        Told of the exception where a state could not be saved; the last commit stays what it is.
    """

    def __init__(
        self,
        script: RenaScript,
        commit: Commit,
        files: StateFiles,
        row: Row,
        every: float,
        now_ns: Callable[[], int],
        refused: Callable[[Exception], None],
    ) -> None:
        self._script = script
        self._commit = commit
        self._files = files
        self._row = row
        self._every_ns = int(every * 1e9)
        self._now_ns = now_ns
        self._refused = refused
        self._due_ns = 0
        self.current = True
        """Whether the last commit is of the last loop."""

    def load(self) -> None:
        """Give the script the state that the process before this one committed last; nothing where there is none.

        Raises
        ------
        StateRefused, TransportError
            It cannot be read any more.
        Exception
            Whatever the script's ``load_state()`` raises.
        """
        ints = self._row.ints
        if ints[_FILE]:
            self._script.load_state(decode_state(self._files.read(ints[_FILE], ints[_BYTES])))

    def after_loop(self) -> None:
        """Commit, if a save is due: between saves the positions of the inputs are not committed either."""
        if self._every_ns:
            now = self._now_ns()
            if now < self._due_ns:
                self.current = False
                return
            self._due_ns = now + self._every_ns
        self.save()

    def save(self) -> None:
        """Commit now, with the script's state as it is."""
        ints = self._row.ints
        number = 2 if ints[_FILE] == 1 else 1
        try:
            state = encode_state(self._script.save_state())
            self._files.write(number, state)
        except Exception as error:  # noqa: BLE001 - whatever a user's script raises is reported and counted
            self.current = False
            self._row.add(NodeColumn.STATES_REFUSED)
            self._refused(error)
            return
        ints[_FILE], ints[_BYTES] = number, len(state)
        self._commit.commit()
        self.current = True

    def last(self) -> None:
        """The node stops in good order: commit what was not committed yet."""
        if not self.current:
            self.save()
