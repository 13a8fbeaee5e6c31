"""Text in a ring: each slot holds offset and length of its strings, the characters lie in a mirrored heap beside it.

The heap is a ring of bytes with absolute offsets. Where new text overwrites old, ``FLOOR`` is raised over the samples
that lose theirs, so that readers find out in the same way as for slots.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import accumulate

import numpy as np

from rena_graph.transport.board import Board
from rena_graph.transport.geometry import Word
from rena_graph.transport.interface import Samples, Stamps, StreamPort
from rena_graph.transport.mapping import Segment
from rena_graph.transport.ring import RingWriter
from rena_graph.transport.ring_reader import RingReader
from rena_graph.transport.text import ENCODING, ERRORS, TextCodec

__all__ = ["StringRingReader", "StringRingWriter", "texts_of"]


class StringRingWriter(RingWriter):
    """The one writer of a stream of text."""

    def __init__(self, port: StreamPort, board: Board, epoch: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(port, board, epoch, clock)
        self._codec = TextCodec(port.spec, port.capacity)

    def publish(self, data: Samples, timestamps: Stamps, origin: float = float("nan")) -> int:
        """Make samples visible to all readers.

        Parameters
        ----------
        data : ndarray of object, shape (samples, channels)
            Each a ``str``.
        timestamps : ndarray of float64, shape (samples,)
            Graph time, seconds.
        origin : float
            Graph time of the oldest sample that these were made from.

        Raises
        ------
        UsageError
            Another shape, or a value that is not text.
        OutputRefused
            One sample's text is longer than half the heap.

        In either case nothing was published.
        """
        if data.dtype != self._dtype or data.shape[1:] != self._tail or timestamps.shape != data.shape[:1]:
            raise self._refusal(data, timestamps)
        texts = self._codec.encode(data)
        first = self._sequence
        channels = self.spec.channels
        for start, end in self._codec.pieces(texts, self._piece, self._codec.room):
            self._put_text(texts[start * channels : end * channels], timestamps[start:end], origin)
        return first

    def _put_text(self, texts: list[bytes], timestamps: Stamps, origin: float) -> None:
        if self._words[Word.EPOCH] != self._epoch:
            raise self._fenced()
        text = b"".join(texts)
        head = self._words[Word.HEAP_HEAD]
        heap = self._segment.geometry.heap
        count = len(timestamps)
        floor = max(self._text_floor(head + len(text) - heap), self._sequence + count - self._capacity)
        if floor > self._floor:
            self._make_room(floor)
        place = head % heap
        self._segment.heap[place : place + len(text)] = text
        self._words[Word.HEAP_HEAD] = head + len(text)
        lengths = [len(value) for value in texts]
        cells = np.empty((len(texts), 2), np.uint64)
        cells[:, 0] = list(accumulate(lengths[:-1], initial=head))
        cells[:, 1] = lengths
        self._put(cells.reshape(count, -1), timestamps, count, origin, len(text))

    def _text_floor(self, lowest: int) -> int:
        """Sequence number of the oldest sample all of whose text lies at or above this offset."""
        floor = self._floor
        while floor < self._sequence and int(self._data[floor % self._capacity, 0]) < lowest:
            floor += 1
        return floor


class StringRingReader(RingReader):
    """One edge's end of a stream of text. What it hands out are copies: decoded text needs objects of its own."""

    def peek(self, limit: int | None = None) -> tuple[Samples, Stamps]:
        """The oldest `limit` of the samples that :meth:`pending` found: ``str`` objects ``(samples, channels)``."""
        while True:
            cells, stamps = super().peek(limit)
            texts = self._texts(cells, self._position)
            if texts is not None:
                return texts, stamps
            self.pending()

    def look(self, first: int, count: int) -> tuple[Samples, Stamps]:
        """Copies of `count` samples from `first` on; none where they are no longer whole."""
        cells, stamps = super().look(first, count)
        texts = self._texts(cells, first)
        return (texts, stamps) if texts is not None else (np.empty((0, self.spec.channels), object), stamps[:0])

    def window(self, count: int) -> tuple[Samples, Stamps, int]:
        """The newest `count` samples up to the read position, and the first one's sequence number."""
        while True:
            cells, stamps, first = super().window(count)
            texts = self._texts(cells, first)
            if texts is not None:
                return texts, stamps, first

    def _texts(self, cells: Samples, first: int) -> Samples | None:
        return texts_of(self._segment, cells, lambda: self.intact(first))


def texts_of(segment: Segment, cells: Samples, intact: Callable[[], bool]) -> Samples | None:
    """The text of cells of a ring ``(samples, 2 * channels)``; None when they, or it, were overtaken.

    Parameters
    ----------
    segment : Segment
        The ring.
    cells : ndarray of uint64
        Offset and length of each string; may be the ring's own memory.
    intact : callable
        Whether none of them has been overwritten until now.
    """
    count, columns = cells.shape
    if not count:
        return np.empty((0, columns // 2), object)
    cells = cells.copy()
    if not intact():
        # Cells that are not whole must not be followed.
        return None
    heap = segment.geometry.heap
    start, end = int(cells[0, 0]), int(cells[-1, -2] + cells[-1, -1])
    text = bytes(segment.heap[start % heap : start % heap + end - start])
    if not intact():
        return None
    ends = (cells[:, 0::2] + cells[:, 1::2] - np.uint64(start)).ravel().tolist()
    starts = (cells[:, 0::2] - np.uint64(start)).ravel().tolist()
    values = [text[a:b].decode(ENCODING, ERRORS) for a, b in zip(starts, ends, strict=True)]
    return np.array(values, dtype=object).reshape(count, columns // 2)
