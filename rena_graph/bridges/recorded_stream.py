"""A recorded stream in memory, whatever kind of file it was read from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.errors import StreamFormatError
from rena_graph.graph.document import DTYPES

__all__ = ["RecordedStream", "samples_array"]


@dataclass(frozen=True, eq=False)
class RecordedStream:
    """One stream of a file.

    Parameters
    ----------
    data : ndarray (samples, channels)
        Of a dtype that streams can have; ``object`` for text.
    timestamps : ndarray (samples,) of float64
        Seconds on the recording's own clock, in the file's order: as they were recorded, so perhaps backwards.
    rate : float | None
        Nominal rate in Hz; 0 is irregular; None where the file does not say.
    channel_names : tuple of str | None
        As many as channels.
    unit : str | None
        Of every channel.
    """

    data: NDArray[Any]
    timestamps: NDArray[np.float64]
    rate: float | None = None
    channel_names: tuple[str, ...] | None = None
    unit: str | None = None

    @property
    def format(self) -> DeclaredFormat:
        """What the file says about the stream."""
        dtype = "string" if self.data.dtype.kind == "O" else self.data.dtype.name
        return DeclaredFormat(self.data.shape[1], self.rate, dtype, self.channel_names, self.unit)


def samples_array(path: Path, data: NDArray[Any]) -> NDArray[Any]:
    """`data` as ``(samples, channels)`` of a dtype that streams can have, in this machine's byte order."""
    if data.ndim == 1:
        data = data[:, np.newaxis]
    if data.ndim != 2 or data.shape[1] == 0:
        raise StreamFormatError(
            f"recording {path}: data has the shape {data.shape}, needed is (samples, channels): flatten images"
        )
    if data.dtype.kind == "U":
        return data.astype(object)
    data = data.astype(data.dtype.newbyteorder("="), copy=False)
    if data.dtype.kind != "O" and data.dtype.name not in DTYPES:
        raise StreamFormatError(f"recording {path}: data is {data.dtype}, allowed are {', '.join(DTYPES)}")
    return np.ascontiguousarray(data)
