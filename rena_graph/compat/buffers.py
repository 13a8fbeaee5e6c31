"""``physiolabxr.utils.buffers``: the buffers that scripts keep for themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from rena_graph.streams.data_buffer import DataBuffer, DataBufferSingleStream

__all__ = ["DataBuffer", "DataBufferSingleStream", "check_buffer_timestamps_monotonic", "flatten", "get_fps"]


def flatten(lists: Iterable[Iterable[Any]]) -> list[Any]:
    """The items of all lists, in one."""
    return list(chain.from_iterable(lists))


def get_fps(queue: Sequence[float]) -> float:
    """Events a second, from their times in seconds; 0 where they give none."""
    span = queue[-1] - queue[0] if len(queue) else 0
    return len(queue) / span if span else 0


def check_buffer_timestamps_monotonic(data_buffer: DataBuffer) -> None:
    """Raise where the timestamps of a stream run backwards.

    Raises
    ------
    ValueError
        The first such stream is named.
    """
    for name, (_, timestamps) in data_buffer.buffer.items():
        if (np.diff(timestamps) < 0).any():
            raise ValueError(f"the timestamps of {name!r} run backwards")
