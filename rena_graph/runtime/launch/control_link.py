"""The asking end of a run's control socket."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

from rena_graph.errors import EnvironmentRefused, ExitCode, GraphError, NodeFailed, RenaGraphError, RunLost, UsageError

__all__ = ["ControlLink", "error_of"]

ANSWER_TIMEOUT = 10.0


class ControlLink:
    """A connection to a running coordinator.

    Parameters
    ----------
    path : Path
        Of the socket.
    run : str
        The run's id, for messages.
    timeout : float
        Seconds to wait for an answer.

    Raises
    ------
    FileNotFoundError, ConnectionRefusedError
        Nobody listens there, not yet or no more.
    """

    def __init__(self, path: Path, run: str, timeout: float = ANSWER_TIMEOUT) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(str(path))
        except BaseException:
            self._socket.close()
            raise
        self._answers = self._socket.makefile("rb")

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request, one answer; from any thread.

        Raises
        ------
        RunLost
            Nobody answers: the run has ended, or died.
        RenaGraphError
            What the coordinator refused, in its words.
        """
        try:
            with self._lock:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
                line = self._answers.readline()
        except OSError as error:
            raise RunLost(f"run {self._run} does not answer: {error}") from error
        if not line:
            raise RunLost(f"run {self._run} has ended")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok"):
            raise error_of(ExitCode(answer["exit_code"]), answer["error"])
        return answer

    def close(self) -> None:
        """Hang up; the run goes on."""
        self._answers.close()
        self._socket.close()


def error_of(exit_code: ExitCode, text: str) -> RenaGraphError:
    """The exception that stands for an exit code and a text that came from another process."""
    match exit_code:
        case ExitCode.USAGE:
            return UsageError(text)
        case ExitCode.SCRIPT:
            return NodeFailed(text)
        case ExitCode.ENVIRONMENT:
            return EnvironmentRefused(text)
        case ExitCode.GRAPH:
            return GraphError(text)
        case _:
            return RenaGraphError(text)
