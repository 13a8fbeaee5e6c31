"""A source that makes its samples up, paced as a device would be."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from rena_graph.bridges.base import MAX_CHUNK_BYTES, Clock, SourceBridge, SourceState
from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.bridges.pacing import CHUNK_SECONDS, begun_at, sleep_until
from rena_graph.bridges.signals import WIDE, make_signal
from rena_graph.graph.document import SimulateSource
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Row, StreamColumn
from rena_graph.transport.interface import StreamWriter

__all__ = ["SimulateBridge"]

IRREGULAR_RATE = 10.0
"""Mean samples a second of an irregular simulated stream."""

_CATCH_UP_SECONDS = 0.1
"""A source that was held up publishes what is due in chunks of at most this much."""


class SimulateBridge(SourceBridge):
    """Random, sine or counter samples (see :mod:`rena_graph.bridges.signals`), at exact times.

    Sample i of a regular stream is stamped ``start + i / rate`` and published when the last sample of its chunk is due:
    chunks are of 10 ms, or one sample where that is longer. Waits have absolute deadlines, so the rate does not drift;
    a source that was held up catches up and never loses a sample, nor does one that goes on after its process died.
    An irregular stream is a Poisson process of ten samples a second, one a chunk.

    Parameters
    ----------
    name, declared, clock
        See :class:`SourceBridge`; channels and rate must be declared, the dtype is float32 where it is not.
    source : SimulateSource
        Kind, seed, frequency, and after how many samples it ends.
    """

    def __init__(self, name: str, source: SimulateSource, declared: DeclaredFormat, clock: Clock) -> None:
        super().__init__(name, declared.completed(DeclaredFormat(dtype="float32")), clock)
        self.source = source
        if self.complete:
            self.spec = self.declared.spec(name)
            self._signal = make_signal(self.spec, source)

    def find(self, timeout: float, cancel: threading.Event) -> StreamSpec:
        """The declared format, at once."""
        return self.declared.spec(self.name) if self.spec is None else self.spec

    def run(self, writer: StreamWriter, row: Row, stop: threading.Event) -> None:
        """See :meth:`SourceBridge.run`."""
        spec = self._known()
        made = row.ints[StreamColumn.PRODUCED]
        start = begun_at(row, self.clock())
        self._signal.skip(made)
        self.enter(row, SourceState.CONNECTED)
        play = self._run_regular if spec.rate > 0 else self._run_irregular
        if play(spec, writer, stop, start, made):
            self.enter(row, SourceState.ENDED, "all %d samples were made", self.source.samples)

    def _run_regular(
        self, spec: StreamSpec, writer: StreamWriter, stop: threading.Event, start: float, made: int
    ) -> bool:
        total = self.source.samples
        chunk = 1 if spec.channels >= WIDE else max(1, int(spec.rate * CHUNK_SECONDS))
        largest = max(chunk, int(spec.rate * _CATCH_UP_SECONDS))
        largest = max(1, min(largest, MAX_CHUNK_BYTES // max(1, spec.sample_bytes)))
        while total is None or made < total:
            target = made + chunk if total is None else min(made + chunk, total)
            if not sleep_until(start + (target - 1) / spec.rate, self.clock, stop):
                return False
            # What became due while we were held up comes along, in larger chunks until we have caught up.
            due = max(target, int((self.clock() - start) * spec.rate) + 1)
            count = min(due, made + largest if total is None else min(made + largest, total)) - made
            timestamps = start + np.arange(made, made + count) / spec.rate
            self._publish(writer, made, count, timestamps)
            made += count
        return True

    def _run_irregular(
        self, spec: StreamSpec, writer: StreamWriter, stop: threading.Event, start: float, made: int
    ) -> bool:
        seed = self.source.seed
        # Apart from the values' generator, so that seeded values are the same at every rate.
        intervals = np.random.default_rng(None if seed is None else [abs(seed), int(seed < 0), 1])
        due = start if seed is not None or not made else self.clock()
        if seed is not None:
            for _ in range(made):
                due += float(intervals.exponential(1.0 / IRREGULAR_RATE))
        while self.source.samples is None or made < self.source.samples:
            due += float(intervals.exponential(1.0 / IRREGULAR_RATE))
            if not sleep_until(due, self.clock, stop):
                return False
            self._publish(writer, made, 1, np.array([due]))
            made += 1
        return True

    def _publish(self, writer: StreamWriter, first: int, count: int, timestamps: NDArray[np.float64]) -> None:
        writer.publish(self._signal.take(first, count), timestamps, float(timestamps[0]))
