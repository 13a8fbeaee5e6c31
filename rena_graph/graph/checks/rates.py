"""Checks of rates against the time that loops take, as far as the graph tells it."""

from __future__ import annotations

import math
import os

from rena_graph.graph.document import EveryTrigger, NodeDef
from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph
from rena_graph.graph.problems import JsonPath
from rena_graph.graph.shape import Draft
from rena_graph.graph.wording import hertz, plural, quote

__all__ = ["OWN_COST", "check"]

OWN_COST = 0.15e-3
"""Seconds of a processor that a loop costs beyond its script, caches being cold after a sleep; see performance.md."""


def check(graph: Graph, draft: Draft, findings: Findings, cores: int | None = None) -> None:
    """G409 and G453 to G456; `cores` are this machine's where left out."""
    cores = cores or _cores()
    needed: dict[str, float] = {}
    starting: dict[str, float] = {}
    for name, node in graph.nodes.items():
        _passing_over(name, node, draft, findings)
        rate = _loops_a_second(name, node, graph, draft)
        if rate is None:
            continue
        if node.loop_time is not None:
            _one(name, node, node.loop_time, rate, findings)
        if node.placement.host is None:  # of another machine nobody knows how many processors it has
            # A script is one process, whose loops one processor runs.
            needed[name] = min(1.0, (node.loop_time or 0.0) * rate)
            starting[name] = min(1.0, OWN_COST * rate)
    if not findings.any_error:  # a graph that cannot run needs nothing of the machine
        _together(needed, cores, findings)
        _many(starting, cores, findings)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _loops_a_second(name: str, node: NodeDef, graph: Graph, draft: Draft) -> float | None:
    """How many loops the node is to make; None where only the data tells."""
    if not draft.sound(name, "trigger", "run_frequency", "inputs"):
        return None
    if isinstance(node.trigger, EveryTrigger):
        streams = zip(node.input_defs, graph.edge_names(name), strict=True)
        counted = next((stream for input_, stream in streams if input_.stream == node.trigger.stream), "")
        rate = graph.streams[counted].rate if counted in graph.streams else None
        return rate / node.trigger.every if rate else None
    return node.frequency if node.trigger == "clock" and math.isfinite(node.frequency) else None


def _one(name: str, node: NodeDef, loop_time: float, rate: float, findings: Findings) -> None:
    if loop_time * rate <= 1:
        return
    path: JsonPath = ("nodes", name, "loop_time")
    found, allowed = f"{loop_time:g} s a loop", f"at most {1 / rate:.3g} s, or {hertz(1 / loop_time)}"
    if isinstance(node.trigger, EveryTrigger):
        message = f"blocks of {node.trigger.every:,} come to {name} faster than its loops take them: {hertz(rate)}"
        hint = "give it longer blocks, or less to do"
        findings.add("G455", path, message, found=found, allowed=allowed, hint=hint)
    else:
        message = f"{name} cannot keep {hertz(rate)}: its loops take longer than a period"
        hint = 'lower its run_frequency; "on_overload" says what happens otherwise'
        findings.add("G453", path, message, found=found, allowed=allowed, hint=hint)


def _together(needed: dict[str, float], cores: int, findings: Findings) -> None:
    total = sum(needed.values())
    if total > cores:
        most = sorted(needed, key=lambda name: -needed[name])[:3]
        findings.add(
            "G454", ("nodes",), "the loops of this graph take more than this machine has, by their loop_time", at="key",
            found=f"{total:.3g} processors, most of them for {', '.join(map(quote, most))}",
            allowed=plural(cores, "processor"), hint="lower run frequencies, or place nodes on other machines",
        )  # fmt: skip


def _many(starting: dict[str, float], cores: int, findings: Findings) -> None:
    total = sum(starting.values())
    if total > cores:
        findings.add(
            "G456", ("nodes",), "so many loops a second are too much for this machine, whatever the scripts do",
            at="key", found=f"{total / OWN_COST:,.0f} loops a second of {plural(len(starting), 'node')}",
            allowed=f"about {cores / OWN_COST:,.0f} on {plural(cores, 'processor')}",
            hint='lower run frequencies, or let data start the loops: "trigger": "data"',
        )  # fmt: skip


def _passing_over(name: str, node: NodeDef, draft: Draft, findings: Findings) -> None:
    if node.on_overload != "newest":
        return
    for index, input_ in enumerate(node.input_defs):
        if input_.lossless:
            message = f"{name} passes over what piles up, and takes {quote(input_.stream)} lossless"
            hint = "leave one of the two out"
            path = (*draft.input_path(name, index), "lossless")
            findings.add("G409", path, message, found='lossless with on_overload "newest"', hint=hint)
