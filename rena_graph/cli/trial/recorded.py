"""The inputs of a trial: recorded streams, cut into the pieces that the script's loops see one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.bridges.recording_file import load_recording
from rena_graph.errors import StreamFormatError
from rena_graph.streams.spec import StreamSpec

__all__ = ["RecordedInput", "pieces_by_count", "pieces_by_time", "read_input"]

_EDGE = 1e-6
"""Part of a period by which a sample may lie before a loop's time and still belong to the next: what rounding does."""

Piece = tuple[int, list[slice]]


@dataclass(frozen=True, eq=False)
class RecordedInput:
    """One stream of a file, ready to be fed.

    Parameters
    ----------
    spec : StreamSpec
        Named as the script names it.
    data : ndarray (samples, channels)
        In the file's dtype.
    timestamps : ndarray (samples,) of float64
        Seconds on the recording's own clock; they never run backwards.
    raised : int
        Timestamps that did, or were not finite, and are now the newest before them.
    """

    spec: StreamSpec
    data: NDArray[Any]
    timestamps: NDArray[np.float64]
    raised: int


def read_input(name: str, path: Path) -> RecordedInput:
    """Read the recording of one input; of an XDF file its only stream, or the one called `name`.

    Raises
    ------
    StreamNotFound, StreamFormatError
        There is no such file, or it does not hold a stream, or none of its timestamps is a number.
    """
    recording = load_recording(path, None if path.suffix.lower() == ".npz" else name)
    # A file that has timestamps and says nothing of a rate is irregular.
    spec = recording.format.completed(DeclaredFormat(rate=0.0)).spec(name)
    stamps = recording.timestamps
    finite = np.isfinite(stamps)
    if not finite.any() and len(stamps):
        raise StreamFormatError(f"recording {path}: none of its timestamps is a finite number")
    first = stamps[finite][0] if len(stamps) else 0.0
    ascending = np.maximum.accumulate(np.where(finite, stamps, first))
    return RecordedInput(spec, recording.data, ascending, int((ascending != stamps).sum()))


def pieces_by_time(inputs: Sequence[RecordedInput], frequency: float) -> Iterator[Piece]:
    """What arrives in each period of a clock that starts at the first sample; periods without a sample are left out.

    Yields
    ------
    (int, list of slice)
        Which period, from 0, and of each input the samples of it.
    """
    start = first_stamp(inputs)
    periods = [np.floor((i.timestamps - start) * frequency + _EDGE).astype(np.int64) for i in inputs]
    yield from _cut(periods)


def pieces_by_count(inputs: Sequence[RecordedInput], block: int) -> Iterator[Piece]:
    """Every `block` samples of the first input, and of the others what is stamped no later than the block's last.

    Yields
    ------
    (int, list of slice)
        Which block, from 0, and of each input the samples of it. The last block also has what the others have left.
    """
    leading = inputs[0].timestamps
    if not len(leading):
        return
    ends = leading[np.minimum(np.arange(block - 1, len(leading) + block - 1, block), len(leading) - 1)]
    others = [np.minimum(np.searchsorted(ends, i.timestamps, "left"), len(ends) - 1) for i in inputs[1:]]
    yield from _cut([np.arange(len(leading)) // block, *others])


def first_stamp(inputs: Sequence[RecordedInput]) -> float:
    """Seconds of the earliest sample; 0 where there is none."""
    return min((float(i.timestamps[0]) for i in inputs if len(i.timestamps)), default=0.0)


def _cut(groups: Sequence[NDArray[np.int64]]) -> Iterator[Piece]:
    """Slices of equal group numbers, which ascend in each input, side by side."""
    for number in np.unique(np.concatenate(groups)):
        yield int(number), [slice(*np.searchsorted(g, (number, number + 1)).tolist()) for g in groups]
