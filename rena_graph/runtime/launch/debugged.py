"""A node in the launching process itself, with the terminal as its own: where ``breakpoint()`` in a script works."""

from __future__ import annotations

import bdb
import cmd
import logging
import os
import pdb
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TextIO

from rena_graph.runtime.clock import Clock
from rena_graph.runtime.launch.script_debugger import ScriptDebugger
from rena_graph.runtime.lifecycle import NodeState
from rena_graph.runtime.node.console import Console, ConsoleHandler, ConsoleLines
from rena_graph.runtime.node.loop import NodeLoop
from rena_graph.runtime.node.process import NodeProcess
from rena_graph.runtime.setup import NodeSetup
from rena_graph.script import RenaScript
from rena_graph.transport.board import NodeColumn

__all__ = ["DebuggedNode", "TerminalConsole", "at_prompt"]

_PROMPTS = (pdb.Pdb.interaction.__code__, cmd.Cmd.cmdloop.__code__)


def at_prompt(frame: FrameType | None) -> bool:
    """Whether a thread, by its current frame, is at a debugger's prompt: pdb's, or one that is made of it."""
    while frame is not None:
        if frame.f_code in _PROMPTS:
            return True
        frame = frame.f_back
    return False


class TerminalConsole(Console):
    """A node's console that also writes to the terminal: what is printed at once, and as it is.

    Records of what the terminal has shown already are marked ``"shown": true``. C code's output is left to the
    terminal.

    Parameters
    ----------
    prefix, node, unix
        As for :class:`Console`.
    stdout, stderr : TextIO
        The terminal's.
    """

    def __init__(self, prefix: str, node: str, unix: Callable[[], float], stdout: TextIO, stderr: TextIO) -> None:
        super().__init__(prefix, node, unix)
        self._streams = stdout, stderr

    def capture(self) -> None:
        """From now on what this process prints goes to both; what it logs, to the console alone."""
        root = logging.getLogger()
        self._before = sys.stdout, sys.stderr, root.handlers[:], root.level
        sys.stdout = _Echo(self, "print", self._streams[0])
        sys.stderr = _Echo(self, "error", self._streams[1])
        handler = ConsoleHandler(self)
        handler.addFilter(_not_ours)
        root.handlers[:] = [handler]
        root.setLevel(logging.INFO)
        logging.captureWarnings(True)

    def release(self) -> None:
        """Give the process its streams and its log back."""
        root = logging.getLogger()
        sys.stdout, sys.stderr, root.handlers[:], level = self._before
        root.setLevel(level)
        logging.captureWarnings(False)


def _not_ours(record: logging.LogRecord) -> bool:
    """The command line shows our own loggers on the terminal."""
    return not record.name.startswith("rena_graph")


class _Echo(ConsoleLines):
    """Standard output that a debugger takes for the terminal that it is."""

    def __init__(self, console: Console, level: str, terminal: TextIO) -> None:
        super().__init__(console, level, shown=True)
        self._terminal = terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property serves where an attribute is declared
        return self._terminal.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # likewise
        return self._terminal.errors

    def write(self, text: str) -> int:
        self._terminal.write(text)
        self._terminal.flush()
        return super().write(text)

    def isatty(self) -> bool:
        return self._terminal.isatty()

    def fileno(self) -> int:
        return self._terminal.fileno()


class DebuggedNode(NodeProcess):
    """A node whose debugger may be left with ``q``, which ends it in good order.

    Parameters
    ----------
    setup : NodeSetup
        What the coordinator handed out.
    clock : Clock
        Paces and stamps.
    console : TerminalConsole
        Takes the terminal while the node runs.

    Attributes
    ----------
    left : bool
        Whether the user left the debugger: the run should end.
    over : bool
        To be set when the run has ended without it: nothing more is called in the script then.
    """

    def __init__(self, setup: NodeSetup, clock: Clock, console: TerminalConsole) -> None:
        super().__init__(setup, clock, console)
        self._terminal = console
        self._debugger: pdb.Pdb | None = None
        self.left = False
        self.over = False

    def run(self) -> None:
        """The whole life, on the calling thread, which must be the main one."""
        hook = sys.breakpointhook
        if not os.environ.get("PYTHONBREAKPOINT"):  # which Python's own hook honours
            sys.breakpointhook = self._breakpoint
        try:
            super().run()
        finally:
            sys.breakpointhook = hook
            self._terminal.release()

    def _breakpoint(self, *_: object, **__: object) -> None:
        """What ``breakpoint()`` calls. One debugger for all, so that breakpoints set at its prompt stay."""
        if self._debugger is None:
            self._debugger = ScriptDebugger(Path(self._setup.script))
        self._debugger.set_trace(sys._getframe().f_back)

    def loop_failed(self, error: BaseException, loops: int) -> bool:
        """See :meth:`NodeProcess.loop_failed`; leaving the debugger is no failure."""
        if self._is_end(error):
            self._row.ints[NodeColumn.EXCEPTIONS] -= 1
            return False
        return super().loop_failed(error, loops)

    def _verdict(self, error: BaseException) -> tuple[BaseException | None, str]:
        return (None, "loop") if self._is_end(error) else super()._verdict(error)

    def _fail(self, kind: str, error: BaseException, what: str | None = None) -> None:
        if self._is_end(error):
            self._state(NodeState.STOPPED)
        else:
            super()._fail(kind, error, what)

    def _cleanup(self, script: RenaScript, loop: NodeLoop) -> None:
        if not self.over:
            super()._cleanup(script, loop)

    def _is_end(self, error: BaseException | None) -> bool:
        """Whether this, or what it was raised from, is the user leaving the debugger, or the run's end."""
        while error is not None:
            if isinstance(error, (bdb.BdbQuit, KeyboardInterrupt)):
                self.left = True
            if self.left or self.over:
                return True
            error = error.__cause__
        return False
