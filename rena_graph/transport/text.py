"""What both transports ask of a chunk of text before they carry it."""

from __future__ import annotations

from typing import Any

from rena_graph.errors import OutputRefused, UsageError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.geometry import Geometry

__all__ = ["ENCODING", "ERRORS", "TextCodec"]

ENCODING = "utf-8"
ERRORS = "surrogatepass"
"""Python strings may hold lone surrogates (file names do); they arrive as they were sent."""


class TextCodec:
    """Strings to bytes, and the limits on them, for one stream.

    Attributes
    ----------
    room : int
        Bytes of text that one sample may have, all channels together. The ring sets it: what flows over ZMQ must
        also flow over the ring.
    """

    def __init__(self, spec: StreamSpec, capacity: int) -> None:
        self._name = spec.name
        self._channels = spec.channels
        self.room = Geometry.of(spec, capacity).heap // 2

    def encode(self, data: Any) -> list[bytes]:
        """All strings of `data` ``(samples, channels)``, row by row.

        Raises
        ------
        UsageError
            A value is not text.
        OutputRefused
            One sample has more than :attr:`room` bytes.
        """
        texts = [self._encode(value) for value in data.ravel().tolist()]
        longest = max(self.sizes(texts), default=0)
        if longest > self.room:
            raise OutputRefused(
                f"stream {self._name!r}: a sample has {longest:,} bytes of text, at most {self.room:,} fit: send it "
                f"in parts, or send where it is to be found"
            )
        return texts

    def sizes(self, texts: list[bytes]) -> list[int]:
        """Bytes of each sample."""
        lengths = [len(text) for text in texts]
        step = self._channels
        return lengths if step == 1 else [sum(lengths[i : i + step]) for i in range(0, len(lengths), step)]

    def _encode(self, value: object) -> bytes:
        if not isinstance(value, str):
            raise UsageError(f"stream {self._name!r} carries text, got {type(value).__name__} {value!r}")
        return value.encode(ENCODING, ERRORS)

    def pieces(self, texts: list[bytes], most: int, room: int) -> list[tuple[int, int]]:
        """Cut samples into runs ``(start, end)`` of at most `most` samples and `room` bytes, or of one sample."""
        sizes = self.sizes(texts)
        pieces: list[tuple[int, int]] = []
        start = total = 0
        for i, size in enumerate(sizes):
            if i > start and (i - start == most or total + size > room):
                pieces.append((start, i))
                start, total = i, 0
            total += size
        if start < len(sizes):
            pieces.append((start, len(sizes)))
        return pieces
