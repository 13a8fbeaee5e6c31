"""An LSL stream as a source: found, read, missed, and found again."""

from __future__ import annotations

import difflib
import logging
import threading
import time
from typing import Any

from rena_graph.bridges.base import Clock, SourceBridge, SourceState
from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.bridges.lsl_format import check_dtype, describe, found_format, labels_and_unit, predicate
from rena_graph.bridges.lsl_inlet import LslInlet, OutletGone
from rena_graph.bridges.lsl_library import load_pylsl
from rena_graph.bridges.lsl_presence import Presence
from rena_graph.bridges.lsl_search import Search, choose
from rena_graph.bridges.timeline import Timeline
from rena_graph.errors import StreamFormatError, StreamNotFound
from rena_graph.graph.checks.formats import same_unit
from rena_graph.graph.document import LslSource
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Row, StreamColumn
from rena_graph.transport.interface import StreamWriter

__all__ = ["LslSourceBridge"]

logger = logging.getLogger(__name__)

_INFO_TIMEOUT = 2.0
_EARLY = 0.6
"""Seconds that :meth:`LslSourceBridge.prepare` waits for a stream that need not be there yet."""

_FAST = 1000.0
_REST = 0.001
"""Seconds between two pulls of a stream of more than :data:`_FAST` Hz: outlets that push sample by sample would else
wake us for each, which at 2048 Hz takes a sixth of a core."""


class LslSourceBridge(SourceBridge):
    """Reads an LSL stream, for as long as the graph runs and whatever becomes of the outlet.

    It is ``LOST`` when its connection breaks, or when it is silent and no longer answers; a regular stream within a
    second. An irregular stream may be silent for as long as it likes. Lost, it is looked for by what the graph says of
    it, and taken again whatever its ``source_id`` is, where it has the same format; with another it is ``REFUSED``:
    said once, and waited for.

    Parameters
    ----------
    name, declared, clock
        See :class:`SourceBridge`.
    source : LslSource
        What it is found by.
    monotonic : callable
        Measures timeouts and silence, in seconds.
    """

    def __init__(
        self, name: str, source: LslSource, declared: DeclaredFormat, clock: Clock, monotonic: Clock = time.monotonic
    ) -> None:
        super().__init__(name, declared, clock)
        if declared.dtype is not None:
            check_dtype(name, declared.dtype)
        load_pylsl()
        self.predicate = predicate(source)
        self._monotonic = monotonic
        self._search: Search | None = None
        self._inlet: LslInlet | None = None
        self._presence = Presence("", 0.0, 0.0)
        self._preferred = ""
        self._was_connected = False
        self._said: set[str] = set()
        self._refused: set[str] = set()
        if self.complete:
            self.spec = declared.spec(name)

    def find(self, timeout: float, cancel: threading.Event) -> StreamSpec:
        """See :meth:`SourceBridge.find`. A stream that the graph declares completely need not be there yet."""
        if self.spec is not None:
            return self.spec
        search = Search(self.predicate)
        try:
            infos = search.wait(timeout, cancel, self._monotonic)
        finally:
            search.close()
        if not infos and cancel.is_set():
            raise StreamNotFound(f"stream {self.name!r}: the search for {self.predicate} was cancelled")
        if not infos:
            raise StreamNotFound(self._not_found(timeout))
        info = choose(self.name, infos, self.declared, "", self._said)
        if info is None:
            self.declared.check(self.name, found_format(infos[0]), describe(infos[0]))
            raise StreamNotFound(self._not_found(timeout))
        return self._take(info)

    def prepare(self) -> None:
        """Connect, where the stream is there; samples are kept from now on."""
        never = threading.Event()
        if self._inlet is None:
            self._search = self._search or Search(self.predicate)
            infos = self._search.wait(_EARLY, never, self._monotonic)
            info = choose(self.name, infos, self._wanted, "", self._said)
            if info is None:
                return
            self._inlet = self._reach(info)
        if self._inlet is not None and not self._open(self._inlet, never):
            self._inlet = None

    def run(self, writer: StreamWriter, row: Row, stop: threading.Event) -> None:
        """See :meth:`SourceBridge.run`."""
        timeline = Timeline.of(self._known().rate, row)
        if self._inlet is not None:
            self._connected(row, self._inlet)
        elif row.ints[StreamColumn.SOURCE_STATE] != SourceState.LOST:
            self.enter(row, SourceState.WAITING, "waiting for an LSL stream with %s", self.predicate)
        while not stop.is_set():
            if self._inlet is not None:
                self._read(self._inlet, timeline, writer, row)
                if self._known().rate > _FAST:
                    stop.wait(_REST)
            if self._inlet is None or self._presence.lost:
                self._look(row, stop)

    def close(self) -> None:
        """Let go of connection and search."""
        self._presence.close()
        if self._inlet is not None:
            self._inlet.close()
            self._inlet = None
        self._stop_search()

    # ---------------------------------------------------------------------------------------------- reading
    def _read(self, inlet: LslInlet, timeline: Timeline, writer: StreamWriter, row: Row) -> None:
        try:
            data, timestamps, rejected = inlet.pull(self._presence.patience(self._monotonic()))
        except OutletGone as gone:
            row.add(StreamColumn.SOURCE_LOST, gone.unread)
            inlet.close()
            self._inlet = None
            self._presence.close()
            self.enter(row, SourceState.LOST, "its outlet %r is gone; looking for it", inlet.source_id)
            return
        if rejected:
            row.add(StreamColumn.SOURCE_REJECTED, rejected)
            self.say.warning("text", "stream %r: %d samples were not UTF-8 and were dropped", self.name, rejected)
        now = self._monotonic()
        if len(timestamps):
            self._presence.heard(now)
            self._connected(row, inlet)
            timestamps = timeline.clean(timestamps, self.clock(), row)
            writer.publish(data, timestamps, float(timestamps[0]))
        elif self._presence.silent(now):
            self.enter(row, SourceState.LOST, "silent, and its outlet %r does not answer", inlet.source_id)

    def _connected(self, row: Row, inlet: LslInlet) -> None:
        state = row.ints[StreamColumn.SOURCE_STATE]
        if state == SourceState.CONNECTED:
            return
        self._preferred = inlet.source_id
        self._stop_search()
        if state == SourceState.LOST or (state == SourceState.REFUSED and self._was_connected):
            row.add(StreamColumn.SOURCE_RECOVERIES)
        self._was_connected = True
        self.enter(row, SourceState.CONNECTED, "connected to LSL outlet %r", inlet.source_id)

    # ---------------------------------------------------------------------------------------------- looking
    def _look(self, row: Row, stop: threading.Event) -> None:
        """Look once for an outlet to connect to; takes a tenth of a second or so where there is none."""
        self._search = self._search or Search(self.predicate)
        # With a silent connection the pull has waited already.
        infos = (
            self._search.results() if self._inlet else self._search.wait(0.1, stop, self._monotonic, self._preferred)
        )
        if self._inlet is not None and any(info.uid() == self._inlet.uid for info in infos):
            self._presence.heard(self._monotonic())
            self._connected(row, self._inlet)
            return
        info = choose(self.name, infos, self._wanted, self._preferred, self._said)
        if info is None:
            self._refuse(infos, row)
            return
        inlet = self._reach(info)
        if inlet is None or not self._open(inlet, stop):
            return
        if self._inlet is not None:
            self._inlet.close()
        self._inlet = inlet
        self._connected(row, inlet)

    def _refuse(self, infos: list[Any], row: Row) -> None:
        new = [info for info in infos if info.uid() not in self._refused]
        if not new:
            return
        self._refused.update(info.uid() for info in new)
        differences = "; ".join(self._wanted.differences(found_format(new[0])))
        self.enter(row, SourceState.REFUSED, "refused %s: %s; waiting for the right one", describe(new[0]), differences)

    @property
    def _wanted(self) -> DeclaredFormat:
        spec = self._known()
        return DeclaredFormat(spec.channels, spec.rate, spec.dtype)

    def _reach(self, info: Any) -> LslInlet | None:
        try:
            return LslInlet(info, self._known(), self.clock)
        except RuntimeError as error:
            self.say.warning("reach", "stream %r: cannot connect to %s: %s", self.name, describe(info), error)
            return None

    def _open(self, inlet: LslInlet, stop: threading.Event) -> bool:
        try:
            inlet.open(stop)
        except OutletGone:
            inlet.close()
            return False
        self._presence.close()
        self._presence = Presence(inlet.uid, self._known().rate, self._monotonic())
        return True

    def _take(self, info: Any) -> StreamSpec:
        """Complete the format from the outlet's full description, and keep the connection for :meth:`prepare`."""
        found = found_format(info)
        if found.dtype is None:
            raise StreamFormatError(f"stream {self.name!r}: {describe(info)} has no format that can be read")
        self.spec = self.declared.completed(found).spec(self.name)
        inlet = self._reach(info)
        if inlet is None:
            raise StreamNotFound(f"stream {self.name!r}: {describe(info)} cannot be connected to; see the log")
        try:
            labels, unit = labels_and_unit(inlet.info(_INFO_TIMEOUT))
        except OutletGone:
            inlet.close()
            raise StreamNotFound(f"stream {self.name!r}: {describe(info)} answered, and was gone") from None
        self._compare_labels(labels, unit)
        known = DeclaredFormat(found.channels, found.rate, found.dtype, labels, unit)
        self.spec = self.declared.completed(known).spec(self.name)
        self._inlet, self._preferred = inlet, inlet.source_id
        return self.spec

    def _compare_labels(self, labels: tuple[str, ...] | None, unit: str | None) -> None:
        """Names and units in the graph win over the outlet's, which are often defaults; but it is said."""
        names, known_unit = self.declared.channel_names, self.declared.unit
        if names and labels and names != labels:
            logger.warning("stream %r: the graph's labels %s differ from the outlet's %s", self.name, names, labels)
        if known_unit and unit and not same_unit(known_unit, unit):
            logger.warning("stream %r: the graph's unit %s differs from the outlet's %s", self.name, known_unit, unit)

    def _not_found(self, timeout: float) -> str:
        everything = Search(None)
        try:
            names = sorted({info.name() for info in everything.wait(0.5, threading.Event(), self._monotonic)})
        finally:
            everything.close()
        near = difflib.get_close_matches(self.name, names, 1)
        there = ", ".join(map(repr, names)) or "none"
        return (
            f"stream {self.name!r}: no LSL stream with {self.predicate} appeared in {timeout:g} s; there now: {there}"
            + (f" (did you mean {near[0]!r}?)" if near else "")
            + ". Start its outlet, or declare channels, rate and dtype in the graph to start without it"
        )

    def _stop_search(self) -> None:
        if self._search is not None:
            self._search.close()
            self._search = None
