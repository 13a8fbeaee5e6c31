"""An attached run from its start to its end: shows it, stops it when asked or when its time is over, sums it up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from rena_graph.cli.display import Display, Guarded
from rena_graph.cli.signals import Interrupts
from rena_graph.cli.view.status import complete
from rena_graph.errors import ExitCode, RenaGraphError, RunLost

__all__ = ["AttachedRun", "WatchedRun", "attach", "watch"]

log = logging.getLogger(__name__)

POLL = 0.1
"""Seconds between two looks at the run; also the longest that a Ctrl-C waits."""


class AttachedRun(Protocol):
    """What is needed of a run; :class:`rena_graph.runtime.launch.client.Run` is one."""

    @property
    def folder(self) -> Path:
        """Where its logs are."""

    @property
    def failure(self) -> str | None:
        """Why it failed."""

    def start(self, progress: Callable[[str], None]) -> object:
        """Return once it is running; stop it before an exception leaves."""

    def status(self) -> dict[str, Any]:
        """As it is now."""

    def messages(self) -> list[dict[str, Any]]:
        """Log records since the last call."""

    def stop(self) -> None:
        """Ask it to end in good order."""

    def kill(self) -> None:
        """End it at once."""

    def wait(self, timeout: float) -> ExitCode | None:
        """Its exit code, or None where it has not ended within `timeout` seconds."""


def attach(
    run: AttachedRun,
    display: Display,
    *,
    seconds: float | None,
    interrupts: Interrupts,
    clock: Callable[[], float],
) -> ExitCode:
    """Start `run`, show it until it ends, and give its exit code.

    Parameters
    ----------
    run : AttachedRun
        Not started yet. It is not closed here.
    display : Display
        What shows it. It is closed here.
    seconds : float | None
        How long it may run, counted from when it is running; None: until it ends or is stopped.
    interrupts : Interrupts
        Entered. The first one stops the run, the second kills it, a third no longer waits for its end.
    clock : callable
        Monotonic seconds.

    Raises
    ------
    RenaGraphError
        The run could not be started.
    """
    guarded = Guarded(display)
    try:
        asked = False
        try:
            with interrupts.raising():
                run.start(guarded.progress)
        except KeyboardInterrupt:
            # start() has asked the run to stop, and waited for that unless it was interrupted once more.
            asked = True
        except RenaGraphError as error:
            said = str(error)
            guarded.messages([record for record in run.messages() if record["text"].strip() not in said])
            raise
        until = None if seconds is None else clock() + seconds
        follower = _Follower(run, guarded, interrupts, clock, until, asked)
        code = follower.follow()
        failure = run.failure
        if asked and code is not ExitCode.KILLED:
            # However its half-started processes went: it was the user who ended it.
            code, failure = ExitCode.OK, None
        guarded.messages(run.messages())
        guarded.finish(follower.last_status(), code, run.folder, failure)
        return code
    finally:
        guarded.close()


class WatchedRun(Protocol):
    """What is needed of a run that is only watched; :class:`rena_graph.runtime.launch.handle.RunHandle` is one."""

    @property
    def id(self) -> str:
        """Which run."""

    @property
    def folder(self) -> Path:
        """Where its logs are."""

    @property
    def failure(self) -> str | None:
        """Why it failed."""

    def status(self) -> dict[str, Any]:
        """As it is now."""

    def messages(self) -> list[dict[str, Any]]:
        """Log records since the last call."""

    def wait(self, timeout: float) -> ExitCode | None:
        """Its exit code, or None where it has not ended within `timeout` seconds."""


def watch(run: WatchedRun, display: Display, interrupts: Interrupts, clock: Callable[[], float]) -> ExitCode:
    """Show a run that somebody launched until it ends, or until the first interrupt: the run goes on then.

    Returns
    -------
    ExitCode
        The run's where it has ended, else OK.
    """
    guarded = Guarded(display)
    shown: float | None = None
    status = complete({"run": run.id, "graph": "the run", "state": "ended"})
    try:
        while True:
            code = run.wait(POLL)
            guarded.messages(run.messages())
            try:
                status = complete(run.status())
            except RunLost as lost:
                log.debug("%s", lost)
            if code is not None:
                guarded.finish(status, code, run.folder, run.failure)
                return code
            if interrupts.count or guarded.broken:
                guarded.close()
                guarded.say(f"run {run.id} goes on; `rena-graph stop {run.id}` stops it")
                return ExitCode.OK
            period = guarded.period
            if period is not None and (shown is None or clock() - shown >= period) and status["state"] != "ended":
                shown = clock()
                guarded.status(status)
    finally:
        guarded.close()


def _stop(run: AttachedRun, display: Guarded, why: str) -> bool:
    display.say(f"{why}: each node ends its loop and runs cleanup(); Ctrl-C kills at once")
    run.stop()
    return True


class _Follower:
    """The loop from the start-up to the end."""

    def __init__(
        self,
        run: AttachedRun,
        display: Guarded,
        interrupts: Interrupts,
        clock: Callable[[], float],
        until: float | None,
        asked: bool,
    ) -> None:
        self._run = run
        self._display = display
        self._interrupts = interrupts
        self._clock = clock
        self._until = until
        self._asked = asked
        self._killed = False
        self._shown: float | None = None
        self._status = complete({"graph": "the run", "state": "ended"})

    def follow(self) -> ExitCode:
        """Until the run has ended."""
        while True:
            code = self._run.wait(POLL)
            if code is not None:
                return ExitCode.KILLED if self._killed else code
            self._display.messages(self._run.messages())
            self._show()
            if self._interrupts.count > 2 and self._killed:
                return ExitCode.KILLED
            self._end_if_due()

    def _show(self) -> None:
        now = self._clock()
        period = self._display.period
        if period is not None and (self._shown is None or now - self._shown >= period):
            # Counted on from the last one, so that a line a second stays a line a second.
            late = self._shown is None or now - self._shown >= 2 * period
            self._shown = now if late or self._shown is None else self._shown + period
            status = self.last_status()
            if status["state"] != "ended":  # that one comes with the summary, once all is gone
                self._display.status(status)

    def last_status(self) -> dict[str, Any]:
        """The status now, or, where nobody answers any more, the one before."""
        try:
            self._status = complete(self._run.status())
        except RunLost as lost:
            # Between the coordinator's end and the session's nobody answers; wait() tells how it ended.
            log.debug("%s", lost)
        return self._status

    def _end_if_due(self) -> None:
        if self._interrupts.count > 1:
            if not self._killed:
                self._killed = True
                self._display.say("killing")
                self._run.kill()
        elif self._asked:
            return
        elif self._interrupts.count:
            self._asked = _stop(self._run, self._display, "stopping")
        elif self._until is not None and self._clock() >= self._until:
            self._asked = _stop(self._run, self._display, "the time is over")
        elif self._display.broken:
            self._asked = _stop(self._run, self._display, "nobody reads along any more")
