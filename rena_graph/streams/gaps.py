"""Rows of NaN where a regular stream has lost samples, for inputs with ``gaps: nan``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["fill_gaps"]

Samples = NDArray[Any]
Stamps = NDArray[np.float64]

_GAP = 1.5
"""Periods between two samples from which on something is missing between them."""


def fill_gaps(
    data: Samples, timestamps: Stamps, *, previous: float | None, rate: float, limit: int
) -> tuple[Samples, Stamps, int]:
    """Put NaN rows, with timestamps in between, where more than 1.5 periods lie between two samples.

    Pure; the caller keeps the last timestamp. Nothing is put where time runs backwards or is not finite.

    Parameters
    ----------
    data : ndarray of float, shape (n, channels)
        What has arrived.
    timestamps : ndarray, shape (n,)
        Seconds.
    previous : float or None
        Timestamp of the sample before these; None at the start of a stream.
    rate : float
        Hz; above 0.
    limit : int
        Rows put into one gap at most, its newest: more would not stay in the window.

    Returns
    -------
    data, timestamps : ndarray
        The arguments themselves where there is no gap.
    filled : int
        Rows put in.

    Raises
    ------
    TypeError
        The dtype has no NaN.
    """
    if data.dtype.kind != "f":
        raise TypeError(f"gaps can be filled with NaN in float streams only, not in {data.dtype}")
    if not len(timestamps):
        return data, timestamps, 0
    before = np.concatenate(([timestamps[0] if previous is None else previous], timestamps[:-1]))
    periods = (timestamps - before) * rate
    gaps = np.flatnonzero((periods > _GAP) & np.isfinite(periods))
    if not len(gaps):
        return data, timestamps, 0
    stamps: list[Stamps] = []
    pieces: list[Samples] = []
    done = filled = 0
    for gap in gaps.tolist():
        intervals = round(periods[gap])
        rows = min(intervals - 1, limit)
        # Numbered from the gap's end, where the rows are that stay in the window.
        steps = np.arange(rows, 0, -1) / intervals
        stamps += [timestamps[done:gap], timestamps[gap] - steps * (timestamps[gap] - before[gap])]
        pieces += [data[done:gap], np.full((rows, data.shape[1]), np.nan, data.dtype)]
        done, filled = gap, filled + rows
    return np.concatenate([*pieces, data[done:]]), np.concatenate([*stamps, timestamps[done:]]), filled
