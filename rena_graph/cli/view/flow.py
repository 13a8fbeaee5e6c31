"""How a stream flows, in figures: rates, intervals and their jitter over a window of what a tap has seen."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.cli.output import columns
from rena_graph.cli.view.numbers import NONE, count, duration, rate
from rena_graph.transport.tap import Seen

__all__ = ["FlowMeter", "flow_lines"]

_HEADER = ("rate Hz", "chunks/s", "per chunk", "arrival", "±", "longest", "stamps Hz", "±", "longest step", "missed")


@dataclass(frozen=True)
class _Chunk:
    published: float
    stamps: NDArray[np.float64]


class FlowMeter:
    """Keeps the chunks of the last `window` seconds.

    Parameters
    ----------
    window : float
        Seconds.
    began : float
        When the tap was opened: seconds of the monotonic clock.
    """

    def __init__(self, window: float, began: float) -> None:
        self._window = window
        self._began = began
        self._chunks: deque[_Chunk] = deque()
        self.missed = 0

    def add(self, seen: Seen) -> None:
        """What a look brought."""
        self.missed += seen.missed
        at = 0
        for chunk in seen.chunks:
            # The first of them may have begun before the tap did.
            here = min(chunk.count, len(seen.timestamps) - at)
            if here > 0:
                self._chunks.append(_Chunk(chunk.published, seen.timestamps[at : at + here]))
                at += here

    def figures(self, now: float) -> dict[str, Any]:
        """Of the window that ends `now`: seconds and Hz; None where there is too little to tell.

        Arrival is when a chunk became visible in this machine; steps are those between timestamps, across chunks too.
        """
        while self._chunks and self._chunks[0].published < now - self._window:
            self._chunks.popleft()
        span = min(self._window, now - self._began)
        arrivals = np.array([chunk.published for chunk in self._chunks])
        stamps = np.concatenate([chunk.stamps for chunk in self._chunks]) if self._chunks else np.empty(0)
        between, steps = np.diff(arrivals), np.diff(stamps)
        run = float(stamps[-1] - stamps[0]) if len(stamps) > 1 else 0.0
        return {
            "samples": len(stamps),
            "rate": len(stamps) / span if span > 0 else None,
            "chunks_per_second": len(arrivals) / span if span > 0 else None,
            "samples_per_chunk": len(stamps) / len(arrivals) if len(arrivals) else None,
            "arrival_interval": _of(between, np.mean),
            "arrival_jitter": _of(between, np.std),
            "arrival_longest": _of(between, np.max),
            "stamp_rate": (len(stamps) - 1) / run if run > 0 else None,
            "stamp_jitter": _of(steps, np.std),
            "stamp_longest": _of(steps, np.max),
            "missed": self.missed,
        }


def _of(values: NDArray[np.float64], function: Any) -> float | None:
    if not len(values):
        return None
    value = float(function(values))
    return value if math.isfinite(value) else None


def _row(figures: dict[str, Any]) -> tuple[str, ...]:
    """The figures as cells below :data:`_HEADER`."""
    per_chunk = figures["samples_per_chunk"]
    return (
        rate(figures["rate"]),
        rate(figures["chunks_per_second"]),
        NONE if per_chunk is None else f"{per_chunk:.1f}",
        duration(figures["arrival_interval"]),
        duration(figures["arrival_jitter"]),
        duration(figures["arrival_longest"]),
        rate(figures["stamp_rate"]),
        duration(figures["stamp_jitter"]),
        duration(figures["stamp_longest"]),
        count(figures["missed"]),
    )


def flow_lines(figures: dict[str, Any], header: bool) -> list[str]:
    """One line of figures, of columns that keep their width; with `header` the line of titles before it."""
    wide = tuple("0" * max(len(title), 8) for title in _HEADER)
    head, row, _ = columns([_row(figures), wide], _HEADER)
    return [head, row] if header else [row]
