"""The buffers of PhysioLabXR for scripts that keep data of their own: ``(channels, samples)``, as there."""

from __future__ import annotations

import warnings
from collections.abc import Collection, ItemsView, KeysView, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.streams.ranges import index_range, time_range

__all__ = ["DataBuffer", "DataBufferSingleStream"]

Pair = list[NDArray[Any]]


class DataBuffer:
    """Buffers of several streams by name: each a list of data ``(channels, samples)`` and timestamps ``(samples,)``.

    Parameters
    ----------
    stream_buffer_sizes : mapping of str to int, optional
        Samples that are kept of a stream at most; no limit for streams that are not in it.
    """

    def __init__(self, stream_buffer_sizes: Mapping[str, int] | None = None) -> None:
        self.buffer: dict[str, Pair] = {}
        self.stream_name_buffer_sizes: dict[str, int] = dict(stream_buffer_sizes or {})

    # ----------------------------------------------------------------------------------------------
    # Filling
    # ----------------------------------------------------------------------------------------------
    def update_buffer(self, data_dict: Mapping[str, Any]) -> None:
        """Append to one stream.

        Parameters
        ----------
        data_dict : mapping
            ``stream_name``, ``frames`` of shape ``(channels, n)`` and ``timestamps`` of shape ``(n,)``; an empty
            mapping does nothing. Another number of channels than before starts the stream's buffer anew, with a
            warning.
        """
        if data_dict:
            self._append(data_dict["stream_name"], data_dict["frames"], data_dict["timestamps"])

    def update_buffers(self, data_buffer: Mapping[str, Any]) -> None:
        """Append to several streams: names with ``(frames, timestamps)``."""
        for name, (frames, timestamps) in data_buffer.items():
            self._append(name, frames, timestamps)

    def update_buffer_size(self, stream_name: str, size: int) -> None:
        """Keep at most `size` samples of a stream, from its next update on."""
        self.stream_name_buffer_sizes[stream_name] = size

    def _append(self, name: str, frames: NDArray[Any], timestamps: NDArray[Any]) -> None:
        frames, timestamps = np.asarray(frames), np.asarray(timestamps)
        if frames.shape[-1] != len(timestamps):
            raise ValueError(f"{name!r}: {frames.shape[-1]} samples with {len(timestamps)} timestamps")
        held = self.buffer.get(name)
        if held is not None and held[0].shape[0] != frames.shape[0]:
            warnings.warn(
                f"{name!r} came with {frames.shape[0]} channels instead of {held[0].shape[0]}: its buffer starts anew",
                stacklevel=3,
            )
            held = None
        if held is None:
            held = [np.empty((*frames.shape[:-1], 0), frames.dtype), np.empty(0)]
        pair = [np.concatenate([held[0], frames], axis=-1), np.concatenate([held[1], timestamps])]
        size = self.stream_name_buffer_sizes.get(name)
        if size is not None:
            start = max(0, len(pair[1]) - int(size))
            pair = [pair[0][..., start:], pair[1][start:]]
        if name in self.buffer:
            self.buffer[name][:] = pair  # a pair that the script has kept is the live one
        else:
            self.buffer[name] = pair

    # ----------------------------------------------------------------------------------------------
    # Reading
    # ----------------------------------------------------------------------------------------------
    def __getitem__(self, stream_name: str) -> Pair:
        return self.buffer[stream_name]

    def __contains__(self, stream_name: object) -> bool:
        return stream_name in self.buffer

    def keys(self) -> KeysView[str]:
        """Names of the streams."""
        return self.buffer.keys()

    def items(self) -> ItemsView[str, Pair]:
        """Names with ``[data, timestamps]``."""
        return self.buffer.items()

    def get_stream(self, stream_name: str) -> Pair:
        """``[data, timestamps]``."""
        return self.buffer[stream_name]

    def get_data(self, stream_name: str) -> NDArray[Any]:
        """Data, shape ``(channels, samples)``."""
        return self.buffer[stream_name][0]

    def get_timestamps(self, stream_name: str) -> NDArray[Any]:
        """Timestamps, shape ``(samples,)``."""
        return self.buffer[stream_name][1]

    def get_stream_in_time_range(self, stream_name: str, start: float, end: float) -> Pair:
        """``[data, timestamps]``, copies, of the samples stamped from `start` to `end`, both included."""
        data, timestamps = self.buffer[stream_name]
        return list(time_range(data, timestamps, start, end, axis=-1))

    def get_stream_in_index_range(self, stream_name: str, start: int, end: int) -> Pair:
        """``[data, timestamps]``, views, of the samples from index `start` to `end`, the latter not included."""
        data, timestamps = self.buffer[stream_name]
        return list(index_range(data, timestamps, start, end, axis=-1))

    # ----------------------------------------------------------------------------------------------
    # Clearing
    # ----------------------------------------------------------------------------------------------
    def clear_buffer(self) -> None:
        """Forget everything, the names too."""
        self.buffer = {}

    def clear_stream_buffer(self, stream_name: str) -> None:
        """Forget one stream, its name too; warns where there is none."""
        if self.buffer.pop(stream_name, None) is None:
            warnings.warn(f"cannot clear the buffer of {stream_name!r}: no such stream in it", stacklevel=2)

    def clear_buffer_data(self) -> None:
        """Empty all streams; their names stay."""
        for pair in self.buffer.values():
            _cut(pair, len(pair[1]))

    def clear_stream_buffer_data(self, stream_name: str) -> None:
        """Empty one stream; its name stays. Warns where there is none."""
        if stream_name in self.buffer:
            _cut(self.buffer[stream_name], len(self.buffer[stream_name][1]))
        else:
            warnings.warn(f"cannot clear the buffer of {stream_name!r}: no such stream in it", stacklevel=2)

    def clear_up_to(self, timestamp: float, ignores: Collection[str] = ()) -> None:
        """Forget what is not later than `timestamp`, in all streams but `ignores`; warns if nothing is."""
        chosen = [pair for name, pair in self.buffer.items() if name not in ignores]
        if sum(not _cut_up_to(pair, timestamp) for pair in chosen) == len(self.buffer):
            warnings.warn(f"nothing is cleared: no stream has a sample as early as {timestamp}", stacklevel=2)

    def clear_stream_up_to(self, stream_name: str, timestamp: float) -> None:
        """Forget what is not later than `timestamp` in one stream; nothing where there is none."""
        if stream_name in self.buffer:
            _cut_up_to(self.buffer[stream_name], timestamp)

    def clear_stream_up_to_index(self, stream_name: str, cut_to_index: int) -> None:
        """Forget the first `cut_to_index` samples of one stream; nothing where there is none."""
        if stream_name in self.buffer:
            _cut(self.buffer[stream_name], cut_to_index)


def _cut(pair: Pair, index: int) -> None:
    """Drop the first `index` samples, as a slice does; the dtype stays, which the original lost."""
    pair[0], pair[1] = pair[0][..., index:], pair[1][index:]


def _cut_up_to(pair: Pair, timestamp: float) -> bool:
    not_later = np.flatnonzero(pair[1] <= timestamp)
    if not len(not_later):
        return False
    _cut(pair, int(not_later[-1]) + 1)
    return True


class DataBufferSingleStream:
    """The last `buffer_sizes` samples of one stream, zeros where none has come yet, in :attr:`buffer`.

    Parameters
    ----------
    num_channels : int or None
        Rows of the data; None: as many as the first update has.
    buffer_sizes : int
        Samples.
    append_zeros : bool
        Taken for compatibility, without effect, as in the original.
    """

    def __init__(self, num_channels: int | None, buffer_sizes: int, append_zeros: bool = False) -> None:
        self.num_channels = num_channels
        self.buffer_size = buffer_sizes
        self.append_zeros = append_zeros
        self.samples_received = 0
        self.buffer: Pair = []
        self.reset_buffer()

    def reset_buffer(self) -> None:
        """All zeros."""
        self.samples_received = 0
        if self.num_channels is not None:
            self.buffer = [np.zeros((self.num_channels, self.buffer_size)), np.zeros(self.buffer_size)]

    def update_buffer(self, data_dict: Mapping[str, Any]) -> None:
        """Push ``frames`` of shape ``(channels, n)`` and ``timestamps`` of shape ``(n,)`` in at the end.

        Raises
        ------
        ValueError
            Another number of channels.
        """
        frames, timestamps = np.asarray(data_dict["frames"]), np.asarray(data_dict["timestamps"])
        if self.num_channels is None:
            self.num_channels = frames.shape[0]
            self.reset_buffer()
        if frames.shape[0] != self.num_channels:
            raise ValueError(f"expected {self.num_channels} channels, got {frames.shape[0]}")
        size = self.buffer_size
        self.buffer[0] = np.concatenate([self.buffer[0], frames], axis=-1)[:, -size:]
        self.buffer[1] = np.concatenate([self.buffer[1], timestamps])[-size:]
        self.samples_received += frames.shape[-1]

    def has_data(self) -> bool:
        """Whether anything has come."""
        return self.samples_received > 0
