"""The messages that the hop rows send, of the sizes and rates of the peers' harness, with a header inside the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HEADER_BYTES", "PAYLOADS", "WARMUP", "Payload", "header_of"]

HEADER_BYTES = 16
"""Sequence number and monotonic nanoseconds, two int64, written over the first bytes of each message."""
WARMUP = 20
"""Messages at the beginning that no statistic counts."""


@dataclass(frozen=True)
class Payload:
    """One kind of message.

    Parameters
    ----------
    name : str
        For people.
    samples, channels : int
        Shape of a message.
    dtype : str
        Of its values.
    rate : float
        Messages a second.
    messages : int
        Sent in one round.
    quick_messages : int
        Sent in one round of a quick run.
    """

    name: str
    samples: int
    channels: int
    dtype: str
    rate: float
    messages: int
    quick_messages: int

    @property
    def nbytes(self) -> int:
        """Bytes of one message."""
        return self.samples * self.channels * np.dtype(self.dtype).itemsize

    def make(self) -> NDArray[Any]:
        """A message, shape ``(samples, channels)``."""
        random = np.random.default_rng(0)
        if np.dtype(self.dtype).kind == "f":
            return random.standard_normal((self.samples, self.channels)).astype(self.dtype)
        return random.integers(0, 255, (self.samples, self.channels), dtype=self.dtype)


def header_of(message: NDArray[Any]) -> memoryview:
    """The header of a contiguous message: ``[0]`` its sequence number, ``[1]`` when it was sent, in nanoseconds."""
    return message.data.cast("B")[:HEADER_BYTES].cast("q")


PAYLOADS = {
    "small": Payload("2.5 kB", 10, 32, "float64", 100.0, 500, 100),
    "megabyte": Payload("1 MB", 2048, 64, "float64", 30.0, 100, 40),
    "frame": Payload("1080p RGB", 1, 1920 * 1080 * 3, "uint8", 30.0, 100, 40),
}
