"""Times steps of code that knows nothing of it: methods and functions are wrapped, each counts its own time only."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from types import TracebackType
from typing import Any

__all__ = ["Stopwatch"]


class Stopwatch:
    """Processor time of the steps that :meth:`watch` names, each without the steps inside of it.

    Processor time and not time on the wall: what waits, or is put off because others are at work, costs nothing. Each
    thread is counted for itself. A context manager: at its end all is as it was before.

    Parameters
    ----------
    clock : callable
        Nanoseconds of processor time of the calling thread.
    """

    def __init__(self, clock: Callable[[], int] = time.thread_time_ns) -> None:
        self._clock = clock
        self._local = threading.local()
        self._undo: list[Callable[[], None]] = []
        self.nanoseconds: dict[str, int] = defaultdict(int)
        """Of each step."""
        self.calls: dict[str, int] = defaultdict(int)
        self.counting = False
        """Whether anything is counted: not before all is warm."""

    def watch(self, owner: Any, name: str, step: str) -> None:
        """Count the time in ``owner.name``, a method of an object or a function of a module, as `step`."""
        inner = getattr(owner, name)
        own = name in vars(owner)
        before = vars(owner).get(name)
        setattr(owner, name, self.timed(inner, step))

        def undo() -> None:
            if own:
                setattr(owner, name, before)
            else:
                delattr(owner, name)

        self._undo.append(undo)

    def timed(self, inner: Callable[..., Any], step: str) -> Callable[..., Any]:
        """`inner`, with its time counted as `step`."""
        clock, local = self._clock, self._local
        nanoseconds, calls = self.nanoseconds, self.calls

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            stack = local.__dict__.setdefault("stack", [0])
            stack.append(0)
            began = clock()
            try:
                return inner(*args, **kwargs)
            finally:
                took = clock() - began
                inside = stack.pop()
                stack[-1] += took
                if self.counting:
                    nanoseconds[step] += took - inside
                    calls[step] += 1

        return wrapped

    def __enter__(self) -> Stopwatch:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        while self._undo:
            self._undo.pop()()
