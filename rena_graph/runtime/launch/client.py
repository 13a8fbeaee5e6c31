"""A run as its launcher holds it: what any handle does, and beside it the session process that the launcher starts."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Literal

from rena_graph.errors import (
    EnvironmentRefused,
    ExitCode,
    RunLost,
    UsageError,
)
from rena_graph.graph.model import Graph
from rena_graph.runtime.alive import process_start
from rena_graph.runtime.folders import runs_dir, runtime_dir
from rena_graph.runtime.hosts.environment import has_own
from rena_graph.runtime.launch.control_link import ControlLink, error_of
from rena_graph.runtime.launch.handle import POLL, RunHandle
from rena_graph.runtime.launch.runs import write_facts
from rena_graph.runtime.launch.session_start import SessionAhead, start_session
from rena_graph.runtime.options import LaunchOptions
from rena_graph.runtime.run_setup import Outcome, RunSetup
from rena_graph.runtime.session import LET_GO
from rena_graph.runtime.setup import NodeSetup
from rena_graph.transport.links import ring_available

__all__ = ["Run", "choose_transport", "launch"]


def choose_transport(graph: Graph, asked: str | None) -> Literal["ring", "zmq"]:
    """How streams move on this host: the option, else the graph's word, else the ring wherever it can run.

    Raises
    ------
    EnvironmentRefused
        The ring was asked for by name and cannot run here.
    """
    wanted = asked or graph.document.transport
    if wanted == "zmq":
        return "zmq"
    reason = ring_available()
    if reason is None:
        return "ring"
    if wanted == "ring":
        raise EnvironmentRefused(f'transport "ring" cannot run here: {reason}; leave it out, or ask for "zmq"')
    return "zmq"


def launch(
    graph: Graph,
    options: LaunchOptions | None = None,
    settings: Sequence[str] = (),
    ahead: SessionAhead | None = None,
) -> Run:
    """Make a run's folders and its handle; :meth:`Run.start` starts it.

    Parameters
    ----------
    graph : Graph
        Checked.
    options : LaunchOptions | None
        How.
    settings : sequence of str
        What the command line's ``--set`` changed in the graph, for the record.
    ahead : SessionAhead | None
        The session process, where it is there already; whoever started it ends it if the run does not start.
    """
    options = options or LaunchOptions()
    if options.debug is not None and has_own(graph, options.debug):
        raise UsageError(
            f"node {options.debug!r} has packages of its own (pip, environment), and under debug it would run in this "
            "process, which does not have them: launch from an environment that has, and take the keys out meanwhile"
        )
    run_id = secrets.token_hex(4)
    transport = choose_transport(graph, options.transport)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    runtime = runtime_dir() / run_id
    folder = runs_dir() / f"{stamp}-{graph.document.name}-{run_id}"
    folder.mkdir(mode=0o700)
    runtime.mkdir(mode=0o700)
    write_facts(
        folder,
        runtime,
        {
            "run": run_id,
            "graph": graph.document.name,
            "graph_file": str((graph.folder / graph.path.name).resolve()),
            "folder": str(folder),
            "runtime": str(runtime),
            "created": time.time(),
            "launcher": {"pid": os.getpid(), "start": process_start(os.getpid())},
            "command": sys.argv,
            "settings": list(settings),
            "transport": transport,
            "options": asdict(options),
        },
    )
    return Run(RunSetup(run_id, graph, folder, runtime, transport, options), ahead)


class Run(RunHandle):
    """One launch of a graph.

    Use as a context manager: leaving it stops the run in good order, unless it was detached.
    ``run.params["node"]["x"] = 3`` changes a parameter while it runs.
    """

    def __init__(self, setup: RunSetup, ahead: SessionAhead | None = None) -> None:
        super().__init__(setup.id, setup.folder, setup.runtime)
        self._setup = setup
        self._ahead = ahead
        self._session: subprocess.Popen[bytes] | None = None
        self._detached = False

    # -- start ---------------------------------------------------------------------------------------
    def start(self, progress: Callable[[str], None] = lambda _: None, look: Callable[[], None] = lambda: None) -> Run:
        """Start everything and return once the first sample is let in.

        Parameters
        ----------
        progress : callable
            Told, in words for people, what is being waited for.
        look : callable
            Called again and again while waiting; what it raises ends the start.

        Raises
        ------
        RenaGraphError
            It did not start: a script's load or ``init()`` failed, a stream did not appear, a port is taken, …
        """
        setup = self._setup
        (self.folder / "graph.json").write_text(
            setup.graph.document.model_dump_json(indent=2, by_alias=True, exclude_none=True)
        )
        path = setup.save()
        progress("starting Ray" if setup.options.address == "local" else f"joining Ray at {setup.options.address}")
        self._session = start_session(path, self.folder / "session.log", self._ahead)
        try:
            self._wait_for_socket(look)
            self._wait_until_running(progress, look)
        except BaseException:
            self.close()
            raise
        return self

    def _wait_for_socket(self, look: Callable[[], None]) -> None:
        while True:
            look()
            if self._over():
                return
            try:
                self._link = ControlLink(self._setup.socket, self.id)
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(POLL)
            else:
                return

    def _wait_until_running(self, progress: Callable[[str], None], look: Callable[[], None]) -> None:
        said = ""
        while True:
            look()
            if self._over():
                return
            try:
                status = self.status()
            except RunLost:
                time.sleep(POLL)
                continue  # its outcome is about to be written and tells more
            if status["state"] == "running":
                return
            waiting = _what_is_waited_for(status)
            if waiting != said:
                progress(waiting)
                said = waiting
            time.sleep(POLL)

    def _over(self) -> bool:
        """Whether the run has ended already, having run; raises where it never did."""
        outcome = Outcome.read(self.folder)
        if outcome is not None:
            self._wait_ended(10.0)
            if not outcome.ran and outcome.exit_code is not ExitCode.OK:
                raise error_of(outcome.exit_code, outcome.failure or "the run failed")
            return True
        if self._session is not None and self._session.poll() is not None:
            raise RunLost(f"the run's session process ended by itself; see {self.folder / 'session.log'}")
        return False

    # -- while it runs -------------------------------------------------------------------------------
    def debug_setup(self) -> NodeSetup | None:
        """What the coordinator hands out for the node that this process is to run (:attr:`LaunchOptions.debug`).

        None until it is there; see :mod:`rena_graph.runtime.launch.debugged`.
        """
        return NodeSetup.load(self._setup.debug_file)

    def debug_ended(self) -> None:
        """Tell the coordinator that this process no longer runs that node."""
        with suppress(RunLost):  # the run has ended before its node
            self.ask({"op": "debug_ended"})

    def stop(self) -> None:
        """Ask for the end in good order: sources first, each node's ``cleanup()``, then the outlets."""
        try:
            self.ask({"op": "stop"})
        except RunLost:
            # It is over, or not there yet: the session can be told the same.
            self._tell_session()

    def kill(self) -> None:
        """End it now, whatever it is doing."""
        try:
            self.ask({"op": "kill"})
        except RunLost:
            if self._session is not None and self._session.poll() is None:
                self._kill_session()

    @property
    def session_pid(self) -> int | None:
        """The process that holds the run together, while it is there."""
        if self._session is None:
            return super().session_pid
        return self._session.pid if self._session.poll() is None else None

    def detach(self) -> None:
        """Let go of the run: from now on it ends when somebody stops it, or by itself, whatever becomes of us.

        Afterwards this is a handle like any other (:func:`rena_graph.runtime.launch.handle.attach`).
        """
        session = self._session
        if session is None or self._detached:
            return
        assert session.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already
            session.stdin.write(LET_GO)
            session.stdin.close()
        self._detached, self._session = True, None
        # A child that ends stays as a zombie until its parent has looked.
        threading.Thread(target=session.wait, name="rena-detached", daemon=True).start()

    # -- end -----------------------------------------------------------------------------------------
    @property
    def ended(self) -> bool:
        """Whether everything of the run is gone from this machine."""
        if self._detached:
            return super().ended
        return self._session is None or self._wait_ended(0.0)

    @property
    def failure(self) -> str | None:
        """Why it did not end well, if it did not."""
        if Outcome.read(self.folder) is None and self._session is not None and self._session.poll() is not None:
            return f"the run's session process died; see {self.folder / 'session.log'}"
        return super().failure

    def _wait_ended(self, timeout: float | None) -> bool:
        if self._detached:
            return super()._wait_ended(timeout)
        if self._session is None:
            return True
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            self._session.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        # Where the session was killed the reaper has work to do still.
        return super()._wait_ended(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def _let_go(self) -> None:
        if self._session is not None and self._session.stdin is not None:
            self._session.stdin.close()

    def _tell_session(self) -> None:
        """End the run without its coordinator: our end of the pipe closes, or else by a signal."""
        self._let_go()
        session = self.session_pid
        if session is not None and (self._detached or self._setup.options.detach):
            with suppress(ProcessLookupError):
                os.kill(session, signal.SIGTERM)

    def close(self) -> None:
        """Stop the run if it still runs, wait for its end, and let go; one that is detached is only let go of."""
        if self._detached:
            super().close()
            return
        if self._session is None:
            shutil.rmtree(self._setup.runtime, ignore_errors=True)
            return
        if not self.ended and Outcome.read(self.folder) is None:
            self.stop()
        if not self._wait_ended(self._setup.longest_stop):
            self.kill()
            self._let_go()
            self._wait_ended(15.0)
        self._let_go()
        self._hang_up()

    def __enter__(self) -> Run:
        return self


def _what_is_waited_for(status: dict[str, Any]) -> str:
    if status["state"] != "starting":
        return str(status["state"])
    if status.get("doing"):
        return str(status["doing"])
    waiting = [f"{name} ({node['state']})" for name, node in status["nodes"].items() if node["state"] != "ready"]
    if status["nodes"] and len(waiting) == len(status["nodes"]) and not status["streams"]:
        return "finding streams and starting nodes"
    return "waiting for " + ", ".join(waiting) if waiting else "letting the first sample in"
