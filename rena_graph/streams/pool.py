"""Arrays for one input buffer: fresh ones, and the last one again once nobody looks at it any more."""

from __future__ import annotations

import mmap
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ArrayPool"]

Array = NDArray[Any]


def _references(slot: list[Array]) -> int:
    """References to the array in `slot`, those that this look itself takes included."""
    return sys.getrefcount(slot[0])


_ALONE = _references([np.empty(1)])
"""What :func:`_references` says of an array that only its slot holds; taken from the interpreter that runs."""


def _touch(array: Array) -> None:
    """Have the kernel map every page now, not in somebody's loop."""
    if array.size:
        array.reshape(-1).view(np.uint8)[:: mmap.PAGESIZE] = 0


class ArrayPool:
    """Gives data and timestamp arrays of one width, and keeps the one last given back.

    A view keeps its array alive by a reference (numpy lets every view point at the array that owns the memory), so an
    array with no reference but ours is seen by nobody and may be written over. Memory for a wide stream (6 MB a
    sample in 1080p) then is mapped once, instead of at every replacement.

    Parameters
    ----------
    channels : int
        Columns of the data arrays.
    dtype : numpy.dtype
        Of the data arrays; those of Python objects are never used again.
    """

    def __init__(self, channels: int, dtype: np.dtype[Any]) -> None:
        self._channels = channels
        self._dtype = dtype
        self._data: list[Array] = []
        self._stamps: list[Array] = []

    def take(self, rows: int) -> tuple[Array, NDArray[np.float64]]:
        """Arrays ``(rows, channels)`` and ``(rows,)`` that nobody else sees, their content undefined."""
        return (
            self._take(self._data, (rows, self._channels), self._dtype),
            self._take(self._stamps, (rows,), np.dtype(np.float64)),
        )

    def give(self, data: Array, stamps: Array) -> None:
        """Keep these for a later :meth:`take`, in place of what was kept before."""
        if not self._dtype.hasobject:
            self._data[:] = [data]
        self._stamps[:] = [stamps]

    @staticmethod
    def _take(slot: list[Array], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        if slot and slot[0].shape == shape and _references(slot) == _ALONE:
            return slot.pop()
        slot.clear()
        array = np.empty(shape, dtype)
        if not dtype.hasobject:
            _touch(array)
        return array
