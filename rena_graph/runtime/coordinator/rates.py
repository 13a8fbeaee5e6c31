"""The grid on which the clocks of a run tick: its origin, each node's phase, and when phases are measured anew.

Knows no Ray: it is told each report and each change, and gives back the commands that nodes are to be sent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rena_graph.graph.document import EveryTrigger, NodeDef
from rena_graph.graph.model import Graph
from rena_graph.runtime.coordinator.phases import Stage, cascade, moved, spread

__all__ = ["Rates"]

START_DELAY = 0.02
"""Seconds from the order to start to the first tick, so that it reaches every node before."""
FIRST_LOOK = 2.0
"""Seconds from the start until phases are set by what was measured."""
NEXT_LOOK = 5.0
"""Seconds between two later looks."""
GUESS = 1e-3
"""Seconds that a node takes beyond its declared ``loop_time``, before it was measured."""
SPARE, MOST_SPARE = 0.02, 1e-3
"""Share of a node's period, and at most how many seconds, that its children come later than 95 of 100 of its outputs:
who comes just before the data waits for a whole period, who comes after it for this."""


class Rates:
    """Gives each clock its place on the grid.

    Parameters
    ----------
    graph : Graph
        What runs.
    frequencies : mapping
        Run frequencies in Hz that are no longer the graph's, by node; looked at again each time.
    shares : mapping
        Of the nodes that are slowed for others: at which share of what is asked of them; likewise.
    """

    def __init__(self, graph: Graph, frequencies: Mapping[str, float], shares: Mapping[str, float]) -> None:
        self._graph = graph
        self._frequencies = frequencies
        self._shares = shares
        self._free = graph.document.phases == "free"
        self._parents = {node: _parents(graph, node) for node in graph.nodes}
        self._takes: dict[str, float] = {}
        self._look_at = math.inf
        self.origin: float | None = None
        """Graph time from which all deadlines are counted; None before the first node starts."""
        self.phases: dict[str, float] = {}
        """Seconds, by node on the clock: what its process was told last."""

    def asked(self, node: str) -> float:
        """What is asked of the node, in Hz; ``inf`` where nothing limits it."""
        return self._frequencies.get(node, self._graph.nodes[node].frequency)

    def given(self, node: str) -> float:
        """What it is told: less than what is asked of it while it is slowed for others."""
        return self.asked(node) * self._shares.get(node, 1.0)

    # -- commands ------------------------------------------------------------------------------------
    def start(self, node: str, now: float) -> dict[str, Any]:
        """The command that lets the node's loops begin; the first one of a run sets the grid."""
        at = now + START_DELAY
        if self.origin is None:
            self.origin = at
            self._look_at = at + FIRST_LOOK
        if self._graph.nodes[node].trigger == "clock" and node not in self.phases:
            self.phases[node] = self._wanted()[node]
        start = {"do": "start", "at": at, "origin": self.origin, "phase": self.phases.get(node, 0.0)}
        return {**start, "hz": self.given(node)} if node in self._shares else start

    def change(self, node: str, hz: float, now: float) -> dict[str, Any]:
        """The command for a node of which `hz` is asked: on the grid, at the phase that belongs to that rate."""
        given = hz * self._shares.get(node, 1.0)
        command: dict[str, Any] = {"do": "rate", "hz": given}
        wanted = self._wanted({node: given})
        if node in wanted and self.origin is not None:
            command["phase"] = self.phases[node] = wanted[node]
            self._look_at = now  # others may be in a ratio with it that were not, or no longer
        return command

    def heard(self, report: Mapping[str, Any], now: float) -> list[tuple[str, dict[str, Any]]]:
        """A host reported: which nodes' deadlines are to be moved, each with its command."""
        self._learn(report["nodes"])
        if self.origin is None or self._free or now < self._look_at:
            return []
        self._look_at = now + NEXT_LOOK
        wanted = self._wanted()
        if not any(moved(self.phases.get(node, 0.0), phase, self.given(node)) for node, phase in wanted.items()):
            return []
        # All together: a node that moved alone could come before the parent by whose new phase its own was made.
        commands = []
        for node, phase in wanted.items():
            if phase != self.phases.get(node, 0.0):
                self.phases[node] = phase
                commands.append((node, {"do": "phase", "phase": phase}))
        return commands

    def _learn(self, nodes: Mapping[str, Mapping[str, Any]]) -> None:
        for name, node in nodes.items():
            if node.get("out_p95") is not None:
                self._takes[name] = node["out_p95"]
            if self.origin is None and node.get("origin"):
                # After a coordinator's own restart: the nodes tick on, and know where.
                self.origin = node["origin"]
                self._look_at = 0.0
            if node.get("origin"):
                self.phases.setdefault(name, node["phase"])

    # -- phases --------------------------------------------------------------------------------------
    def _wanted(self, changed: Mapping[str, float] | None = None) -> dict[str, float]:
        """The phase of each node on the clock, by what is known now."""
        stages = {}
        for name, node in self._graph.nodes.items():
            rate = (changed or {}).get(name, self.given(name)) if node.trigger == "clock" else None
            takes = self._takes.get(name)
            if takes is None:
                takes = GUESS + (node.loop_time or 0.0)
            elif rate is not None:
                takes += min(SPARE / rate, MOST_SPARE)
            stages[name] = Stage(rate, takes, self._parents[name])
        if self._free:
            return {name: spread(name, s.rate) for name, s in stages.items() if s.rate is not None}
        return cascade(self._graph.order, stages)


def _parents(graph: Graph, node: str) -> tuple[str, ...]:
    """The nodes that make what starts, or is there for, a loop of `node`."""
    definition = graph.nodes[node]
    parents = []
    for edge in graph.inputs_of(node):
        producer = graph.streams[edge.stream].producer
        if producer is not None and not edge.input.delayed and _counts(definition, edge.input.stream):
            parents.append(producer)
    return tuple(dict.fromkeys(parents))


def _counts(definition: NodeDef, stream: str) -> bool:
    """Whether a loop of the node waits, or looks, for this stream."""
    if isinstance(definition.trigger, EveryTrigger):
        return stream == definition.trigger.stream
    return not isinstance(definition.trigger, list) or stream in definition.trigger
