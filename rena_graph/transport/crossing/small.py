"""A chunk of few bytes as one message of one frame, which is made, encrypted, and taken apart in one piece.

Behind :data:`PREFIX` come, in little-endian bytes that are whole multiples of eight, a header, what tells the stream
(its name, dtype and channels), the timestamps and the samples::

    prefix (5 bytes)   0   length of the identity (2 bytes)
    generation   skipped   first   count   origin                             8 bytes each, the last one a float64
    identity     timestamps, 8 bytes each     samples, as in a ring

Says the same as a ``D`` with its frames. ``kernel/outlet.c`` makes the same, ``kernel/intake.c`` takes it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from rena_graph.errors import WireError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.crossing.messages import LARGEST, MAGIC, VERSION
from rena_graph.transport.interface import Samples, Stamps

__all__ = [
    "HEADER_BYTES",
    "LONGEST_IDENTITY",
    "MOST_BYTES",
    "PREFIX",
    "Small",
    "SmallCodec",
    "identity_in",
    "identity_of",
    "lead_of",
]

PREFIX = MAGIC + bytes([VERSION]) + b"S"
MOST_BYTES = 64 * 1024
"""Samples and timestamps of more go in frames of their own, which need no copy."""
LONGEST_IDENTITY = 1024
_HEADER = struct.Struct("<5sBHQQQQd")
HEADER_BYTES = _HEADER.size
_STAMP = np.dtype("<f8")


def identity_of(spec: StreamSpec) -> bytes:
    """What both ends must agree on, in bytes: a stream's name, dtype and channels."""
    text = f"{spec.name}\0{spec.dtype}\0{spec.channels}".encode()
    return text + bytes(-len(text) % 8)


def lead_of(identity: bytes) -> bytes:
    """The first eight bytes of every frame of the stream with this identity."""
    return PREFIX + bytes(1) + len(identity).to_bytes(2, "little")


def identity_in(frame: memoryview) -> bytes:
    """The identity that a frame which begins with :data:`PREFIX` has; shorter where that is cut off."""
    return bytes(frame[HEADER_BYTES : HEADER_BYTES + int.from_bytes(frame[6:8], "little")])


@dataclass(frozen=True)
class Small:
    """Consecutive samples: ``data`` ``(samples, channels)``, ``timestamps`` ``(samples,)``, both read-only."""

    generation: int
    skipped: int
    first: int
    count: int
    origin: float
    data: Samples
    timestamps: Stamps


class SmallCodec:
    """Small chunks of one stream of numbers to frames and back.

    Attributes
    ----------
    most : int
        Samples that such a frame holds; 0: none, the stream goes in frames of its own.
    plain : bool
        Whether all bytes are samples.
    """

    def __init__(self, spec: StreamSpec) -> None:
        self.identity = identity_of(spec)
        fits = not spec.is_string and len(self.identity) <= LONGEST_IDENTITY
        self.most = MOST_BYTES // (spec.sample_bytes + _STAMP.itemsize) if fits else 0
        self.plain = fits and spec.dtype != "bool"
        self._name = spec.name
        self._tail = spec.channels
        self._sample_bytes = spec.sample_bytes
        self._is_bool = spec.dtype == "bool"
        self._dtype = np.dtype(object) if spec.is_string else spec.numpy_dtype.newbyteorder("<")
        self._ahead = HEADER_BYTES + len(self.identity)

    def encode(
        self, generation: int, skipped: int, first: int, origin: float, data: Samples, timestamps: Stamps
    ) -> bytes:
        """One frame; `data` and `timestamps` as :meth:`StreamWriter.publish` takes them."""
        identity = self.identity
        header = _HEADER.pack(PREFIX, 0, len(identity), generation, skipped, first, len(timestamps), origin)
        samples = np.ascontiguousarray(data, self._dtype)
        return b"".join((header, identity, np.ascontiguousarray(timestamps, _STAMP).data, samples.data))

    def decode(self, frame: memoryview) -> Small:
        """What a frame with this stream's identity says.

        Raises
        ------
        WireError
            Another length than it must have, or numbers that are none.
        """
        if len(frame) < self._ahead:
            raise WireError(f"stream {self._name!r}: {len(frame)} bytes, expected at least {self._ahead}")
        _, _, _, generation, skipped, first, count, origin = _HEADER.unpack_from(frame)
        if not count or max(generation, skipped, first, count) >= LARGEST:
            raise WireError(f"stream {self._name!r}: a chunk of {count} samples from {first} on, {skipped} skipped")
        expected = self._ahead + count * (_STAMP.itemsize + self._sample_bytes)
        if len(frame) != expected:
            raise WireError(f"stream {self._name!r}: {len(frame):,} bytes for {count} samples, expected {expected:,}")
        behind = self._ahead + count * _STAMP.itemsize
        stamps = np.frombuffer(frame[self._ahead : behind], _STAMP)
        return Small(generation, skipped, first, count, origin, self._samples(frame[behind:], count), stamps)

    def _samples(self, payload: memoryview, count: int) -> Samples:
        if self._is_bool:
            # Any other byte than 0 and 1 in an array of bool makes numpy contradict itself.
            truth: Samples = np.frombuffer(payload, np.uint8).reshape(count, self._tail) != 0
            return truth
        data: Samples = np.frombuffer(payload, self._dtype).reshape(count, self._tail)
        return data if data.flags.aligned else data.copy()
