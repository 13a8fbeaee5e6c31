"""Samples with values that are not finite (NaN, infinity): which they are, and how one is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["NotFinite", "OnNan", "describe", "finite_rows"]

OnNan = Literal["pass", "drop", "fail"]
"""What becomes of samples that are not finite: nothing; they are left out and counted; the node fails."""


@dataclass(frozen=True)
class NotFinite:
    """What was found in one chunk, and left out.

    Parameters
    ----------
    index : int
        Of the output.
    count : int
        Samples that were left out.
    text : str
        Where it was, and the first such value.
    fails : bool
        Whether the node is to fail for it.
    """

    index: int
    count: int
    text: str
    fails: bool


def finite_rows(data: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which samples are finite in all their channels; None where all samples are.

    Parameters
    ----------
    data : ndarray of float, shape (samples, channels)
        Denormal numbers are finite.
    """
    finite = np.isfinite(data)
    return None if finite.all() else np.asarray(finite.all(axis=1))


def describe(
    data: NDArray[Any], stamps: NDArray[np.float64], rows: NDArray[np.bool_], first: int, names: Sequence[str]
) -> str:
    """What of a chunk is not finite, in words.

    Parameters
    ----------
    data : ndarray of float, shape (samples, channels)
        The chunk.
    stamps : ndarray, shape (samples,)
        Seconds.
    rows : ndarray of bool, shape (samples,)
        As :func:`finite_rows` gave them.
    first : int
        Number of the chunk's first sample in its stream.
    names : sequence of str
        One label per channel, or none.
    """
    row = int(np.flatnonzero(~rows)[0])
    channel = int(np.flatnonzero(~np.isfinite(data[row]))[0])
    label = f" ({names[channel]!r})" if names else ""
    count = int(np.count_nonzero(~rows))
    some = f"{count} of {len(rows)} samples are" if count > 1 else f"1 of {len(rows)} samples is"
    return (
        f"{some} not finite, the first: {data[row, channel]} in channel {channel}{label} of sample {first + row}, "
        f"stamped {stamps[row]:.6f} s"
    )
