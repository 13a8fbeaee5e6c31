"""The wire format between processes where there is no ring: a versioned msgpack header, then raw arrays.

A message's first frame is :data:`MAGIC`, one byte of version, one letter that says what follows, and a msgpack array::

    D   [dtype, channels, count, first, epoch, published, origin]     a chunk; two more frames: timestamps, samples
    E   [epoch, sequence]                                              the writer ended behind this sample
    H   16 bytes of token, then [epoch, sequence]                      answer to the reader with that token

Numbers travel as little-endian C-ordered bytes, text as a msgpack array of strings. Nothing is ever unpickled, and no
size that a message claims is believed before it was compared with the bytes that are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np

from rena_graph.errors import WireError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.interface import ChunkInfo, Samples, Stamps
from rena_graph.transport.text import ERRORS

__all__ = [
    "MAGIC",
    "TOKEN_BYTES",
    "VERSION",
    "Chunk",
    "Codec",
    "End",
    "Hello",
    "chunk_topic",
    "end",
    "end_topic",
    "hello",
    "hello_topic",
]

MAGIC = b"RGW"
VERSION = 1
TOKEN_BYTES = 16

_PREFIX = MAGIC + bytes([VERSION])
_STAMP = np.dtype("<f8")
_LARGEST = 2**62
"""No honest count comes near; above it, sums of two would leave 64 bits."""

Frame = bytes | memoryview


@dataclass(frozen=True)
class Chunk:
    """Consecutive samples: ``data`` ``(samples, channels)``, ``timestamps`` ``(samples,)``, both read-only."""

    info: ChunkInfo
    data: Samples
    timestamps: Stamps


@dataclass(frozen=True)
class Hello:
    """The writer knows the reader with this token, which gets all from sequence number ``sequence`` on."""

    token: bytes
    epoch: int
    sequence: int


@dataclass(frozen=True)
class End:
    """No more comes; ``sequence`` is one behind the last sample."""

    epoch: int
    sequence: int


def hello_topic(token: bytes) -> bytes:
    """What a reader subscribes to, so that the writer learns of it and can answer to it alone."""
    return _PREFIX + b"H" + token


def chunk_topic() -> bytes:
    """How chunks begin, for who wants nothing else."""
    return _PREFIX + b"D"


def end_topic() -> bytes:
    """How the writer's last word begins."""
    return _PREFIX + b"E"


def hello(token: bytes, epoch: int, sequence: int) -> list[bytes]:
    """Frames of a :class:`Hello`."""
    return [hello_topic(token) + msgpack.packb([epoch, sequence])]


def end(epoch: int, sequence: int) -> list[bytes]:
    """Frames of an :class:`End`."""
    return [_PREFIX + b"E" + msgpack.packb([epoch, sequence])]


class Codec:
    """Chunks of one stream to frames and back."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self._dtype = np.dtype(object) if spec.is_string else spec.numpy_dtype.newbyteorder("<")

    def encode(self, info: ChunkInfo, data: Samples, timestamps: Stamps) -> list[Any]:
        """Frames of a chunk; `data` and `timestamps` as :meth:`StreamWriter.publish` takes them."""
        facts = [self.spec.dtype, self.spec.channels, info.count, info.first, info.epoch, info.published, info.origin]
        header = _PREFIX + b"D" + msgpack.packb(facts)
        stamps = np.ascontiguousarray(timestamps, _STAMP)
        if self.spec.is_string:
            return [header, stamps, msgpack.packb(data.ravel().tolist(), unicode_errors=ERRORS)]
        return [header, stamps, np.ascontiguousarray(data, self._dtype)]

    def decode(self, frames: Sequence[Frame]) -> Chunk | Hello | End:
        """What these frames say.

        Raises
        ------
        WireError
            Anything that is not exactly this format, this version and this stream's samples.
        """
        if not frames:
            raise self._error("a message without frames")
        head = bytes(frames[0][: len(_PREFIX) + 1])
        if head[:3] != MAGIC or len(head) <= len(_PREFIX):
            raise self._error(f"a message that begins {head!r}, expected {MAGIC!r}, version and kind")
        if head[3] != VERSION:
            raise self._error(f"a message of version {head[3]}, this side speaks {VERSION}: run one rena_graph")
        kind = head[4:]
        body = bytes(frames[0][len(head) :])
        if kind == b"D":
            return self._chunk(body, frames)
        if len(frames) != 1:
            raise self._error(f"{len(frames)} frames in a message of kind {kind!r}, expected 1")
        if kind == b"H":
            epoch, sequence = self._numbers(body[TOKEN_BYTES:])
            return Hello(body[:TOKEN_BYTES], epoch, sequence)
        if kind == b"E":
            return End(*self._numbers(body))
        raise self._error(f"a message of unknown kind {kind!r}")

    def _numbers(self, body: bytes) -> tuple[int, int]:
        values = self._unpack(body, 2)
        if len(values) != 2:
            raise self._error(f"{len(values)} numbers, expected epoch and sequence")
        return self._count(values[0], "epoch"), self._count(values[1], "sequence")

    def _chunk(self, body: bytes, frames: Sequence[Frame]) -> Chunk:
        facts = self._unpack(body, 7)
        if len(facts) != 7 or len(frames) != 3:
            raise self._error(f"a chunk of {len(facts)} facts and {len(frames)} frames, expected 7 and 3")
        dtype, channels, count, first, epoch, published, origin = facts
        if (dtype, channels) != (self.spec.dtype, self.spec.channels) or type(channels) is not int:
            raise self._error(f"{channels!r} x {dtype!r}, expected {self.spec.channels} x {self.spec.dtype}")
        if type(published) is not float or type(origin) is not float:
            raise self._error(f"times {published!r} and {origin!r}, expected two floats")
        count = self._count(count, "count")
        info = ChunkInfo(self._count(first, "first"), count, published, origin, self._count(epoch, "epoch"))
        stamps, payload = frames[1], frames[2]
        if count == 0 or len(stamps) != 8 * count:
            raise self._error(
                f"{len(stamps)} bytes of timestamps for {count} samples, expected 8 for each of 1 or more"
            )
        return Chunk(info, self._samples(payload, count), np.frombuffer(stamps, _STAMP))

    def _samples(self, payload: Frame, count: int) -> Samples:
        channels = self.spec.channels
        if self.spec.is_string:
            return self._texts(payload, count * channels).reshape(count, channels)
        expected = count * self.spec.sample_bytes
        if len(payload) != expected:
            raise self._error(f"{len(payload):,} bytes of samples, expected {expected:,}")
        if self.spec.dtype == "bool":
            # Any other byte than 0 and 1 in an array of bool makes numpy contradict itself.
            truth: Samples = np.frombuffer(payload, np.uint8).reshape(count, channels) != 0
            return truth
        data: Samples = np.frombuffer(payload, self._dtype).reshape(count, channels)
        return data if data.flags.aligned else data.copy()

    def _texts(self, payload: Frame, count: int) -> Samples:
        values = self._unpack(payload, count)
        if len(values) != count or not all(type(value) is str for value in values):
            raise self._error(f"text that is not an array of {count} strings")
        texts: Samples = np.empty(count, object)
        texts[:] = values
        return texts

    def _unpack(self, body: Frame, longest: int) -> list[Any]:
        try:
            values = msgpack.unpackb(
                body,
                unicode_errors=ERRORS,
                max_array_len=longest,
                max_str_len=len(body),
                max_bin_len=0,
                max_map_len=0,
                max_ext_len=0,
            )
        except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as problem:
            raise self._error(f"{len(body)} bytes that are not msgpack of ours ({problem})") from problem
        if type(values) is not list:
            raise self._error(f"a {type(values).__name__} where an array is expected")
        return values

    def _count(self, value: object, what: str) -> int:
        if type(value) is not int or not 0 <= value < _LARGEST:
            raise self._error(f"{what} {value!r}, expected a whole number from 0 on")
        return value

    def _error(self, found: str) -> WireError:
        return WireError(f"stream {self.spec.name!r}: received {found}")
