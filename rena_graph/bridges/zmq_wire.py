"""PhysioLabXR's messages over ZMQ: one sample each, ``[topic, timestamp, samples]``. Pure: bytes in, bytes out."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rena_graph.errors import StreamFormatError
from rena_graph.streams.spec import StreamSpec

__all__ = ["Foreign", "Malformed", "Message", "SampleCodec"]

_DOUBLE = struct.Struct("<d")
_SINGLE = struct.Struct("<f")


class Message(NamedTuple):
    """A sound message.

    Parameters
    ----------
    timestamp : float | None
        In seconds of the sender's clock, whatever that is; None where the message has none.
    payload : bytes
        The sample.
    """

    timestamp: float | None
    payload: bytes


class Malformed(NamedTuple):
    """A message under our topic that is not a sample of the stream."""

    reason: str


class Foreign:
    """A message of another topic that begins like ours: ZMQ filters by prefix."""


FOREIGN = Foreign()


class SampleCodec:
    """Reads and writes the samples of one stream.

    Values are little-endian and in C order. A timestamp is read as float64, or as float32 where it has four bytes, and
    always written as float64.

    Parameters
    ----------
    spec : StreamSpec
        Of the stream.
    topic : str
        Under which its messages go.

    Raises
    ------
    StreamFormatError
        Text: the format carries numbers only.
    """

    def __init__(self, spec: StreamSpec, topic: str) -> None:
        if spec.is_string:
            raise StreamFormatError(f"stream {spec.name!r}: this ZMQ format carries numbers only, not text; use LSL")
        self.spec = spec
        self.topic = topic.encode("utf-8")
        self._dtype = spec.numpy_dtype.newbyteorder("<")
        self._bytes = spec.channels * self._dtype.itemsize

    def decode(self, parts: Sequence[bytes]) -> Message | Malformed | Foreign:
        """Judge one message, whatever it holds. Never raises, and keeps nothing of a malformed one."""
        if not parts:
            return Malformed("no parts")
        if parts[0] != self.topic:
            return FOREIGN
        if len(parts) not in (2, 3):
            return Malformed(f"{len(parts)} parts, allowed are 2 or 3")
        if len(parts[-1]) != self._bytes:
            needed = f"{self._bytes} ({self.spec.channels} x {self.spec.dtype})"
            return Malformed(f"{len(parts[-1])} bytes of samples, needed are {needed}")
        if len(parts) == 2:
            return Message(None, parts[1])
        stamp = parts[1]
        if len(stamp) == _DOUBLE.size:
            return Message(_DOUBLE.unpack(stamp)[0], parts[2])
        if len(stamp) == _SINGLE.size:
            return Message(_SINGLE.unpack(stamp)[0], parts[2])
        return Malformed(f"a timestamp of {len(stamp)} bytes, allowed are 8 (float64) or 4 (float32)")

    def join(self, payloads: Sequence[bytes]) -> NDArray[Any]:
        """Samples ``(messages, channels)`` of the stream's dtype."""
        raw = payloads[0] if len(payloads) == 1 else b"".join(payloads)
        if self._dtype.kind == "b":
            # A byte other than 0 and 1 is no valid bool in memory.
            flags: NDArray[np.bool_] = np.frombuffer(raw, np.uint8) != 0
            return flags.reshape(len(payloads), self.spec.channels)
        data: NDArray[Any] = np.frombuffer(raw, self._dtype).reshape(len(payloads), self.spec.channels)
        return data.astype(self.spec.numpy_dtype, copy=False)

    def encode(self, data: NDArray[Any], timestamps: Sequence[float]) -> Iterator[tuple[bytes, bytes, memoryview]]:
        """The parts of one message for each of the samples ``(samples, channels)``.

        Samples are not copied where they lie in memory as they do on the wire.
        """
        little: NDArray[Any] = np.ascontiguousarray(data, self._dtype)
        raw, size, pack = little.reshape(-1).view(np.uint8).data, self._bytes, _DOUBLE.pack
        for at, timestamp in enumerate(timestamps):
            yield self.topic, pack(timestamp), raw[at * size : (at + 1) * size]
