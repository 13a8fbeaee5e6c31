"""``launch --debug NODE``: the run is followed from a thread, while this process's main thread is the node's.

Signals go to the main thread, so the node's debugger gets Ctrl-C at its prompt, and the run gets it elsewhere.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from rena_graph.cli.attached import attach
from rena_graph.cli.signals import Interrupts
from rena_graph.cli.view.lines import message_lines
from rena_graph.cli.view.summary import summary_lines
from rena_graph.errors import ExitCode, RenaGraphError
from rena_graph.runtime.clock import SystemClock
from rena_graph.runtime.launch.client import Run
from rena_graph.runtime.launch.debugged import DebuggedNode, TerminalConsole, at_prompt
from rena_graph.runtime.setup import NodeSetup

__all__ = ["DebugInterrupts", "attach_debugged"]

POLL = 0.02
_HELLO = (
    "{} runs in this process, under debug: breakpoint() stops in it, and it is neither killed nor restarted, however "
    "long it takes. At the prompt: c goes on, q ends the run in good order."
)


def attach_debugged(run: Run, node: str, *, seconds: float | None, clock: Callable[[], float]) -> ExitCode:
    """Start `run`, run its node `node` here until it ends, and give the run's exit code. Main thread only.

    Parameters
    ----------
    run : Run
        Launched with ``LaunchOptions(debug=node)`` and not started yet. It is closed here.
    node : str
        The node.
    seconds : float | None
        How long the run may take, counted from when it is running.
    clock : callable
        Monotonic seconds.

    Raises
    ------
    RenaGraphError
        The run did not start.
    """
    display = TerminalDisplay(sys.stdout, sys.stderr)
    interrupts = DebugInterrupts()
    with interrupts, run:
        follower = _Follower(run, display, interrupts, seconds, clock)
        follower.start()
        try:
            _live_through(run, follower, display, node)
        finally:
            follower.join()
        return follower.result()


def _live_through(run: Run, follower: _Follower, display: TerminalDisplay, name: str) -> None:
    """The node's whole life, once the coordinator has handed it out."""
    while (setup := run.debug_setup()) is None:
        if follower.over.wait(POLL):
            return
    display.say(_HELLO.format(name))
    try:
        left = _live(setup, follower, display)
    except BaseException:
        run.stop()
        raise
    finally:
        run.debug_ended()
    if left:
        run.stop()


def _live(setup: NodeSetup, follower: _Follower, display: TerminalDisplay) -> bool:
    """Run the node; returns whether the user left its debugger."""
    clock = SystemClock()
    console = TerminalConsole(setup.console, setup.name, clock.unix, display.stdout, display.stderr)
    node = DebuggedNode(setup, clock, console)
    try:
        with follower.ending(node):
            node.run()
    except SystemExit:
        if not node.over:
            raise
    return node.left


class DebugInterrupts(Interrupts):
    """As :class:`Interrupts`, but at a debugger's prompt a Ctrl-C is the debugger's.

    Attributes
    ----------
    over : bool
        The run has ended: the next signal ends what the main thread does.
    ended : bool
        It has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.over = self.ended = False

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Nothing is raised: the call that blocks is not the main thread's, and looks at :attr:`count` itself."""
        yield

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.over:
            if not self.ended:
                self.ended = True
                raise SystemExit(0)
            return
        if number == signal.SIGINT and at_prompt(frame):
            raise KeyboardInterrupt
        super()._caught(number, frame)


class TerminalDisplay:
    """Plain lines on the terminal; what the node prints there itself is not repeated.

    Parameters
    ----------
    stdout, stderr : TextIO
        Kept, since those of the process become the node's.
    """

    period: float | None = None

    def __init__(self, stdout: TextIO, stderr: TextIO) -> None:
        self.stdout = stdout
        self.stderr = stderr

    def progress(self, text: str) -> None:
        """On stderr."""
        print(text, file=self.stderr, flush=True)

    def say(self, text: str) -> None:
        """On stderr."""
        print(text, file=self.stderr, flush=True)

    def messages(self, records: Sequence[Mapping[str, Any]]) -> None:
        """On stdout."""
        for record in records:
            for line in message_lines(record):
                print(line, file=self.stdout, flush=True)

    def status(self, status: Mapping[str, Any]) -> None:
        """Nothing: the terminal is the node's."""

    def finish(self, status: Mapping[str, Any], code: int, folder: Path, failure: str | None) -> None:
        """The failure on stderr, the summary on stdout."""
        if failure:
            self.say(failure)
        for line in summary_lines(status, code, folder):
            print(line, file=self.stdout, flush=True)

    def close(self) -> None:
        """Nothing to give back."""


class _Follower(threading.Thread):
    """Starts the run and follows it to its end."""

    def __init__(
        self,
        run: Run,
        display: TerminalDisplay,
        interrupts: DebugInterrupts,
        seconds: float | None,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(name="rena-debug-follower")
        self.over = threading.Event()
        """The run has ended."""
        self._run = _Quiet(run, interrupts, display.say)
        self._display = display
        self._interrupts = interrupts
        self._seconds = seconds
        self._clock = clock
        self._code = ExitCode.INTERNAL
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._node: DebuggedNode | None = None
        self._node_gone = threading.Event()

    def run(self) -> None:
        """The thread."""
        try:
            self._code = attach(
                self._run, self._display, seconds=self._seconds, interrupts=self._interrupts, clock=self._clock
            )
        except BaseException as error:  # noqa: BLE001 - raised again on the main thread, by result()
            self._error = error
        self.over.set()
        while not self._let_go():
            self._node_gone.wait(POLL)

    def _let_go(self) -> bool:
        """End the node that the run has left behind; whether it is on its way out."""
        with self._lock:
            if self._node is None or self._interrupts.ended:
                return True
            self._node.over = self._interrupts.over = True
            # A real signal, since the main thread may wait for a key at the prompt. Again and again, since one that
            # comes just before that waiting begins is noticed with the next key only.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
            return False

    @contextmanager
    def ending(self, node: DebuggedNode) -> Iterator[None]:
        """Within this block the node is ended where the run ends without it."""
        with self._lock:
            node.over = self.over.is_set()
            self._node = node
        try:
            yield
        finally:
            with self._lock:
                self._node = None
            self._node_gone.set()

    def result(self) -> ExitCode:
        """The run's exit code, or what kept it from starting."""
        if self._error is not None:
            raise self._error
        return self._code


class _Quiet:
    """A run whose start can be interrupted from outside, and whose messages wait while a prompt is open."""

    def __init__(self, run: Run, interrupts: Interrupts, say: Callable[[str], None]) -> None:
        self._run = run
        self._interrupts = interrupts
        self._say = say
        self._heard = 0

    @property
    def folder(self) -> Path:
        """See :class:`Run`."""
        return self._run.folder

    @property
    def failure(self) -> str | None:
        """See :class:`Run`."""
        return self._run.failure

    def start(self, progress: Callable[[str], None]) -> object:
        """See :meth:`Run.start`."""
        try:
            return self._run.start(progress, self._look)
        except RenaGraphError:
            if self._heard:
                raise KeyboardInterrupt from None  # it did not start because it was not to
            raise

    def _look(self) -> None:
        """While it starts: the first interrupt stops it, a second one kills it. Neither waits for the node's prompt."""
        count = self._interrupts.count
        if count > self._heard == 0:
            self._heard = 1
            self._say("interrupted while starting: stopping; once more kills")
            self._run.stop()
        elif count > self._heard == 1:
            self._heard = 2
            self._run.kill()

    def status(self) -> dict[str, Any]:
        """See :meth:`Run.status`."""
        return self._run.status()

    def messages(self) -> list[dict[str, Any]]:
        """What is new, less what the terminal has shown; nothing while somebody types."""
        if at_prompt(sys._current_frames().get(threading.main_thread().ident or 0)):
            return []
        return [record for record in self._run.messages() if not record.get("shown")]

    def stop(self) -> None:
        """See :meth:`Run.stop`."""
        self._run.stop()

    def kill(self) -> None:
        """See :meth:`Run.kill`."""
        self._run.kill()

    def wait(self, timeout: float) -> ExitCode | None:
        """See :meth:`Run.wait`."""
        return self._run.wait(timeout)
