"""A tap on a stream that lies on another host: asks the run for one small look after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from rena_graph.errors import TransportError
from rena_graph.runtime.far_looks import seen_of
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.tap import Seen

__all__ = ["FarTap"]

_AGAIN = 0.1
PATIENCE = 10.0
"""Seconds without an answer from the stream's host, after which nobody waits any more."""


class FarTap:
    """See :class:`rena_graph.transport.tap.Tap`; a look takes as long as the way there and back.

    Parameters
    ----------
    ask : callable
        One request over the run's control socket.
    spec : StreamSpec
        The stream's format.
    newest : int
        Samples that are there already and are to be seen too, at most.
    values : bool
        Whether the samples themselves are wanted; else timestamps and chunks alone travel.

    Raises
    ------
    TransportError
        The stream's host has not answered for ten seconds.
    UsageError
        It cannot be looked at from here.
    """

    def __init__(
        self, ask: Callable[[dict[str, Any]], dict[str, Any]], spec: StreamSpec, newest: int = 0, values: bool = True
    ) -> None:
        self._ask = ask
        self._spec = spec
        self._values = values
        self._position: int | None = None
        self._ended = False
        self._heard = time.monotonic()
        self._first: Seen | None = None
        while self._position is None:  # from now on
            self._first = self._look(newest, None)
            if self._position is None:
                time.sleep(_AGAIN)

    def read(self, limit: int | None = None) -> Seen:
        """See :class:`~rena_graph.transport.tap.Tap`; where more has come than a look may bring, the newest of it."""
        if self._first is not None:
            seen, self._first = self._first, None
            if len(seen.timestamps):
                return seen
        return self._look(0, limit)

    def _look(self, newest: int, limit: int | None) -> Seen:
        request: dict[str, Any] = {"op": "look", "stream": self._spec.name, "values": self._values, "newest": newest}
        request |= {} if self._position is None else {"position": self._position}
        request |= {} if limit is None else {"limit": limit}
        answer = self._ask(request)
        look = answer["look"]
        if look is None:
            if time.monotonic() - self._heard > PATIENCE:
                raise TransportError(
                    f"stream {self._spec.name!r}: its host, {answer['host']}, has not answered for {PATIENCE:g} s"
                )
            look = {"position": self._position, "ended": False, "missed": 0, "stamps": "", "data": None, "chunks": []}
        else:
            self._heard = time.monotonic()
        self._position, self._ended = look["position"], look["ended"]
        return seen_of(self._spec, look)

    @property
    def ended(self) -> bool:
        """See :class:`~rena_graph.transport.tap.Tap`."""
        return self._ended

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> FarTap:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
