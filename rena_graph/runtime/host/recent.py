"""Quantiles of the recent past, from histograms in shared counters that only ever grow."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from rena_graph.transport.histogram import quantile

__all__ = ["RecentQuantiles"]

WINDOW = 10.0
"""Seconds that are looked back on, at least."""
LEAST = 20
"""Durations below which it is looked back on longer."""
EVERY = 1.0
"""Seconds that may lie between two looks at the cells: a quantile costs more than all other figures of a node."""


class RecentQuantiles:
    """Quantiles of the durations that were counted lately.

    Parameters
    ----------
    cells : memoryview
        A histogram's.
    shares : float
        The quantiles, each from 0 to 1.
    """

    def __init__(self, cells: memoryview, *shares: float) -> None:
        self._cells = cells
        self._shares = shares
        self._looks: deque[tuple[int, int, list[int]]] = deque()
        self._known = _quantiles((), shares)

    def read(self, now_ns: int, every: float = EVERY) -> tuple[float | None, ...]:
        """Seconds, one for each share, less than `every` seconds old; None while nothing was counted."""
        looks = self._looks
        if looks and now_ns - looks[-1][0] < every * 1e9:
            return self._known
        counts = self._cells.tolist()
        total = sum(counts)
        if not looks:
            looks.append((now_ns, 0, [0] * len(counts)))
        looks.append((now_ns, total, counts))
        while len(looks) > 2 and now_ns - looks[1][0] >= WINDOW * 1e9 and total - looks[1][1] >= LEAST:
            looks.popleft()
        self._known = _quantiles([new - old for new, old in zip(counts, looks[0][2], strict=True)], self._shares)
        return self._known

    def whole(self) -> tuple[float | None, ...]:
        """The same over all that was ever counted."""
        return _quantiles(self._cells.tolist(), self._shares)


def _quantiles(counts: Sequence[int], shares: tuple[float, ...]) -> tuple[float | None, ...]:
    found = [quantile(counts, share) for share in shares]
    return tuple(None if math.isnan(value) else value for value in found)
