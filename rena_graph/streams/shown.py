"""A window that is not copied: read-only views of the transport's own memory, shown to one loop (``access: view``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.streams.spec import StreamSpec

__all__ = ["ShownWindow"]


class ShownWindow:
    """Stands in the place of an :class:`~rena_graph.streams.buffer.InputBuffer` for inputs with ``access: view``.

    The runtime calls :meth:`show` before every loop; the arrays hold for that loop only. Clearing hides samples from
    later loops by their position in the stream.

    Parameters
    ----------
    spec : StreamSpec
        The stream.
    window : int
        Samples shown at most.
    """

    def __init__(self, spec: StreamSpec, window: int) -> None:
        self.spec = spec
        self.window = window
        self.channels = spec.channels
        self.version = 0
        self._data: NDArray[Any] = np.empty((0, spec.channels), spec.numpy_dtype)
        self._stamps: NDArray[np.float64] = np.empty(0)
        self._end = 0
        self._cleared = 0
        self._new = 0

    def show(
        self, data: NDArray[Any], timestamps: NDArray[np.float64], new_count: int, *, protected: bool = False
    ) -> None:
        """Show the newest samples, `new_count` of which came since the last loop.

        Parameters
        ----------
        data : ndarray, shape (n, channels)
        timestamps : ndarray, shape (n,)
            Seconds.
        new_count : int
            May be greater than `n`: some of the new samples are gone already.
        protected : bool
            Whether the arrays cannot be written to anyhow.
        """
        self._end += new_count
        hidden = self._cleared - (self._end - len(data))
        if hidden > 0:
            data, timestamps = data[hidden:], timestamps[hidden:]
        if not protected:
            data, timestamps = data.view(), timestamps.view()
            data.flags.writeable = timestamps.flags.writeable = False
        self._data, self._stamps = data, timestamps
        self._new = new_count
        self.version += 1

    def remember(self, count: int) -> None:
        """Show of what comes before the first :meth:`show` only the newest `count` samples: the rest is cleared."""
        self._cleared = self._end - count

    def ahead(self, count: int) -> None:
        """Nothing: where the transport's memory will be shown is found out when it is."""

    def make_room(self, count: int) -> None:
        """Nothing: the transport's memory has its own."""

    def shows(self, views: object) -> bool:
        """Never: see :meth:`ahead`."""
        return False

    def mark(self) -> None:
        """Nothing is new until the next :meth:`show`."""
        self._new = 0

    def __len__(self) -> int:
        return len(self._data)

    @property
    def data(self) -> NDArray[Any]:
        """Read-only, shape ``(samples, channels)``."""
        return self._data

    @property
    def timestamps(self) -> NDArray[np.float64]:
        """Read-only, shape ``(samples,)``, in seconds."""
        return self._stamps

    @property
    def new_count(self) -> int:
        """Samples shown that no earlier loop saw."""
        return min(self._new, len(self._data))

    def clear_data(self) -> None:
        """Hide all samples shown now from later loops."""
        self._cut(len(self._data))

    def clear_up_to(self, timestamp: float) -> None:
        """Hide the samples up to the last one that is not later than `timestamp` (seconds)."""
        not_later = np.flatnonzero(self._stamps <= timestamp)
        if len(not_later):
            self._cut(int(not_later[-1]) + 1)

    def clear_up_to_index(self, index: int) -> None:
        """Hide the first `index` samples; a negative index counts from the end, as in a slice."""
        start, _, _ = slice(index, None).indices(len(self._data))
        self._cut(start)

    def replace(self, data: NDArray[Any], timestamps: NDArray[np.float64]) -> None:
        """Refused: what is shown belongs to the transport.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(f"{self.spec.name!r} is read with access 'view' and cannot be replaced; use access 'copy'")

    def _cut(self, start: int) -> None:
        self._cleared = self._end - len(self._data) + start
        self._data, self._stamps = self._data[start:], self._stamps[start:]
        self.version += 1
