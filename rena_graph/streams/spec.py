"""What a stream is: the facts that every process that touches it agrees on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

__all__ = ["StreamSpec"]


@dataclass(frozen=True)
class StreamSpec:
    """The full description of one stream.

    Parameters
    ----------
    name : str
        The stream's name in the graph.
    channels : int
        Values per sample.
    dtype : str
        One of :data:`rena_graph.graph.document.DTYPES`; ``'string'`` holds Python ``str``.
    rate : float
        Nominal rate in Hz; 0 is irregular.
    channel_names : tuple of str
        As many as ``channels``, or none.
    unit : str | None
        Of every channel.
    """

    name: str
    channels: int
    dtype: str = "float32"
    rate: float = 0.0
    channel_names: tuple[str, ...] = ()
    unit: str | None = None

    @property
    def is_string(self) -> bool:
        """Whether samples are text."""
        return self.dtype == "string"

    @property
    def numpy_dtype(self) -> np.dtype[np.generic]:
        """The dtype of arrays of this stream; ``object`` for text."""
        dtype: DTypeLike = object if self.is_string else self.dtype
        return np.dtype(dtype)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample in memory (for text: of its cell, not of the characters)."""
        return self.channels * (16 if self.is_string else self.numpy_dtype.itemsize)

    def window(self, buffer_duration: float, max_samples: int) -> int:
        """Samples that an input buffer of so many seconds holds at most.

        For a regular stream ``ceil(rate * buffer_duration)``; for an irregular one `max_samples`.
        """
        if self.rate > 0:
            # A rate of 128 Hz and 1.1 s must give 141 samples, and 250 Hz and 0.1 s must give 25, not 26.
            return max(1, math.ceil(round(self.rate * buffer_duration, 9)))
        return max_samples
