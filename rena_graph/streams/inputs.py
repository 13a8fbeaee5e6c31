"""What a script sees as ``self.inputs``: a mapping of stream names to ``[data, timestamps]``."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, KeysView, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.streams.input_port import InputPort, Layout, Pair
from rena_graph.streams.ranges import index_range, time_range

__all__ = ["InputPort", "Inputs", "Layout"]


class Inputs(Mapping[str, Pair]):
    """The inputs of a script: ``data, timestamps = self.inputs['EEG']``.

    A stream from which nothing has arrived, since the start or since it was cleared with its key, is not in it:
    looking it up raises :class:`KeyError`. The arrays are views that never change by themselves and that may be
    written into: later loops see that until it is cleared. An array that is assigned in the place of one of them
    (``self.inputs['EEG'][0] = filtered``) is seen by later loops too, followed by what arrives; data and timestamps
    must still fit each other then, or they are dropped with a warning.

    Parameters
    ----------
    ports : sequence of InputPort
        One for each input.
    """

    def __init__(self, ports: Sequence[InputPort]) -> None:
        self._ports = {port.name: port for port in ports}
        self._all = tuple(self._ports.values())
        self.buffer: dict[str, Pair] = {}
        """The streams from which something has arrived, as in PhysioLabXR."""

    # ----------------------------------------------------------------------------------------------
    # The runtime's side
    # ----------------------------------------------------------------------------------------------
    def begin_loop(self) -> None:
        """Show all that was appended until now; call it right before each ``loop()``."""
        shown = self.buffer
        for port in self._all:
            port.begin_loop(shown)

    @property
    def ports(self) -> tuple[InputPort, ...]:
        """All of them, in the graph's order."""
        return self._all

    def port(self, name: str) -> InputPort:
        """The port of this name, whether or not it has data."""
        try:
            return self._ports[name]
        except KeyError:
            raise KeyError(self._no_such_input(name)) from None

    # ----------------------------------------------------------------------------------------------
    # Reading
    # ----------------------------------------------------------------------------------------------
    def __getitem__(self, name: str) -> Pair:
        try:
            return self.buffer[name]
        except KeyError:
            raise KeyError(self._why_not(name)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.buffer)

    def __len__(self) -> int:
        return len(self.buffer)

    def __contains__(self, name: object) -> bool:
        return name in self.buffer

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name!r}: {getattr(pair[0], 'shape', '?')}" for name, pair in self.buffer.items())
        return f"Inputs({shapes or 'no data yet'})"

    def keys(self) -> KeysView[str]:
        """Names of the streams from which something has arrived."""
        return self.buffer.keys()

    def get_stream(self, name: str) -> Pair:
        """``[data, timestamps]`` of a stream."""
        return self[name]

    def get_data(self, name: str) -> NDArray[Any]:
        """The data of a stream, ``(samples, channels)`` or ``(channels, samples)`` by the node's layout."""
        return self[name][0]

    def get_timestamps(self, name: str) -> NDArray[np.float64]:
        """The timestamps of a stream, ``(samples,)``, in seconds of graph time."""
        return self[name][1]

    def get_stream_in_time_range(self, name: str, start: float, end: float) -> Pair:
        """``[data, timestamps]``, copies, of the samples stamped from `start` to `end`, both included."""
        data, timestamps = self[name]
        return list(time_range(data, timestamps, start, end, axis=self._axis(name)))

    def get_stream_in_index_range(self, name: str, start: int, end: int) -> Pair:
        """``[data, timestamps]``, views, of the samples from index `start` to `end`, the latter not included."""
        data, timestamps = self[name]
        return list(index_range(data, timestamps, start, end, axis=self._axis(name)))

    def new(self, name: str) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Data and timestamps of what arrived since the last loop: empty where nothing did.

        What this loop clears is still in it.
        """
        return self.port(name).new

    # ----------------------------------------------------------------------------------------------
    # Clearing. Which unknown names warn and which pass is as scripts know it.
    # ----------------------------------------------------------------------------------------------
    def clear_buffer(self) -> None:
        """Forget everything, the names too."""
        for port in self._all:
            port.forget(self.buffer)
        self.buffer.clear()

    def clear_stream_buffer(self, stream_name: str) -> None:
        """Forget one stream, its name too; warns where it has no data."""
        if self._holds(stream_name):
            self._ports[stream_name].forget(self.buffer)

    def clear_buffer_data(self) -> None:
        """Empty all streams; their names stay."""
        for name in list(self.buffer):
            self.clear_stream_buffer_data(name)

    def clear_stream_buffer_data(self, stream_name: str) -> None:
        """Empty one stream; its name stays. Warns where it has no data."""
        if self._holds(stream_name):
            self._ports[stream_name].cut(self.buffer)

    def clear_up_to(self, timestamp: float, ignores: Collection[str] = ()) -> None:
        """Forget what is not later than `timestamp` (seconds) in all streams but `ignores`; warns if nothing is."""
        untouched = 0
        for name in list(self.buffer):
            if name in ignores:
                continue
            untouched += not self._cut_up_to(name, timestamp)
        if untouched == len(self.buffer):
            warnings.warn(f"nothing is cleared: no stream has a sample as early as {timestamp}", stacklevel=2)

    def clear_stream_up_to(self, stream_name: str, timestamp: float) -> None:
        """Forget what is not later than `timestamp` (seconds) in one stream; nothing where it has no data."""
        if stream_name in self.buffer:
            self._cut_up_to(stream_name, timestamp)

    def clear_stream_up_to_index(self, stream_name: str, cut_to_index: int) -> None:
        """Forget the first `cut_to_index` samples of one stream; nothing where it has no data."""
        if stream_name in self.buffer and stream_name in self._ports:
            self._ports[stream_name].adopt(self.buffer)
            self._ports[stream_name].cut(self.buffer, index=cut_to_index)

    def _cut_up_to(self, name: str, timestamp: float) -> bool:
        port = self._ports.get(name)
        if port is None:
            return False
        port.adopt(self.buffer)
        before = len(port.buffer)
        port.cut(self.buffer, timestamp=timestamp)
        return len(port.buffer) < before

    def _holds(self, name: str) -> bool:
        if name in self.buffer and name in self._ports:
            self._ports[name].adopt(self.buffer)
            return True
        if self.buffer.pop(name, None) is None:
            warnings.warn(f"cannot clear the buffer of {name!r}: {self._why_not(name)}", stacklevel=3)
        return False

    def _axis(self, name: str) -> int:
        port = self._ports.get(name)
        return 1 if port is not None and port.layout == "channels_first" else 0

    def _why_not(self, name: object) -> str:
        return f"no data from {name!r} yet" if name in self._ports else self._no_such_input(name)

    def _no_such_input(self, name: object) -> str:
        near = get_close_matches(str(name), self._ports, 1)
        hint = (
            f", did you mean {near[0]!r}?"
            if near
            else f"; the inputs are {', '.join(map(repr, self._ports)) or 'none'}"
        )
        return f"no input is named {name!r}{hint}"
