"""Watches one script from the outside: how long its loops take, what it prints, which outputs nobody declared."""

from __future__ import annotations

import io
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

import numpy as np

from rena_graph.script import RenaScript
from rena_graph.streams.convert import OrientationRule

__all__ = ["Printed", "Watched"]

_LINES_KEPT = 10_000


class Watched:
    """Stands between a harness and its script.

    Parameters
    ----------
    script : RenaScript
        Its methods are wrapped in place.
    rule : {'original', 'samples_first', 'channels_first'}
        Which axis of an output is taken for the channels, where one was not declared.
    timer_ns : callable
        Nanoseconds.
    """

    def __init__(
        self, script: RenaScript, rule: OrientationRule, timer_ns: Callable[[], int] = time.perf_counter_ns
    ) -> None:
        self.loop_ns: list[int] = []
        """What each ``loop()`` took, failed ones too."""
        self.undeclared: dict[str, int | None] = {}
        """Outputs that the script assigned and the command line does not have, with the channels they seem to have."""
        self._script = script
        self._rule = rule
        self._timer_ns = timer_ns
        init, loop, cleanup = script.init, script.loop, script.cleanup
        script.init = lambda: self._call(init)  # type: ignore[method-assign]
        script.loop = lambda: self._timed(loop)  # type: ignore[method-assign]
        script.cleanup = lambda: self._call(cleanup)  # type: ignore[method-assign]

    def _timed(self, loop: Callable[[], None]) -> None:
        began = self._timer_ns()
        try:
            self._call(loop)
        finally:
            self.loop_ns.append(self._timer_ns() - began)

    def _call(self, method: Callable[[], None]) -> None:
        try:
            method()
        finally:
            outputs = self._script.outputs
            for name in [name for name in outputs if name not in self._script.output_names]:
                value = outputs.pop(name)
                if self.undeclared.get(name) is None:
                    # By set_output() it comes together with its timestamp.
                    self.undeclared[name] = self._channels(value.data if hasattr(value, "timestamp") else value)

    def _channels(self, value: Any) -> int | None:
        try:
            shape = np.shape(value)
        except ValueError:
            return None  # ragged
        match shape:
            case ():
                return None if value is None else 1
            case (count,):
                return int(count) or None
            case (rows, columns):
                return int(columns if self._rule == "samples_first" else rows) or None
        return None


class Printed(io.TextIOBase):
    """Hands on what a script prints, and keeps its lines (the newest, where they are many).

    Parameters
    ----------
    stream : TextIO
        Where it goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pending = ""
        self._kept: deque[str] = deque(maxlen=_LINES_KEPT)
        self.count = 0
        """Lines so far."""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Hand on, and cut into lines."""
        self._stream.write(text)
        self._stream.flush()
        *lines, self._pending = (self._pending + text).split("\n")
        self._kept.extend(lines)
        self.count += len(lines)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        """As the stream behind it: what a debugger or a progress bar asks."""
        return self._stream.isatty()

    @property
    def lines(self) -> list[str]:
        """What was printed, an unfinished last line too."""
        return [*self._kept, self._pending] if self._pending else list(self._kept)

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Within this block Python's stdout and what is logged (from INFO on, as in a node) come here."""
        root = logging.getLogger()
        handler = logging.StreamHandler(self)
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        handler.addFilter(_not_ours)
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            with redirect_stdout(self):
                yield
        finally:
            root.removeHandler(handler)
            root.setLevel(level)


def _not_ours(record: logging.LogRecord) -> Any:
    """Our own loggers have the command line's handler already."""
    return not record.name.startswith("rena_graph")
