"""One input of a script: its window, and how the script sees and changes it."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rena_graph.streams.buffer import InputBuffer
from rena_graph.streams.shown import ShownWindow
from rena_graph.streams.spec import StreamSpec

__all__ = ["InputPort", "Layout", "Pair"]

Layout = Literal["samples_first", "channels_first"]
Pair = list[NDArray[Any]]


class InputPort:
    """One input: a window, and how it is shown to the script.

    Parameters
    ----------
    name : str
        What the script calls it.
    buffer : InputBuffer | ShownWindow
        Its window; the latter for ``access: view``.
    layout : {'samples_first', 'channels_first'}
        Which axis of the data that the script sees comes first.
    """

    def __init__(self, name: str, buffer: InputBuffer | ShownWindow, layout: Layout = "samples_first") -> None:
        self.name = name
        self.buffer = buffer
        self.layout = layout
        self._seen = -1
        self.pair: Pair | None = None
        """What the script was shown last; None where it is shown no such stream."""
        self._data, self._stamps = self._arranged(buffer.data), buffer.timestamps
        self._new: tuple[NDArray[Any], NDArray[Any]] | int = 0
        self._ready: tuple[int, int, NDArray[Any], NDArray[Any]] | None = None

    @property
    def spec(self) -> StreamSpec:
        """The stream as the script sees it: its name for it, and the channels that it picks."""
        spec, pick = self.buffer.spec, getattr(self.buffer, "pick", None)
        names = spec.channel_names
        if pick is not None and names:
            names = tuple(names[i] for i in pick)
        return replace(spec, name=self.name, channels=self.buffer.channels, channel_names=names)

    @property
    def full_shape(self) -> tuple[int, int]:
        """The shape of the data when the window is full, in this port's layout."""
        window, channels = self.buffer.window, self.buffer.channels
        return (window, channels) if self.layout == "samples_first" else (channels, window)

    def show(self, data: NDArray[Any], timestamps: NDArray[np.float64], new_count: int) -> None:
        """For ``access: view``: show these arrays to the next loop; see :meth:`ShownWindow.show`."""
        if not isinstance(self.buffer, ShownWindow):
            raise TypeError(f"input {self.name!r} has a buffer of its own: append to it")
        self.buffer.show(data, timestamps, new_count)

    def begin_loop(self, shown: dict[str, Pair]) -> None:
        """Put into `shown` what the window holds now; from now on, what arrives is the next loop's."""
        buffer, pair = self.buffer, self.pair
        if shown.get(self.name) is not pair or (
            pair is not None and (pair[0] is not self._data or pair[1] is not self._stamps)
        ):
            self.adopt(shown)
        new = buffer.new_count
        if not new and buffer.version == self._seen:
            self._new = 0
            return
        if new or self.name in shown:
            self.refresh(shown)
        self._new = new
        buffer.mark()

    def prepare(self) -> None:
        """Make now the views that the next loop is shown if as much comes as came last: call it when nobody waits."""
        new = self._new
        if count := new if isinstance(new, int) else len(new[1]):
            self.buffer.make_room(count)
            self._ready = self.buffer.ahead(count)

    def make_room(self) -> None:
        """Have the window move now if as much as came last would make the next loop wait for that."""
        new = self._new
        if count := new if isinstance(new, int) else len(new[1]):
            self.buffer.make_room(count)

    def rehearse(self) -> None:
        """Make the views that :meth:`begin_loop` will make, for nobody."""
        _ = [self._arranged(self.buffer.data), self.buffer.timestamps, self.buffer.new_count]

    def adopt(self, shown: dict[str, Pair]) -> None:
        """Take over what the script put in the place of the pair that it was given."""
        pair = shown.get(self.name)
        if pair is self.pair and (pair is None or (pair[0] is self._data and pair[1] is self._stamps)):
            return
        self._keep_new()
        before = len(self.buffer) - self.buffer.new_count
        if pair is None:
            self.buffer.clear_up_to_index(before)
            self.pair = None
            return
        try:
            data, stamps = pair
            self.buffer.replace(self._arranged(np.asarray(data)), np.asarray(stamps, dtype=np.float64))
        except (ValueError, TypeError) as error:
            warnings.warn(f"what the script assigned to the input {self.name!r} is dropped: {error}", stacklevel=2)
            self.buffer.clear_up_to_index(before)
        self.refresh(shown)

    def refresh(self, shown: dict[str, Pair]) -> None:
        """Show the window as it is now."""
        buffer, ready = self.buffer, self._ready
        if ready is not None:
            self._ready = None  # it keeps the array from being used again
        if ready is not None and buffer.shows(ready):
            _, _, data, self._stamps = ready
        else:
            data, self._stamps = buffer.data, buffer.timestamps
        self._data = data if self.layout == "samples_first" else data.T
        self.pair = shown[self.name] = [self._data, self._stamps]
        self._seen = buffer.version

    def forget(self, shown: dict[str, Pair]) -> None:
        """Empty the window, and take it out of `shown` until something arrives."""
        self.buffer.clear_data()
        shown.pop(self.name, None)
        self.pair = None

    def cut(self, shown: dict[str, Pair], *, index: int | None = None, timestamp: float | None = None) -> None:
        """Clear up to an index or a timestamp, or everything."""
        self._keep_new()
        if index is not None:
            self.buffer.clear_up_to_index(index)
        elif timestamp is not None:
            self.buffer.clear_up_to(timestamp)
        else:
            self.buffer.clear_data()
        self.refresh(shown)

    @property
    def new(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """What arrived since the last loop, whether or not this loop has cleared it."""
        self._keep_new()
        assert not isinstance(self._new, int)
        return self._new

    def _keep_new(self) -> None:
        """Make views of what is new, which clearing would move out of reach."""
        if isinstance(self._new, int):
            start = len(self._stamps) - self._new
            data = self._data[start:] if self.layout == "samples_first" else self._data[:, start:]
            self._new = data, self._stamps[start:]

    def _arranged(self, data: NDArray[Any]) -> NDArray[Any]:
        return data if self.layout == "samples_first" else data.T
