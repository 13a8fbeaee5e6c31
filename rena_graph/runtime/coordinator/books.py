"""What a coordinator writes into the run folder besides the log: events, provenance, statistics."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from rena_graph.bridges.clocks import WallClock
from rena_graph.graph.model import Graph
from rena_graph.runtime.coordinator.journal import NAME, Journal, NodeView
from rena_graph.runtime.coordinator.statistics import make_statistics, write_statistics
from rena_graph.runtime.provenance import Provenance
from rena_graph.runtime.segments import SegmentWriter, read_segments

__all__ = ["RunBooks"]

log = logging.getLogger(__name__)

STATISTICS_EVERY = 30.0
"""Seconds between two writings of the statistics, which a run that is killed leaves behind."""
_CHANGES = ("params", "rate", "pause", "resume", "step", "restart", "stop", "kill")
_EVENT_BYTES = 4 << 20

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class RunBooks:
    """Keeps the books of one run. A disk that is full, or a folder that was removed, is logged and ends no run.

    Parameters
    ----------
    folder : Path
        The run folder.
    graph : Graph
        What runs.
    unix : callable
        Seconds since 1970.
    say : callable
        Tells whoever runs the graph: how much it weighs, and the words.
    """

    def __init__(
        self,
        folder: Path,
        graph: Graph,
        unix: Callable[[], float],
        say: Callable[[str, str], None] = lambda level, text: log.warning("%s", text),
    ) -> None:
        self._folder = folder
        self._unix = unix
        events = SegmentWriter(folder, NAME, lambda text: {"time": unix(), "event": "gap", "text": text}, _EVENT_BYTES)
        self._journal = Journal(events, unix)
        self._journal.recall(read_segments(folder, NAME))
        self._provenance = Provenance(folder, {name: graph.script_path(name) for name in graph.nodes})
        self._provenance_lock = threading.Lock()
        self._written = 0.0
        self._say = say
        self._wall = WallClock(time.monotonic, unix, self._clock_was_set)

    async def begin(self) -> None:
        """Look at machine, versions and scripts: in a thread, since git and disks take their time."""
        await asyncio.to_thread(self._look, self._provenance.begin)

    async def imported(self, node: str, files: list[Path]) -> None:
        """A node has loaded these files."""
        await asyncio.to_thread(self._look, lambda: self._provenance.imported(node, files))

    async def environments(self, made: Mapping[str, dict[str, Any]]) -> None:
        """These nodes have a Python of their own: by node what it is."""
        await asyncio.to_thread(self._look, lambda: self._provenance.environments(made))

    def _look(self, write: Callable[[], None]) -> None:
        try:
            with self._provenance_lock:
                write()
        except OSError as error:
            log.warning("the provenance cannot be written: %s", error)

    def heard(self, phase: str, nodes: Mapping[str, NodeView]) -> None:
        """The state machine has heard something; perhaps it changed."""
        self._journal.look(phase, nodes)

    def reported(
        self, report: Mapping[str, Any], keeping: Mapping[str, Any], status: Callable[[], Mapping[str, Any]]
    ) -> None:
        """The hosts have reported this, nodes keep their rates like that; `status` gives all that is known."""
        self._journal.look_at_report(report, keeping)
        if abs(self._unix() - self._written) >= STATISTICS_EVERY:  # it may have been set back
            self._write_statistics(status(), final=False)
        self._wall.offset()

    def _clock_was_set(self, seconds: float) -> None:
        self._journal.note("wall_clock", seconds=seconds)
        self._say("warning", f"this host's wall clock was set by {seconds:+.3f} s; no rate and no stamp follows it")

    def noting(self, handler: Handler) -> Handler:
        """The same handler of the control socket, with every change that it carries out written down, and by whom."""

        async def handle(request: dict[str, Any]) -> dict[str, Any]:
            who = request.pop("peer", None)
            answer = await handler(request)
            if request["op"] in _CHANGES and _changes(request):
                facts = {key: value for key, value in request.items() if value not in (None, {}, [])}
                self._journal.note("asked", **facts, by=who)
            return answer

        return handle

    def close(self, status: Mapping[str, Any]) -> None:
        """The run is over; `status` is its last."""
        self._write_statistics(status, final=True)
        self._journal.close()

    def _write_statistics(self, status: Mapping[str, Any], final: bool) -> None:
        self._written = self._unix()
        try:
            write_statistics(self._folder, make_statistics(status, final, self._written))
        except OSError as error:
            log.warning("the statistics cannot be written: %s", error)


def _changes(request: Mapping[str, Any]) -> bool:
    """Whether it asked for more than to be told the parameters."""
    return request["op"] != "params" or any(request.get(key) for key in ("set", "set_text", "add", "remove"))
