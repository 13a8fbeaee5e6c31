"""A running graph, as anybody of its user may hold it: asks it over its control socket, and knows how it ended.

Imports neither Ray nor numpy: the command line holds a run for a single question.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rena_graph.errors import ExitCode, RunLost
from rena_graph.runtime.alive import process_start
from rena_graph.runtime.launch.control_link import ControlLink
from rena_graph.runtime.launch.run_params import RunParams
from rena_graph.runtime.launch.runs import RunRecord, find_run
from rena_graph.runtime.messages import MessageTail
from rena_graph.runtime.run_setup import Outcome

if TYPE_CHECKING:
    from rena_graph.runtime.launch.stream_view import StreamView

__all__ = ["POLL", "RunHandle", "attach"]

log = logging.getLogger(__name__)

POLL = 0.05
COORDINATOR_BACK_WITHIN = 8.0
"""Seconds for which a coordinator that has died is waited for."""


def attach(run: str) -> RunHandle:
    """Hold a graph that runs already, launched from wherever.

    Parameters
    ----------
    run : str
        Its id or a unique beginning of it, its graph's name, its folder, or ``@`` for the only one.

    Raises
    ------
    RunNotFound
        None is meant that is running, or several are.

    Examples
    --------
    >>> import rena_graph
    >>> with rena_graph.attach("heart-rate") as run:  # doctest: +SKIP
    ...     run.params["r_peaks"]["threshold"] = 0.4
    """
    return RunHandle.of(find_run(run))


class RunHandle:
    """A run that somebody launched.

    ``run.params["node"]["x"] = 3`` changes a parameter while it runs. As a context manager it only lets go at the end:
    the run goes on.

    Parameters
    ----------
    id : str
        The run's.
    folder, runtime : Path
        The run folder, and the folder of sockets.
    """

    def __init__(self, id: str, folder: Path, runtime: Path) -> None:
        self.id = id
        self.folder = folder
        """The run folder, which stays: resolved graph, console, events, statistics, outcome."""
        self.params = RunParams(self)
        self._runtime = runtime
        self._link: ControlLink | None = None
        self._tail = MessageTail(folder)

    @classmethod
    def of(cls, record: RunRecord) -> RunHandle:
        """Hold the run of this record."""
        return RunHandle(record.id, record.folder, record.runtime)

    # -- asking --------------------------------------------------------------------------------------
    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request over the control socket; see :meth:`ControlLink.ask`.

        Where the coordinator has died, its successor is waited for, for some seconds, and asked again; not where it may
        have done already what must not be done twice.
        """
        deadline = time.monotonic() + COORDINATOR_BACK_WITHIN
        while True:
            sent = False
            try:
                if self._link is None:
                    self._connect()
                assert self._link is not None
                sent = True
                return self._link.ask(request)
            except RunLost:
                # Its coordinator may come back, on a new socket of the same name.
                self._hang_up()
                if (sent and _only_once(request)) or time.monotonic() > deadline or not self._goes_on():
                    raise
                time.sleep(POLL)

    def _goes_on(self) -> bool:
        """Whether somebody is there who would start another coordinator."""
        return Outcome.read(self.folder) is None and self.session_pid is not None

    def _connect(self) -> None:
        try:
            self._link = ControlLink(self._runtime / "control.sock", self.id)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            if not self._runtime.is_dir() or Outcome.read(self.folder) is not None:
                raise RunLost(f"run {self.id} is not running") from error
            raise RunLost(f"run {self.id} does not answer: its coordinator is not there, yet or for now") from error

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def status(self) -> dict[str, Any]:
        """Everything that is known now; after the end, what was known last."""
        outcome = Outcome.read(self.folder)
        if outcome is not None and outcome.status is not None:
            return outcome.status
        status: dict[str, Any] = self.ask({"op": "status"})["status"]
        return status

    def messages(self) -> list[dict[str, Any]]:
        """What scripts printed and the run has to say, since the last call: ``time``, ``node``, ``level``, ``text``."""
        return self._tail.read()

    def skip_messages(self) -> None:
        """Leave out of :meth:`messages` all that was said until now."""
        self._tail.skip()

    def streams(self) -> dict[str, Any]:
        """Every stream's format, who makes it and where it is; see :meth:`stream`."""
        streams: dict[str, Any] = self.ask({"op": "streams"})["streams"]
        return streams

    def stream(self, name: str) -> StreamView:
        """Look at a stream, without disturbing it.

        Raises
        ------
        UsageError
            The graph has no such stream.
        """
        from rena_graph.runtime.launch.stream_view import StreamView, facts_of

        return StreamView(self, name, facts_of(self.streams(), name))

    # -- changing ------------------------------------------------------------------------------------
    def change_params(
        self,
        node: str,
        *,
        set: dict[str, Any] | None = None,
        add: dict[str, Any] | None = None,
        remove: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Change parameters of a node, all together; they hold from its next ``loop()``.

        Parameters
        ----------
        node : str
            Its name.
        set : dict
            New values of parameters that exist.
        add : dict
            New parameters: plain values, or definitions as in the graph document.
        remove : sequence of str
            Parameters that cease to exist.

        Returns
        -------
        dict
            All parameters of the node as they are now.

        Raises
        ------
        ParamRefused
            Unknown, of the wrong type, or out of range; then nothing is changed.
        """
        request = {"op": "params", "node": node, "set": set or {}, "add": add or {}, "remove": list(remove)}
        answer = self.ask(request)
        if not answer["applied"]:
            log.warning("node %r has not taken up its new parameters yet: it hangs, or still loads", node)
        params: dict[str, Any] = answer["params"]
        return params

    def set_frequency(self, node: str, hz: float) -> bool:
        """Let a node run at most `hz` times a second from its next deadline on; it stays so over restarts.

        Returns
        -------
        bool
            Whether the node has it; False where it has not taken it up within two seconds (it hangs, or still
            loads), and will later.

        Raises
        ------
        UsageError
            No such node, or no such frequency.
        """
        return bool(self.ask({"op": "rate", "node": node, "hz": hz})["applied"])

    def pause(self, node: str) -> None:
        """Let a node begin no further loop; what arrives meanwhile waits as far as its buffers hold it."""
        self.ask({"op": "pause", "node": node})

    def resume(self, node: str) -> None:
        """Let a paused node go on."""
        self.ask({"op": "resume", "node": node})

    def step(self, node: str, count: int = 1) -> int:
        """Let a paused node make so many loops at once, one after the other, with whatever is there.

        Returns
        -------
        int
            How many it has made after two seconds; it makes the others all the same.

        Raises
        ------
        UsageError
            No such node, or it is not paused.
        """
        return int(self.ask({"op": "step", "node": node, "count": count})["made"])

    def restart(self, node: str) -> None:
        """End a node's process in good order and start it anew; it goes on where it stopped."""
        self.ask({"op": "restart", "node": node})

    def stop(self) -> None:
        """Ask for the end in good order: sources first, each node's ``cleanup()``, then the outlets."""
        self.ask({"op": "stop"})

    def kill(self) -> None:
        """End it now, whatever it is doing."""
        try:
            self.ask({"op": "kill"})
        except RunLost:
            self._kill_session()

    def _kill_session(self) -> None:
        """Without a coordinator to ask: the session goes, and the reaper ends what it leaves."""
        session = self.session_pid
        if session is None:
            return
        with suppress(FileNotFoundError):
            (self._runtime / "kill").touch()
        if Outcome.read(self.folder) is None:
            Outcome(ExitCode.KILLED, "killed").write(self.folder)
        with suppress(ProcessLookupError):
            os.kill(session, signal.SIGKILL)

    @property
    def session_pid(self) -> int | None:
        """The process that holds the run together, while it is there: the first that noted itself."""
        try:
            pid, start = (self._runtime / "pids").read_text().split(maxsplit=2)[:2]
        except (OSError, ValueError):
            return None
        return int(pid) if process_start(int(pid)) == start else None

    # -- end -----------------------------------------------------------------------------------------
    @property
    def ended(self) -> bool:
        """Whether everything of the run is gone from this machine."""
        return not self._runtime.exists()

    @property
    def exit_code(self) -> ExitCode | None:
        """How it ended; None while it runs."""
        if not self.ended:
            return None
        outcome = Outcome.read(self.folder)
        return ExitCode.ENVIRONMENT if outcome is None else outcome.exit_code

    @property
    def failure(self) -> str | None:
        """Why it did not end well, if it did not."""
        outcome = Outcome.read(self.folder)
        if outcome is not None:
            return outcome.failure
        return f"the run's processes died; see {self.folder / 'session.log'}" if self.ended else None

    def wait(self, timeout: float | None = None) -> ExitCode | None:
        """Until everything is gone, at most so many seconds; None where it still runs then."""
        return self.exit_code if self._wait_ended(timeout) else None

    def _wait_ended(self, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._runtime.exists():
            if deadline is not None and time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True

    def close(self) -> None:
        """Let go; the run goes on."""
        self._hang_up()

    def __enter__(self) -> RunHandle:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _only_once(request: dict[str, Any]) -> bool:
    """Whether asking twice would do it twice, or be refused the second time."""
    adds = bool(request.get("add") or request.get("remove"))
    return request.get("op") in ("step", "restart") or adds
