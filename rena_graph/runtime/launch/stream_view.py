"""``run.stream("EEG")``: what flows through a stream of a running graph, looked at without disturbing it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np

from rena_graph.errors import UsageError
from rena_graph.runtime.coordinator.flows import port_of, spec_of
from rena_graph.runtime.launch.far_tap import FarTap
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.interface import Samples, Stamps
from rena_graph.transport.tap import Tap, open_tap

__all__ = ["StreamView", "facts_of"]

_LOOK_AGAIN = 0.02
"""Seconds between two looks at a stream."""
_LOOK_FAR_AGAIN = 0.1
"""The same where it lies on another host."""


class Asked(Protocol):
    """A run, as far as this module needs it."""

    def status(self) -> dict[str, Any]:
        """See :meth:`rena_graph.runtime.launch.handle.RunHandle.status`."""
        ...

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """See :meth:`rena_graph.runtime.launch.handle.RunHandle.ask`."""
        ...


def facts_of(streams: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What is known of the stream of this name.

    Raises
    ------
    UsageError
        There is none; names the nearest.
    """
    if name not in streams:
        near = get_close_matches(name, streams, 1)
        known = ", ".join(streams) or "none yet"
        raise UsageError(
            f"there is no stream {name!r}; {f'did you mean {near[0]!r}?' if near else f'there is {known}'}"
        )
    found: dict[str, Any] = streams[name]
    return found


class StreamView:
    """One stream of a running graph.

    What is read here is nobody's: it is in no ledger, and no writer waits for it.

    Parameters
    ----------
    run : Asked
        The run.
    name : str
        The stream's name in the graph.
    facts : dict
        What the run says of it.

    Attributes
    ----------
    spec : StreamSpec
        Its format.
    """

    def __init__(self, run: Asked, name: str, facts: dict[str, Any]) -> None:
        self._run = run
        self.name = name
        self.facts = facts
        self._port = None if facts["port"]["address"] is None else port_of(name, facts)
        self.spec: StreamSpec = spec_of(name, facts)

    @property
    def look_every(self) -> float:
        """Seconds to leave between two looks of a tap."""
        return _LOOK_AGAIN if self._port is not None else _LOOK_FAR_AGAIN

    def tap(self, newest: int = 0, values: bool = True) -> Tap:
        """Open a tap, a context manager whose ``read()`` gives what came since the last look and never waits.

        Parameters
        ----------
        newest : int
            Samples that are there already and are to be seen too, where streams go through rings.
        values : bool
            Whether the samples themselves are wanted. Of a stream that lies on another host nothing but timestamps and
            chunks travels otherwise.

        Raises
        ------
        TransportError
            The stream is gone.
        """
        if self._port is None:
            return FarTap(self._run.ask, self.spec, newest, values)
        return open_tap(self._port, newest)

    def read(self, seconds: float) -> tuple[Samples, Stamps]:
        """All that comes within so many seconds from now.

        Of a stream that lies on another host that is what a look of 256 KiB ten times a second holds: it is for people,
        and a node is the way for data.

        Returns
        -------
        data : ndarray, shape (samples, channels)
        timestamps : ndarray of float64, shape (samples,)
            Graph time, seconds.

        Raises
        ------
        TransportError
            The stream is gone; or it is faster than it could be copied, and samples are missing.
        """
        from rena_graph.errors import TransportError

        until = time.monotonic() + seconds
        data, stamps, missed = [], [], 0
        with self.tap() as tap:
            while True:
                seen = tap.read()
                data.append(seen.data)
                stamps.append(seen.timestamps)
                missed += seen.missed
                left = until - time.monotonic()
                if left <= 0 or tap.ended:
                    break
                time.sleep(min(self.look_every, left))
        if missed:
            raise TransportError(f"stream {self.name!r}: {missed:,} samples went by before they could be copied")
        return np.concatenate(data), np.concatenate(stamps)

    def info(self) -> dict[str, Any]:
        """Format, who makes and takes it, the ledger of its edges, and its counters now."""
        status = self._run.status()
        facts = {key: value for key, value in self.facts.items() if key != "port"}
        edges = [edge for edge in status["edges"] if edge["stream"] == self.name]
        return {
            "stream": self.name,
            **facts,
            "elsewhere": self._port is None,
            "transport": self.facts["port"]["transport"],
            "kept_samples": self.facts["port"]["capacity"],
            "now": status["streams"].get(self.name, {}),
            "edges": edges,
        }
