"""How an attached launch shows a run: a live table on a terminal, plain lines elsewhere, or JSON lines."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rena_graph.cli.output import abandon_stdout, talk, write_json, write_line
from rena_graph.cli.view.errors import ErrorList
from rena_graph.cli.view.lines import message_lines
from rena_graph.cli.view.summary import summary_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.status import Status

__all__ = ["Display", "Guarded", "JsonDisplay", "LiveDisplay", "PlainDisplay", "choose_display"]

_LINES_KEPT = 200


class Display(Protocol):
    """What :func:`rena_graph.cli.attached.attach` needs of one."""

    period: float | None
    """Seconds between two statuses; None: it wants none before the end."""

    def progress(self, text: str) -> None:
        """A step of the start-up."""

    def say(self, text: str) -> None:
        """Talk to the user."""

    def messages(self, records: Sequence[Mapping[str, Any]]) -> None:
        """New log records of the run."""

    def status(self, status: Mapping[str, Any]) -> None:
        """The run as it is now."""

    def finish(self, status: Mapping[str, Any], code: int, folder: Path, failure: str | None) -> None:
        """The run is over."""

    def close(self) -> None:
        """Give the terminal back; harmless when done already."""


class PlainDisplay:
    """Log lines and the summary on stdout, talk on stderr: for files, pipes and dumb terminals."""

    period: float | None = None

    def progress(self, text: str) -> None:
        """On stderr."""
        talk(text)

    def say(self, text: str) -> None:
        """On stderr."""
        talk(text)

    def messages(self, records: Sequence[Mapping[str, Any]]) -> None:
        """On stdout: what scripts print is the result."""
        for record in records:
            for line in message_lines(record):
                write_line(line)

    def status(self, status: Mapping[str, Any]) -> None:
        """Nothing: a line a second would bury what scripts say."""

    def finish(self, status: Mapping[str, Any], code: int, folder: Path, failure: str | None) -> None:
        """The failure on stderr, the summary on stdout."""
        if failure:
            talk(failure)
        for line in summary_lines(status, code, folder):
            write_line(line)

    def close(self) -> None:
        """Nothing to give back."""


class JsonDisplay(PlainDisplay):
    """A line of JSON a second on stdout (``"event": "status"``), a last one (``"end"``); all else on stderr."""

    period: float | None = 1.0

    def messages(self, records: Sequence[Mapping[str, Any]]) -> None:
        """On stderr, as lines: stdout holds statuses only."""
        for record in records:
            for line in message_lines(record):
                talk(line)

    def status(self, status: Mapping[str, Any]) -> None:
        """One line."""
        write_json({"event": "status", **status}, compact=True)

    def finish(self, status: Mapping[str, Any], code: int, folder: Path, failure: str | None) -> None:
        """The last line, with the exit code, the failure and the run's folder."""
        last = {"event": "end", **status, "exit_code": int(code), "failure": failure, "folder": str(folder)}
        write_json(last, compact=True)


class LiveDisplay:
    """A table that is redrawn in place, with the newest log lines under it.

    Parameters
    ----------
    console : rich.console.Console
        The terminal.
    hint : str
        What Ctrl-C does.
    """

    period: float | None = 0.25

    def __init__(self, console: Console, hint: str = "Ctrl-C stops") -> None:
        self._console = console
        self._hint = hint
        self._errors = ErrorList()
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._live: Live | None = None
        self._starting: Status | None = None

    def progress(self, text: str) -> None:
        """One line, rewritten in place until the table takes its place."""
        from rich.text import Text

        line = Text(text, style="dim")
        if self._starting is None:
            self._starting = self._console.status(line)
            self._starting.start()
        else:
            self._starting.update(line)

    def say(self, text: str) -> None:
        """A line above the table, so that it stays."""
        self._console.print(text, style="bold", markup=False, highlight=False)

    def messages(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Kept for the next drawing; the run's folder holds them all."""
        self._errors.add(records)
        for record in records:
            self._lines.extend(message_lines(record))

    def status(self, status: Mapping[str, Any]) -> None:
        """Draw."""
        from rich.live import Live

        from rena_graph.cli.view.live import live_view

        self._started()
        if self._live is None:
            # Without a refresh thread of its own: a status comes four times a second anyway.
            self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
            self._live.start()
        size = self._console.size
        errors = self._errors.lines(size.height)
        view = live_view(status, list(self._lines), size.width, size.height, errors, self._hint)
        self._live.update(view, refresh=True)

    def finish(self, status: Mapping[str, Any], code: int, folder: Path, failure: str | None) -> None:
        """The last table stays; the failure and the summary follow it."""
        self.status(status)
        self.close()
        if failure:
            talk(failure)
        for line in summary_lines(status, code, folder):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _started(self) -> None:
        if self._starting is not None:
            self._starting.stop()
            self._starting = None

    def close(self) -> None:
        """Stop drawing."""
        self._started()
        if self._live is not None:
            self._live.stop()
            self._live = None


class Guarded:
    """A display that may lose its terminal or its reader: from then on it is mute and says so in :attr:`broken`.

    A pipe whose reader left (``| head``) and a terminal that was closed must end the run in good order, not with a
    traceback out of the middle of it.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self.period = display.period
        self.broken = False

    def _do(self, method: str, *arguments: Any) -> None:
        if self.broken:
            return
        try:
            getattr(self._display, method)(*arguments)
        except OSError:
            self.broken = True
            abandon_stdout()

    def progress(self, text: str) -> None:
        """See :class:`Display`."""
        self._do("progress", text)

    def say(self, text: str) -> None:
        """See :class:`Display`."""
        self._do("say", text)

    def messages(self, records: Sequence[Mapping[str, Any]]) -> None:
        """See :class:`Display`."""
        self._do("messages", records)

    def status(self, status: Mapping[str, Any]) -> None:
        """See :class:`Display`."""
        self._do("status", status)

    def finish(self, status: Mapping[str, Any], code: int, folder: Path, failure: str | None) -> None:
        """See :class:`Display`."""
        self._do("finish", status, code, folder, failure)

    def close(self) -> None:
        """See :class:`Display`."""
        self._do("close")


def choose_display(as_json: bool, hint: str = "Ctrl-C stops") -> Display:
    """JSON where asked for, the live table on a terminal that can draw, plain lines elsewhere."""
    if as_json:
        return JsonDisplay()
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from rich.console import Console

        return LiveDisplay(Console(), hint)
    return PlainDisplay()
