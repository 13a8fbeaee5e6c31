"""How a launcher starts its session process: for a run, or ahead of it, to be awake when the graph is checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from rena_graph.runtime.session import AHEAD

__all__ = ["SessionAhead", "start_session"]


class SessionAhead:
    """A session process that is there before its run; a context manager, which ends it unless it was given one.

    Parameters
    ----------
    own : bool
        Whether the run will have a Ray of its own.
    """

    def __init__(self, own: bool) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        with suppress(OSError):  # no more processes, no memory: the run's own start meets that again, and says it
            self._process = _start(AHEAD, "local" if own else "joined", words=subprocess.DEVNULL)

    def take(self, setup: Path, log: Path) -> subprocess.Popen[bytes] | None:
        """Give it its run, and the process to whoever asks; None where it is no longer there.

        Parameters
        ----------
        setup : Path
            The run's setup file.
        log : Path
            Where it writes from now on.
        """
        process = self._process
        if process is None:
            return None
        assert process.stdin is not None
        log.touch()
        try:
            # Not into the file's buffer, which would be written once more when it is closed.
            os.write(process.stdin.fileno(), json.dumps([str(setup), str(log)]).encode() + b"\n")
        except BrokenPipeError:
            self.close()
            return None
        self._process = None
        return process

    def close(self) -> None:
        """End it, if it has no run: there is nothing to be put in order."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()

    def __enter__(self) -> SessionAhead:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def start_session(setup: Path, log: Path, ahead: SessionAhead | None) -> subprocess.Popen[bytes]:
    """The session process of a run: the one that is there already, or another one.

    Parameters
    ----------
    setup : Path
        The run's setup file.
    log : Path
        Where it writes.
    ahead : SessionAhead | None
        One that was started before.
    """
    process = None if ahead is None else ahead.take(setup, log)
    if process is not None:
        return process
    with log.open("wb") as words:
        return _start(str(setup), words=words)


def _start(*arguments: str, words: IO[bytes] | int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "rena_graph.runtime.session.process", *arguments],
        stdin=subprocess.PIPE,
        stdout=words,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
