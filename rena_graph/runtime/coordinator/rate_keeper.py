"""Holds the nodes to their rates: what is said and done when a host reports. Knows no Ray."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from rena_graph.errors import ExitCode
from rena_graph.graph.model import Graph
from rena_graph.runtime.coordinator.keeping import Change, Keeping, Verdict
from rena_graph.runtime.coordinator.node_record import NodeRecord
from rena_graph.runtime.coordinator.rates import Rates
from rena_graph.runtime.coordinator.signals import HostFailed, Say
from rena_graph.runtime.coordinator.throttle import Throttle
from rena_graph.runtime.lifecycle import NodeState

__all__ = ["Command", "RateKeeper", "Reaction"]


@dataclass(frozen=True)
class Command:
    """To be handed to the process of a node."""

    node: str
    message: dict[str, Any]


Reaction: TypeAlias = Say | Command | HostFailed

_DONE = {
    "skip": "missed ticks are skipped and counted",
    "newest": "it passes over what piled up",
    "throttle": "less important nodes are slowed",
    "stop": "the run stops",
}


class RateKeeper:
    """Phases, verdicts, and what the graph wants done about them.

    Parameters
    ----------
    graph : Graph
        What runs.
    frequencies : mapping
        Run frequencies in Hz that are no longer the graph's, by node; looked at again each time.
    """

    def __init__(self, graph: Graph, frequencies: Mapping[str, float]) -> None:
        self._graph = graph
        limited = {name: node.importance for name, node in graph.nodes.items() if math.isfinite(node.frequency)}
        self._throttle = Throttle(limited)
        self._keeping = Keeping(graph)
        self.rates = Rates(graph, frequencies, self._throttle.shares)
        self._limited = limited
        self._begun = False

    def status(self, node: str) -> dict[str, Any] | None:
        """How a node stands with its rate: ``verdict``, ``reason``, ``trouble``, ``slowed_to`` (a share, or null)."""
        known = self._keeping.status(node)
        return None if known is None else {**known, "slowed_to": self._throttle.shares.get(node)}

    def heard(self, report: Mapping[str, Any], records: Mapping[str, NodeRecord], now: float) -> list[Reaction]:
        """A host reported; `records` say which nodes ought to loop now."""
        looping = {n for n, record in records.items() if record.state is NodeState.RUNNING and not record.debugged}
        stale = {name for name in looping if records[name].stale_for is not None}
        running = looping - stale
        if not self._begun:
            self._begun = True
            if self.rates.origin is None:
                self._take_up(report)
        reactions: list[Reaction] = [Command(node, message) for node, message in self.rates.heard(report, now)]
        for change in self._keeping.heard(report, running, now, stale):
            reactions += self._react(change)
        return reactions + self._slow_others(running, now)

    def _take_up(self, report: Mapping[str, Any]) -> None:
        """After the coordinator's own restart: which nodes are slowed tells what they run at."""
        for name in self._limited:
            share = (report["nodes"].get(name, {}).get("frequency") or math.inf) / self.rates.asked(name)
            if share < 1.0 - 1e-6:
                self._throttle.shares[name] = share

    def _react(self, change: Change) -> list[Reaction]:
        if not change.now.trouble:
            return [Say("info", f"keeps up again: {change.reason}", change.node)]
        policy = self._graph.nodes[change.node].on_overload
        text = f"{change.now.value}: {change.reason}"
        done = _DONE[policy]
        if policy == "throttle" and change.now is not Verdict.HOST_OVERLOADED:
            done = "slowing others would not help it; " + _DONE["skip"]
        reactions: list[Reaction] = [Say("warning", f"cannot keep up: {text}; {done}", change.node)]
        if policy == "stop":
            reactions.append(HostFailed(f"node {change.node!r} cannot keep up: {text}", ExitCode.SCRIPT))
        return reactions

    def _slow_others(self, running: Collection[str], now: float) -> list[Reaction]:
        nodes = self._graph.nodes
        needy = {
            name: node.importance
            for name, node in nodes.items()
            if node.on_overload == "throttle" and self._keeping.verdict(name) is Verdict.HOST_OVERLOADED
        }
        reactions: list[Reaction] = []
        for node in self._throttle.update(needy, now, set(nodes) - set(running)):
            asked, share = self.rates.asked(node), self._throttle.shares.get(node, 1.0)
            text = f"runs at {asked * share:.4g} of {asked:g} Hz"
            text += (
                f", for the sake of {', '.join(needy)}" if needy else ": given back" if share == 1 else ", given back"
            )
            reactions.append(Say("info", text, node))
            reactions.append(Command(node, self.rates.change(node, asked, now)))
        return reactions
