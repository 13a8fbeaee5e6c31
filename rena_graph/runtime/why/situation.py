"""The graph and two statuses of a run, a moment apart, as questions that one asks of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

__all__ = ["Situation"]

FRESH = 3.0
"""Seconds, or nominal periods where these are longer, for which the newest sample of a stream counts as new."""


@dataclass(frozen=True)
class Situation:
    """What is known.

    Parameters
    ----------
    document : mapping
        The resolved graph, as in ``graph.json``.
    before, after : mapping
        Statuses of the run.
    """

    document: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    # -- the graph -----------------------------------------------------------------------------------
    @cached_property
    def producers(self) -> dict[str, str]:
        """The node that makes each stream; external ones are not in it."""
        return {out: name for name, node in self.document["nodes"].items() for out in node.get("outputs", {})}

    def definition(self, node: str) -> Mapping[str, Any]:
        """The node as in the graph."""
        found: Mapping[str, Any] = self.document["nodes"][node]
        return found

    def inputs(self, node: str) -> dict[str, Mapping[str, Any]]:
        """What the graph says of each input, by the stream that flows there."""
        definition = self.definition(node)
        found = {}
        for item in definition.get("inputs", ()):
            entry: Mapping[str, Any] = {"stream": item} if isinstance(item, str) else item
            stream = f"{entry['stream']}@{node}" if definition.get("simulate_input") else entry["stream"]
            found[stream] = entry
        return found

    def outputs(self, node: str) -> Mapping[str, Any]:
        """The streams that it makes."""
        found: Mapping[str, Any] = self.definition(node).get("outputs", {})
        return found

    def triggers(self, node: str) -> list[str]:
        """The streams whose data starts its loops; none on the clock."""
        trigger = self.definition(node).get("trigger", "clock")
        at_once = [stream for stream, entry in self.inputs(node).items() if not entry.get("delayed")]
        if trigger == "data":
            return at_once
        if isinstance(trigger, list):
            return [stream for stream in at_once if stream.partition("@")[0] in trigger]
        return [s for s in at_once if s.partition("@")[0] == trigger["stream"]] if isinstance(trigger, dict) else []

    def every(self, node: str) -> int | None:
        """Samples a loop, where its trigger counts samples."""
        trigger = self.definition(node).get("trigger", "clock")
        return int(trigger["every"]) if isinstance(trigger, dict) else None

    def source(self, stream: str) -> tuple[str, Mapping[str, Any]]:
        """Kind of an external stream's source, and what the graph says of it."""
        source = self.document.get("streams", {}).get(stream.partition("@")[0], {}).get("from", {})
        kind = next(
            (kind for kind in ("lsl", "zmq", "recording", "simulate") if source.get(kind) is not None), "simulate"
        )
        found: Mapping[str, Any] = source.get(kind) or {}
        return kind, found

    # -- now -----------------------------------------------------------------------------------------
    @property
    def seconds(self) -> float:
        """Between the two statuses."""
        return max(1e-3, float(self.after["uptime"] - self.before["uptime"]))

    def node(self, node: str) -> Mapping[str, Any]:
        """Its status now."""
        found: Mapping[str, Any] = self.after["nodes"].get(node, {})
        return found

    def silent_for(self, host: str | None) -> float | None:
        """For how many seconds nothing has been heard of a host; None of one that is there, or that nobody watches."""
        known = self.after.get("hosts", {}).get(host or "", {})
        return float(known["silent_for"]) if known.get("state") == "silent" else None

    @property
    def silent_hosts(self) -> list[str]:
        """Those of which nothing is heard now."""
        return [host for host in self.after.get("hosts", {}) if self.silent_for(host) is not None]

    def stream(self, stream: str) -> Mapping[str, Any]:
        """Its status now."""
        found: Mapping[str, Any] = self.after["streams"].get(stream, {})
        return found

    def edge(self, stream: str, to: str) -> Mapping[str, Any]:
        """Its ledger now; empty before there is one."""
        return _edge(self.after, stream, to)

    def node_grew(self, node: str, key: str) -> int:
        """By how much a counter of a node grew."""
        return int(self.node(node).get(key) or 0) - int(self.before["nodes"].get(node, {}).get(key) or 0)

    def stream_grew(self, stream: str, key: str = "produced") -> int:
        """By how much a counter of a stream grew."""
        return int(self.stream(stream).get(key) or 0) - int(self.before["streams"].get(stream, {}).get(key) or 0)

    def edge_grew(self, stream: str, to: str, key: str) -> int:
        """By how much a counter of an edge grew."""
        return int(self.edge(stream, to).get(key) or 0) - int(_edge(self.before, stream, to).get(key) or 0)

    def dropped(self, stream: str, to: str) -> dict[str, int]:
        """What an edge dropped between the two statuses, by reason."""
        old = _edge(self.before, stream, to).get("dropped", {})
        new = self.edge(stream, to).get("dropped", {})
        return {reason: count - old.get(reason, 0) for reason, count in new.items() if count > old.get(reason, 0)}

    def flows(self, stream: str) -> bool:
        """Whether samples come: some came between the two statuses, or the newest is not old."""
        if self.stream_grew(stream) > 0:
            return True
        age = self.stream(stream).get("age")
        rate = self.stream(stream).get("nominal_rate") or 0.0
        return bool(age is not None and age < max(FRESH, FRESH / rate if rate else 0.0) and not self.ended(stream))

    def ended(self, stream: str) -> bool:
        """Whether its writer said that no more comes."""
        return bool(self.stream(stream).get("ended")) or self.stream(stream).get("source_state") == "ended"

    def sinks(self, stream: str) -> list[Mapping[str, Any]]:
        """The ledgers of its broadcasts."""
        nodes = self.after["nodes"]
        return [edge for edge in self.after["edges"] if edge["stream"] == stream and edge["to"] not in nodes]


def _edge(status: Mapping[str, Any], stream: str, to: str) -> Mapping[str, Any]:
    for edge in status["edges"]:
        if edge["stream"] == stream and edge["to"] == to:
            found: Mapping[str, Any] = edge
            return found
    return {}
