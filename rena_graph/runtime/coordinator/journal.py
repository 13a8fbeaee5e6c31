"""What happened in a run, one record an event: ``events.jsonl`` of its folder. Pure but for the file at its end.

Nobody reports an event for the journal: it compares what is with what was, after each thing that the coordinator hears,
so that nothing is forgotten where a new way into a state is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from rena_graph.runtime.segments import SegmentWriter

__all__ = ["NAME", "Journal"]

NAME = "events"
"""Of the journal's files, without their ending."""

CLOCK_EVERY = 60.0
"""Seconds between two records of how a host's clock stands to graph time."""

Record = dict[str, Any]
Known = tuple[str | None, int, bool, int, int]
"""What was written of a node: state, epoch, whether it is stale, restarts, reloads."""


class NodeView(Protocol):
    """What is looked at of a node; :class:`~rena_graph.runtime.coordinator.node_record.NodeRecord` is one."""

    epoch: int
    error: str | None
    stale_for: float | None
    restarts: int
    reloads: int

    @property
    def state(self) -> Any:
        """Has a ``label``."""


class Journal:
    """Finds out what has changed, and writes it down.

    Parameters
    ----------
    writer : SegmentWriter
        Takes the records.
    unix : callable
        Seconds since 1970.
    """

    def __init__(self, writer: SegmentWriter, unix: Callable[[], float]) -> None:
        self._writer = writer
        self._unix = unix
        self._phase: str | None = None
        self._nodes: dict[str, Known] = {}
        self._sources: dict[str, tuple[str | None, int]] = {}
        self._keeping: dict[str, str | None] = {}
        self._clocks: dict[str, float] = {}
        self._recalled: set[str] = set()

    def recall(self, records: Iterable[Record]) -> None:
        """Know what a coordinator before has written down, so that nothing of it is written again."""
        for record in records:
            match record:
                case {"event": "phase", "phase": phase}:
                    self._phase = phase
                case {"event": "state" | "stale" | "alive" | "restart" | "reload", "node": name, "epoch": epoch}:
                    self._nodes[name] = _after(self._nodes.get(name) or (None, epoch, False, 0, 0), record)
                case {"event": "source", "stream": name, "state": state, "recoveries": recoveries}:
                    self._sources[name] = state, recoveries
                case {"event": "keeping", "node": name, "verdict": verdict}:
                    self._keeping[name] = verdict
                    self._recalled.add(name)
                case {"event": "clock", "host": name, "time": time}:
                    self._clocks[name] = time

    def note(self, event: str, **facts: Any) -> None:
        """Write down one event that no comparison can find."""
        self._writer.write([self._record(event, **facts)])

    def _record(self, event: str, **facts: Any) -> Record:
        return {"time": self._unix(), "event": event, **facts}

    def look(self, phase: str, nodes: Mapping[str, NodeView]) -> None:
        """Compare the run's phase, and each node's state, with those of the last look."""
        found: list[Record] = []
        if phase != self._phase:
            found.append(self._record("phase", phase=phase, before=self._phase))
            self._phase = phase
        for name, node in nodes.items():
            now = (node.state.label, node.epoch, node.stale_for is not None, node.restarts, node.reloads)
            before = self._nodes.get(name)
            if now != before:
                self._nodes[name] = now
                found += self._node_events(name, node, before, now)
        self._writer.write(found)

    def _node_events(
        self,
        name: str,
        node: NodeView,
        before: Known | None,
        now: Known,
    ) -> list[Record]:
        found = []
        old = before or (None, node.epoch, False, 0, 0)
        if now[:2] != old[:2]:
            cause = {"error": node.error} if now[0] in ("failed", "restarting") and node.error else {}
            found.append(self._record("state", node=name, state=now[0], before=old[0], epoch=now[1], **cause))
        if now[2] != old[2]:
            found.append(self._record("stale" if now[2] else "alive", node=name, epoch=now[1], seconds=node.stale_for))
        if now[3] > old[3]:
            found.append(self._record("restart", node=name, epoch=now[1], number=now[3], error=node.error))
        if now[4] > old[4]:
            found.append(self._record("reload", node=name, epoch=now[1], number=now[4]))
        return found

    def look_at_report(self, report: Mapping[str, Any], keeping: Mapping[str, Any] | None = None) -> None:
        """Compare the sources' states, and how nodes keep their rates, with those of the last look; note the clocks."""
        found = []
        for name, stream in report["streams"].items():
            state, recoveries = stream["source_state"], stream["recoveries"]
            if state is None:
                continue
            before = self._sources.get(name, (None, 0))
            if (state, recoveries) != before:
                self._sources[name] = (state, recoveries)
                facts = {"state": state, "before": before[0], "recoveries": recoveries, "lost": stream["lost"]}
                found.append(self._record("source", stream=name, **facts))
        for name, known in (keeping or {}).items():
            verdict = known and known["verdict"]
            if verdict is None and name in self._recalled:
                continue  # a coordinator that has just taken over knows of none yet
            self._recalled.discard(name)
            if verdict != self._keeping.get(name):
                self._keeping[name] = verdict
                reason = known and known["reason"]
                found.append(self._record("keeping", node=name, verdict=verdict, reason=reason))
        self._writer.write(found + self._clock_events(report.get("hosts", {})))

    def _clock_events(self, hosts: Mapping[str, Mapping[str, Any]]) -> list[Record]:
        """What stamps of other hosts were converted with, from time to time."""
        found = []
        now = self._unix()
        for name, host in hosts.items():
            clock = host.get("clock")
            if clock is not None and abs(now - self._clocks.get(name, float("-inf"))) >= CLOCK_EVERY:
                self._clocks[name] = now
                found.append(self._record("clock", host=name, **clock))
        return found

    def close(self) -> None:
        """Nothing more happens."""
        self._writer.close()


def _after(known: Known, record: Record) -> Known:
    """What is known of a node once this was written of it."""
    state, epoch, stale, restarts, reloads = known
    match record["event"]:
        case "state":
            state, epoch = record["state"], record["epoch"]
        case "stale" | "alive" as which:
            stale = which == "stale"
        case "restart":
            restarts = record["number"]
        case "reload":
            reloads = record["number"]
    return state, epoch, stale, restarts, reloads
