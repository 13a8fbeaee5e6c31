"""One stream's window as a script sees it: appended in place, replaced when full, never moved under the script."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.errors import EnvironmentRefused
from rena_graph.streams.pool import ArrayPool
from rena_graph.streams.spec import StreamSpec

__all__ = ["InputBuffer", "legacy_dtype"]

logger = logging.getLogger(__name__)

Samples = NDArray[Any]
Stamps = NDArray[np.float64]

_LARGE = 64 * 1024 * 1024
"""Bytes of a window above which the spare rows are a quarter of it, not as many again."""
_FIRST_ROWS = 64
"""Rows that an irregular stream's buffer starts with."""
_places = random.Random()  # not the module's functions: a script may have seeded those


def legacy_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What PhysioLabXR hands to scripts for a stream of `dtype`: floats as float64, integers as int64.

    That is what its LSL client makes of all that LSL carries. What LSL does not carry, unsigned integers above all, it
    can only get over ZMQ, which hands it over as it is: scripts give such video frames to OpenCV, which takes no int64.
    """
    if dtype.kind == "f":
        return np.dtype(np.float64)
    return np.dtype(np.int64) if dtype.kind == "i" else dtype


_State = tuple[Samples, Stamps, int, int, int, int]
"""All that :meth:`InputBuffer.append` changes (data, stamps, first, end, mark), so that it can be undone exactly, and
the number of samples appended."""


class InputBuffer:
    """The window of one stream: data ``(samples, channels)`` and timestamps ``(samples,)`` in seconds.

    Rows are written once, behind the rows that are already there; when the array is full the window is copied
    to the start of another one. So an append costs O(new samples), amortised, and a view that a script keeps
    never changes under it. The script may write into its views: later loops see that until it is cleared.

    Parameters
    ----------
    spec : StreamSpec
        The stream.
    window : int
        Samples held at most.
    dtype : numpy.dtype, optional
        What the script gets; the stream's own where left out.
    duration : float, optional
        Seconds: of an irregular stream, only samples no further than this from the newest are held.
    pick : sequence of int, optional
        Only these columns of what is appended, in this order.

    Raises
    ------
    EnvironmentRefused
        There is no memory for the window.
    """

    def __init__(
        self,
        spec: StreamSpec,
        window: int,
        *,
        dtype: np.dtype[Any] | None = None,
        duration: float | None = None,
        pick: Sequence[int] | NDArray[np.intp] | None = None,
    ) -> None:
        if window < 1:
            raise ValueError(f"the window of {spec.name!r} must hold at least one sample, not {window}")
        self.spec = spec
        self.window = window
        self.dtype = spec.numpy_dtype if dtype is None else np.dtype(dtype)
        self.duration = duration if spec.rate == 0 else None
        self.pick = None if pick is None else np.asarray(pick, dtype=np.intp)
        self.version = 0
        """Grows whenever what :attr:`data` shows may have changed."""
        self._start_anew(spec.channels if self.pick is None else len(self.pick))

    def _start_anew(self, channels: int) -> None:
        self.channels = channels
        self._pool = ArrayPool(channels, self.dtype)
        large = self.window * channels * self.dtype.itemsize > _LARGE
        self._spare_rows = max(1, math.ceil(self.window / 4)) if large else self.window
        rows = min(_FIRST_ROWS, self.window * 2) if self.spec.rate == 0 else self.window + self._spare_rows
        # Somewhere else in each buffer: nodes in a row would else all move their windows at the same sample.
        start = _places.randrange(self._spare_rows) if self.spec.rate > 0 else 0
        self._first = self._end = self._mark = start
        self._undo: _State | None = None
        try:
            self._data, self._stamps = self._pool.take(rows)
            if self.spec.rate > 0:
                self._pool.give(*self._pool.take(rows))  # so that no loop pays for its first use
        except (MemoryError, ValueError) as error:
            size = rows * channels * self.dtype.itemsize / 2**30
            raise EnvironmentRefused(
                f"no memory for the input {self.spec.name!r}: {self.window} samples of {channels} channels "
                f"take {size:.1f} GiB; give it a shorter buffer_duration, or access 'view'"
            ) from error

    # ----------------------------------------------------------------------------------------------
    # The runtime's side
    # ----------------------------------------------------------------------------------------------
    def append(self, data: Samples, timestamps: Stamps) -> int:
        """Add samples behind the others; the oldest leave where the window is full.

        Parameters
        ----------
        data : ndarray, shape (n, channels)
            Copied, and cast to :attr:`dtype`.
        timestamps : ndarray, shape (n,)
            Seconds.

        Returns
        -------
        int
            How many samples left the window although they came after the last :meth:`mark`: no loop saw them.
        """
        count = len(data)
        if len(timestamps) != count:
            raise ValueError(f"{self.spec.name!r}: {count} samples with {len(timestamps)} timestamps")
        if count == 0:
            return 0
        if self.pick is not None:
            data = data[:, self.pick]
        elif data.shape[1] != self.channels:
            logger.warning(
                "stream %r came with %d channels instead of %d: its buffer starts anew",
                self.spec.name, data.shape[1], self.channels,
            )  # fmt: skip
            self._start_anew(data.shape[1])
        # A plain tuple: making the named one is a function call, in the way of a loop that waits for its data.
        self._undo = self._data, self._stamps, self._first, self._end, self._mark, count
        unseen_from = self._first if self._first > self._mark else self._mark
        lost = 0
        skipped = count - self.window
        if skipped > 0:  # more than the window holds: all that was there leaves, and the head of this
            data, timestamps = data[skipped:], timestamps[skipped:]
            lost = self._end - unseen_from + skipped
            self._first = unseen_from = self._end
            count = self.window
        moved = self._replace_arrays(count) if self._end + count > len(self._stamps) else 0
        end = self._end + count
        self._data[self._end : end] = data
        self._stamps[self._end : end] = timestamps
        self._end = end
        if end - self._first > self.window:
            self._first = end - self.window
        if self.duration is not None:
            self._drop_outdated(self.duration)
        self.version += 1
        unseen = self._first + moved - unseen_from
        return lost + unseen if unseen > 0 else lost

    def retract(self, count: int | None = None) -> None:
        """Undo the last append (of `count` samples), exactly: what it pushed out is back.

        Raises
        ------
        ValueError
            Nothing was appended since the last mark or clear, or not `count` samples.
        """
        undo = self._undo
        if undo is None or (count is not None and count != undo[-1]):
            held = "nothing" if undo is None else f"{undo[-1]} samples"
            raise ValueError(f"{self.spec.name!r}: cannot take back {count} samples, the last append left {held}")
        self._data, self._stamps, self._first, self._end, self._mark, _ = undo
        self._undo = None
        self.version += 1

    def mark(self) -> None:
        """Begin anew to count samples as new: those of now have been shown to a loop."""
        self._mark = self._end
        self._undo = None

    def make_room(self, count: int) -> None:
        """Move the window now, where appending `count` samples would: call it when nobody waits.

        Not that of an irregular stream, nor one to which more is to come than fits beside it.
        """
        if self._end + count > len(self._stamps) and count <= self._spare_rows and self.spec.rate > 0:
            self._replace_arrays(0)
            self.version += 1  # what the script writes must go where the next samples will be

    def _replace_arrays(self, count: int) -> int:
        """Copy the window, less what `count` new samples push out, into arrays with room; returns the rows it moved."""
        first = max(self._first, self._end + count - self.window)
        held = self._end - first
        if self.spec.rate == 0:
            # Irregular streams grow with what really comes: their bound is seldom reached.
            # Powers of two, so that one array can serve again.
            wanted = 1 << (2 * (held + count) - 1).bit_length()
            rows = min(max(wanted, _FIRST_ROWS), self.window + self._spare_rows)
        else:
            rows = self.window + self._spare_rows
        data, stamps = self._pool.take(rows)
        data[:held] = self._data[first : self._end]
        stamps[:held] = self._stamps[first : self._end]
        self._pool.give(self._data, self._stamps)
        self._data, self._stamps = data, stamps
        self._first, self._end = 0, held
        self._mark = max(self._mark - first, 0)
        return first

    def _drop_outdated(self, duration: float) -> None:
        """Move the window's start past samples further than `duration` from the newest one, either way.

        Either way: after one wild timestamp, or a clock that jumped back, the window finds itself again.
        """
        newest = self._stamps[self._end - 1]
        block = _FIRST_ROWS
        while self._first < self._end:
            # `not >` keeps what is stamped NaN: nothing is known of its age.
            kept = ~(np.abs(self._stamps[self._first : min(self._first + block, self._end)] - newest) > duration)
            index = int(kept.argmax())
            if kept[index]:
                self._first += index
                return
            self._first += len(kept)
            block *= 2

    # ----------------------------------------------------------------------------------------------
    # What is seen
    # ----------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return self._end - self._first

    @property
    def data(self) -> Samples:
        """A writable view, shape ``(samples, channels)``."""
        return self._data[self._first : self._end]

    @property
    def timestamps(self) -> Stamps:
        """A writable view, shape ``(samples,)``, in seconds."""
        return self._stamps[self._first : self._end]

    def ahead(self, count: int) -> tuple[int, int, Samples, Stamps] | None:
        """Start, end and views of the window as `count` more samples will make it; None where they do not fit in."""
        end = self._end + count
        if end > len(self._stamps):
            return None
        first = max(self._first, end - self.window)
        return first, end, self._data[first:end], self._stamps[first:end]

    def shows(self, views: tuple[int, int, Samples, Stamps]) -> bool:
        """Whether these, of :meth:`ahead`, show the window as it is now."""
        first, end, data, _ = views
        return first == self._first and end == self._end and data.base is self._data

    @property
    def new_count(self) -> int:
        """Samples in the window that came since :meth:`mark`."""
        return self._end - max(self._first, self._mark)

    @property
    def new(self) -> tuple[Samples, Stamps]:
        """Views of what came since :meth:`mark` and is still in the window."""
        start = max(self._first, self._mark)
        return self._data[start : self._end], self._stamps[start : self._end]

    # ----------------------------------------------------------------------------------------------
    # Clearing
    # ----------------------------------------------------------------------------------------------
    def clear_data(self) -> None:
        """Forget all samples."""
        self._cut(self._end)

    def clear_up_to(self, timestamp: float) -> None:
        """Forget the samples up to the last one that is not later than `timestamp` (seconds)."""
        not_later = np.flatnonzero(self.timestamps <= timestamp)
        if len(not_later):
            self._cut(self._first + int(not_later[-1]) + 1)

    def clear_up_to_index(self, index: int) -> None:
        """Forget the first `index` samples; a negative index counts from the end, as in a slice."""
        start, _, _ = slice(index, None).indices(len(self))
        self._cut(self._first + start)

    def replace(self, data: Samples, timestamps: Stamps) -> None:
        """Let other samples stand for those shown at the last :meth:`mark`; what came since then stays.

        Raises
        ------
        ValueError
            `data` is not ``(samples, channels)``, or `timestamps` does not fit it.
        """
        data, timestamps = np.asarray(data), np.asarray(timestamps, dtype=np.float64)
        if data.ndim != 2 or data.shape[1] != self.channels or timestamps.shape != (len(data),):
            raise ValueError(
                f"{self.spec.name!r}: data of shape {data.shape} with timestamps of shape {timestamps.shape} cannot "
                f"stand for samples of {self.channels} channels"
            )
        new_data, new_stamps = self.new
        kept = slice(max(0, len(data) + len(new_data) - self.window), None)
        held = len(data[kept])
        total = held + len(new_data)
        rows = max(total, len(self._stamps))
        joined, stamps = self._pool.take(rows)
        joined[:held], stamps[:held] = data[kept].astype(self.dtype), timestamps[kept]
        joined[held:total], stamps[held:total] = new_data, new_stamps
        self._pool.give(self._data, self._stamps)
        self._data, self._stamps = joined, stamps
        self._first, self._mark, self._end = 0, held, total
        self._undo = None
        self.version += 1

    def _cut(self, first: int) -> None:
        self._first = first
        self._undo = None
        self.version += 1
