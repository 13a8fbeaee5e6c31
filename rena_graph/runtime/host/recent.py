"""Quantiles of the recent past, from histograms in shared counters that only ever grow."""

from __future__ import annotations

import math
from collections import deque

from rena_graph.transport.histogram import quantile

__all__ = ["RecentQuantile"]

WINDOW = 10.0
"""Seconds that are looked back on, at least."""
LEAST = 20
"""Durations below which it is looked back on longer."""
EVERY = 1.0
"""Seconds between two looks at the cells: a quantile costs more than all other figures of a node."""


class RecentQuantile:
    """The quantile `q` of the durations that were counted lately.

    Parameters
    ----------
    cells : memoryview
        A histogram's.
    q : float
        From 0 to 1.
    """

    def __init__(self, cells: memoryview, q: float) -> None:
        self._cells = cells
        self._q = q
        self._looks: deque[tuple[int, int, list[int]]] = deque()
        self._known: float | None = None

    def read(self, now_ns: int) -> float | None:
        """Seconds; None while nothing was counted."""
        looks = self._looks
        if looks and now_ns - looks[-1][0] < EVERY * 1e9:
            return self._known
        counts = self._cells.tolist()
        total = sum(counts)
        if not looks:
            looks.append((now_ns, 0, [0] * len(counts)))
        looks.append((now_ns, total, counts))
        while len(looks) > 2 and now_ns - looks[1][0] >= WINDOW * 1e9 and total - looks[1][1] >= LEAST:
            looks.popleft()
        value = quantile([new - old for new, old in zip(counts, looks[0][2], strict=True)], self._q)
        self._known = None if math.isnan(value) else value
        return self._known
