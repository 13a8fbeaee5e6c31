"""A source that plays a recorded file as if it were live."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rena_graph.bridges.base import MAX_CHUNK_BYTES, Clock, SourceBridge, SourceState
from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.bridges.pacing import CHUNK_SECONDS, begun_at, sleep_until
from rena_graph.bridges.recorded_stream import RecordedStream
from rena_graph.bridges.recording_file import load_recording
from rena_graph.bridges.timeline import GapFinder
from rena_graph.errors import StreamFormatError
from rena_graph.graph.document import RecordingSource
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Row, StreamColumn
from rena_graph.transport.interface import StreamWriter

__all__ = ["RecordingBridge"]

_CHUNK_SAMPLES = 4096


class RecordingBridge(SourceBridge):
    """Plays one stream of an NPZ or XDF file.

    Samples keep the recording's rate and the distances between its timestamps: a sample is stamped with the graph time
    of the start, plus its time since the recording's first sample. Only delivery is ``speed`` times as fast. So a
    filter designed for the nominal rate is right at any speed, and above speed 1 timestamps run ahead of the clock.

    Timestamps that run backwards, or are not finite, are raised to the newest before them and counted
    (``SOURCE_BACKWARDS``); holes are played as holes and counted. Nothing is lost: a writer with blocking edges slows
    the replay down, and what was due while its process was dead is played at once. With ``loop`` the recording starts
    anew one period after its last sample, for ever.

    Parameters
    ----------
    name, declared, clock
        See :class:`SourceBridge`.
    source : RecordingSource
        Path, stream, speed, loop.
    folder : Path
        What a relative path is relative to.
    """

    def __init__(
        self, name: str, source: RecordingSource, declared: DeclaredFormat, clock: Clock, folder: Path
    ) -> None:
        super().__init__(name, declared, clock)
        self.source = source
        self.path = folder / source.path
        self._recording: RecordedStream | None = None

    def find(self, timeout: float, cancel: threading.Event) -> StreamSpec:
        """Read the file. See :meth:`SourceBridge.find`."""
        recording = load_recording(self.path, self.source.stream)
        self.declared.check(self.name, recording.format, f"the recording {self.path}")
        if self.source.loop and not len(recording.timestamps):
            raise StreamFormatError(f"stream {self.name!r}: the recording {self.path} holds no samples to loop over")
        # A file that has timestamps and says nothing of a rate is irregular.
        found = recording.format.completed(DeclaredFormat(rate=0.0))
        self.spec = self.declared.completed(found).spec(self.name)
        self._recording = recording
        return self.spec

    def prepare(self) -> None:
        """Read the file where :meth:`find` was not called."""
        if self._recording is None:
            self.find(0.0, threading.Event())

    def run(self, writer: StreamWriter, row: Row, stop: threading.Event) -> None:
        """See :meth:`SourceBridge.run`."""
        self.prepare()
        assert self._recording is not None
        self.enter(row, SourceState.CONNECTED)
        data, rate, speed = self._recording.data, self._known().rate, self.source.speed
        elapsed, flawed = _since_start(self._recording.timestamps)
        gaps = GapFinder(rate) if rate > 0 else None
        start = begun_at(row, self.clock())
        played = row.ints[StreamColumn.PRODUCED]
        if gaps is not None and played:
            gaps.forget(row.floats[StreamColumn.LAST_TIMESTAMP])
        for before, part in self._parts(elapsed, rate, played):
            if not sleep_until(start + (before + elapsed[part.stop - 1]) / speed, self.clock, stop):
                return
            timestamps = start + before + elapsed[part]
            row.add(StreamColumn.SOURCE_BACKWARDS, int(flawed[part].sum()))
            if gaps is not None:
                holes, lost = gaps.feed(timestamps)
                row.add(StreamColumn.SOURCE_GAPS, holes)
                row.add(StreamColumn.SOURCE_LOST, lost)
            writer.publish(data[part], timestamps, float(timestamps[0]))
        self.enter(row, SourceState.ENDED, "the recording %s is over: %d samples", self.path, len(elapsed))

    def _parts(self, elapsed: NDArray[np.float64], rate: float, done: int = 0) -> Iterator[tuple[float, slice]]:
        """The chunks to publish, in order: recorded seconds of the passes before, and which samples.

        The first `done` samples, of however many passes, were published already.
        """
        largest = max(1, min(_CHUNK_SAMPLES, MAX_CHUNK_BYTES // max(1, self._known().sample_bytes)))
        passes, played = divmod(done, len(elapsed)) if len(elapsed) else (0, 0)
        if passes and not self.source.loop:
            return
        before = passes * (float(elapsed[-1]) + _period(elapsed, rate)) if passes else 0.0
        while len(elapsed):
            while played < len(elapsed):
                together = elapsed[played] + CHUNK_SECONDS * self.source.speed
                end = max(int(np.searchsorted(elapsed, together, "right")), played + 1)
                end = min(end, played + largest)
                yield before, slice(played, end)
                played = end
            if not self.source.loop:
                return
            before += float(elapsed[-1]) + _period(elapsed, rate)
            played = 0

    def close(self) -> None:
        """Forget the file's content."""
        self._recording = None


def _since_start(timestamps: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Seconds since the first sample, non-decreasing from 0, and which stamps had to be changed for that."""
    finite = np.isfinite(timestamps)
    if not finite.any():
        return np.zeros(len(timestamps)), ~finite
    ascending = np.maximum.accumulate(np.where(finite, timestamps, timestamps[finite][0]))
    return ascending - ascending[0], ascending != timestamps


def _period(elapsed: NDArray[np.float64], rate: float) -> float:
    """Seconds from the last sample of one pass to the first of the next; never 0, or a loop would not advance."""
    if rate > 0:
        return 1.0 / rate
    steps = np.diff(elapsed)
    return float(np.median(steps)) or 1.0 if len(steps) else 1.0
