"""Checks of triggers, frequencies and policies: that loops can start, and that waiting and losing make sense."""

from __future__ import annotations

import math

from rena_graph.graph.checks.formats import window_samples
from rena_graph.graph.document import EveryTrigger, InputDef, NodeDef
from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph
from rena_graph.graph.problems import JsonPath
from rena_graph.graph.shape import Draft
from rena_graph.graph.wording import did_you_mean, hertz, join, quote

__all__ = ["check"]


def check(graph: Graph, draft: Draft, findings: Findings) -> None:
    """G401 to G408, G451 and G452."""
    live = _behind_live_sources(graph)
    for name, node in graph.nodes.items():
        if draft.sound(name, "trigger", "inputs"):
            _trigger(name, node, graph, draft, findings)
        if draft.sound(name, "run_frequency", "trigger"):
            _periods(name, node, draft, findings)
        for index, input_ in enumerate(node.input_defs):
            path = draft.input_path(name, index)
            if input_.lossless and input_.policy == "latest":
                message = f"{name} takes {quote(input_.stream)} lossless and only its newest chunk"
                found = "lossless with policy latest"
                findings.add("G406", (*path, "lossless"), message, found=found, allowed="lossless with fifo or block")
            if input_.policy == "block":
                _block(name, graph.edge_names(name)[index], input_, path, live, findings)


def _trigger(name: str, node: NodeDef, graph: Graph, draft: Draft, findings: Findings) -> None:
    base: JsonPath = ("nodes", name, "trigger")
    if isinstance(node.trigger, EveryTrigger):
        if _can_trigger(name, node, node.trigger.stream, (*base, "stream"), findings):
            _blocks(name, node, node.trigger, graph, findings)
    elif isinstance(node.trigger, list):
        for index, stream in enumerate(node.trigger):
            _can_trigger(name, node, stream, (*base, index), findings)
    elif node.trigger == "data" and all(input_.delayed for input_ in node.input_defs):
        what = "only delayed inputs" if node.inputs else "no inputs"
        message = f"{name} would never run: it waits for data and has {what}"
        findings.add("G402", base, message, found=what, hint='take an input that is not delayed, or "trigger": "clock"')


def _can_trigger(name: str, node: NodeDef, stream: str, path: JsonPath, findings: Findings) -> bool:
    inputs = [input_ for input_ in node.input_defs if input_.stream == stream]
    if not inputs:
        streams = [input_.stream for input_ in node.input_defs]
        renamed = next((input_.stream for input_ in node.input_defs if input_.as_ == stream), None)
        hint = f"write the stream's name in the graph: {quote(renamed)}" if renamed else None
        hint = hint or did_you_mean(findings.nearest(stream, streams)) or f"add {quote(stream)} to its inputs"
        message = f"{name} is triggered by {quote(stream)}, which is not one of its inputs"
        allowed = join(streams, quoted=True)
        findings.add("G401", path, message, found=quote(stream), allowed=allowed, hint=hint)
    elif all(input_.delayed for input_ in inputs):
        message = f"{name} is triggered by {quote(stream)}, a delayed input, which never triggers"
        findings.add("G402", path, message, found="a delayed input", hint="trigger on another input, or on the clock")
    return bool(inputs)


def _blocks(name: str, node: NodeDef, trigger: EveryTrigger, graph: Graph, findings: Findings) -> None:
    """What concerns a sample-counted trigger and the stream that it counts."""
    index, input_ = next((i, d) for i, d in enumerate(node.input_defs) if d.stream == trigger.stream)
    base: JsonPath = ("nodes", name)
    every = (*base, "trigger", "every")
    if input_.policy == "latest":
        message = f"{name} counts the samples of {quote(trigger.stream)}, of which it takes only the newest chunk"
        findings.add("G405", every, message, found="policy latest", allowed="fifo or block")
    stream = graph.streams.get(graph.edge_names(name)[index])
    if stream is None or stream.rate is None:
        return
    window = window_samples(stream, node, input_)
    if window is not None and trigger.every > window:
        need = f"buffer_duration of at least {trigger.every / stream.rate:g}" if stream.rate else "a larger max_samples"
        findings.add(
            "G404", every, f"a block of {name} is longer than the window that it keeps of {quote(trigger.stream)}",
            found=f"{trigger.every:,} samples", allowed=f"at most {window:,}", hint=f"give {need}, or shorter blocks",
        )  # fmt: skip
    blocks = stream.rate / trigger.every
    if node.run_frequency is not None and node.run_frequency < blocks * (1 - 1e-9):
        findings.add(
            "G403", (*base, "run_frequency"), f"{name} would fall behind: {hertz(blocks)} of blocks come in",
            found=hertz(node.run_frequency), allowed=f"{hertz(blocks)} or more",
            hint="leave run_frequency out: blocks are then run as they come",
        )  # fmt: skip


def _periods(name: str, node: NodeDef, draft: Draft, findings: Findings) -> None:
    """Warnings of settings that work and are seldom meant."""
    period = 1 / node.frequency if math.isfinite(node.frequency) else 0.0
    if isinstance(node.trigger, EveryTrigger):
        return
    windowed = any(input_.policy != "latest" for input_ in node.input_defs)
    if period > node.buffer_duration and windowed and draft.sound(name, "buffer_duration"):
        findings.add(
            "G451", ("nodes", name, "buffer_duration"),
            f"{name} sees only the last {node.buffer_duration:g} s of every {period:g} s", at="key",
            found=f"buffer_duration {node.buffer_duration:g}", allowed=f"{period:g} or more to see all samples",
        )  # fmt: skip
    if node.hang_timeout is not None and node.hang_timeout < period:
        findings.add(
            "G452", ("nodes", name, "hang_timeout"),
            f"a loop of {name} may take {period:g} s at its frequency, and counts as hung before",
            found=f"{node.hang_timeout:g} s", allowed=f"{period:g} s or more",
        )  # fmt: skip


def _block(
    name: str, stream: str, input_: InputDef, path: JsonPath, live: dict[str, list[str]], findings: Findings
) -> None:
    where = (*path, "policy")
    if input_.delayed:
        message = (
            f"{name} makes the producer of {quote(input_.stream)} wait for a delayed input: they could wait for ever"
        )
        findings.add("G408", where, message, found="block on a delayed input", allowed="fifo or latest")
    elif stream in live:
        source = live[stream][0]
        way = " → ".join([*live[stream], name])
        findings.add(
            "G407", where, f"{name} cannot make {quote(source)} wait, which is live ({way})",
            found=f"block behind the live source {quote(source)}", allowed="fifo or latest",
            hint="block is for recordings and simulated streams",
        )  # fmt: skip


def _behind_live_sources(graph: Graph) -> dict[str, list[str]]:
    """For each stream that a live source reaches, however far, the way to it: the source, then nodes."""
    ways = {stream.name: [stream.name] for stream in graph.external if stream.live}
    waiting = list(ways)
    reached: set[str] = set()
    while waiting:
        stream = waiting.pop(0)
        for edge in graph.consumers(stream):
            if edge.node in reached:
                continue
            reached.add(edge.node)
            way = ways[stream]
            # Of a very long way only its beginning is printed, and kept.
            way = [*way, edge.node] if len(way) < 8 else [*way[:7], "…"]
            for made in graph.outputs_of(edge.node):
                ways[made.name] = way
                waiting.append(made.name)
    return ways
