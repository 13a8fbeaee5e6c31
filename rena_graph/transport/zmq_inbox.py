"""Chunks that arrived and were not taken yet: bounded, filled by one thread, emptied by another."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np

from rena_graph.transport.interface import ChunkInfo, Samples, Stamps
from rena_graph.transport.wire import Chunk

__all__ = ["Inbox", "Settled", "joined"]


@dataclass(frozen=True)
class Settled:
    """Where reading goes on, and why it does not where it stood: samples by the way in which they were lost."""

    position: int
    available: int
    overrun: int = 0
    skipped: int = 0
    missing: int = 0


class Inbox:
    """Chunks in order of sequence, at most `capacity` samples of them, and as many that were taken already.

    Every method takes the lock; :attr:`position` is the reader's and moves only in its calls.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.lock = threading.RLock()
        self._waiting: deque[Chunk] = deque()
        self._kept: deque[Chunk] = deque()
        self._kept_samples = 0
        self._holes: deque[int] = deque()
        """Sequence numbers of the first missing sample of each hole among those that wait."""
        self._overrun = 0
        self._epoch = 0
        self.position = 0
        self.expected = 0
        """Sequence number that should arrive next."""

    def put(self, chunk: Chunk) -> bool:
        """Add what arrived; False for what an older epoch sent, or was there already."""
        first, count, epoch = chunk.info.first, chunk.info.count, chunk.info.epoch
        with self.lock:
            if epoch < self._epoch or first < self.expected:
                return False
            self._epoch = epoch
            if first > self.expected and self._waiting:
                self._holes.append(self.expected)
            self.expected = first + count
            self._waiting.append(chunk)
            while len(self._waiting) > 1 and self.expected - self._waiting[0].info.first > self._capacity:
                self._overrun += self._rest(self._waiting.popleft())
            return True

    def _rest(self, chunk: Chunk) -> int:
        """Samples of a chunk that were not taken."""
        return chunk.info.first + chunk.info.count - max(chunk.info.first, self.position)

    def settle(self, latest: bool) -> Settled:
        """Move the position over what is lost, and with `latest` to the newest chunk."""
        with self.lock:
            if not self._waiting:
                return Settled(self.position, 0)
            skipped = 0
            while latest and len(self._waiting) > 1:
                skipped += self._rest(self._waiting.popleft())
            overrun, self._overrun = self._overrun, 0
            before = self.position
            self.position = max(before, self._waiting[0].info.first)
            while self._holes and self._holes[0] < self.position:
                self._holes.popleft()
            limit = self._holes[0] if self._holes else self.expected
            missing = self.position - before - overrun - skipped
            return Settled(self.position, limit - self.position, overrun, skipped, missing)

    def overtaken(self) -> bool:
        """Whether samples at the position were dropped since the last :meth:`settle`."""
        with self.lock:
            return self._overrun > 0

    def span(self, count: int) -> tuple[list[Samples], list[Stamps]]:
        """Pieces that make up the next `count` samples, all of them behind each other."""
        with self.lock:
            data: list[Samples] = []
            stamps: list[Stamps] = []
            at = self.position
            for chunk in self._waiting:
                if count <= 0:
                    break
                part = slice(at - chunk.info.first, min(chunk.info.count, at - chunk.info.first + count))
                data.append(chunk.data[part])
                stamps.append(chunk.timestamps[part])
                count -= len(stamps[-1])
                at += len(stamps[-1])
            return data, stamps

    def take(self, count: int) -> None:
        """Move the position; what was taken is kept for :meth:`behind`."""
        with self.lock:
            self.position += count
            while self._waiting and self._rest(self._waiting[0]) <= 0:
                chunk = self._waiting.popleft()
                self._kept.append(chunk)
                self._kept_samples += chunk.info.count
            while self._kept and self._kept_samples - self._kept[0].info.count >= self._capacity:
                self._kept_samples -= self._kept.popleft().info.count

    def pass_over(self, position: int) -> None:
        """Move the position over what never came."""
        with self.lock:
            self.position = position
            self.expected = max(self.expected, position)

    def behind(self, count: int, oldest: int) -> tuple[list[Samples], list[Stamps]]:
        """Pieces that make up the last `count` samples up to the position, none before `oldest`, none beyond a hole."""
        with self.lock:
            data: list[Samples] = []
            stamps: list[Stamps] = []
            at = self.position
            lowest = max(oldest, at - count)
            partly = [self._waiting[0]] if self._waiting and self._waiting[0].info.first < at else []
            for chunk in [*partly, *reversed(self._kept)]:
                first = chunk.info.first
                if at <= lowest or first + chunk.info.count < at:
                    break
                part = slice(max(lowest, first) - first, at - first)
                data.insert(0, chunk.data[part])
                stamps.insert(0, chunk.timestamps[part])
                at = max(lowest, first)
            return data, stamps

    def find(self, sequence: int) -> ChunkInfo | None:
        """The chunk with this sample, if it waits or is kept."""
        with self.lock:
            waits = self._waiting and sequence >= self._waiting[0].info.first
            for chunk in self._waiting if waits else reversed(self._kept):
                if 0 <= sequence - chunk.info.first < chunk.info.count:
                    return chunk.info
            return None

    def newest(self) -> ChunkInfo | None:
        """Of the chunk that arrived last."""
        with self.lock:
            if self._waiting:
                return self._waiting[-1].info
            return self._kept[-1].info if self._kept else None


def joined(data: list[Samples], stamps: list[Stamps], empty: Samples) -> tuple[Samples, Stamps]:
    """Pieces as one array each; a copy only where there are several."""
    if not data:
        return empty, np.empty(0)
    if len(data) == 1:
        return data[0], stamps[0]
    return np.concatenate(data), np.concatenate(stamps)
