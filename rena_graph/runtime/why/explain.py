"""The way upwards: from the place of the question through nodes and edges to what keeps the data."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from rena_graph.errors import UsageError
from rena_graph.runtime.why.finding import Finding, ago, many, per_second
from rena_graph.runtime.why.nodes import look_at_life, look_at_loops, look_at_outputs
from rena_graph.runtime.why.situation import Situation
from rena_graph.runtime.why.sources import look_at_source

__all__ = ["Explanation", "explain", "place_of"]


@dataclass(frozen=True)
class Explanation:
    """The answer.

    Parameters
    ----------
    flows : bool
        Whether data gets through at the place of the question.
    findings : tuple of Finding
        In the order in which they were met, from the place upwards.
    """

    flows: bool
    findings: tuple[Finding, ...]

    @property
    def causes(self) -> tuple[Finding, ...]:
        """What keeps the data, the farthest up first: the others follow from it."""
        stops = [finding for finding in self.findings if finding.verdict == "stops"]
        return tuple(sorted(stops, key=lambda finding: -finding.depth))


def place_of(word: str, now: Situation) -> tuple[str, str | None]:
    """Node, and stream where one is named, of ``NODE`` or ``NODE.STREAM``.

    Raises
    ------
    UsageError
        The graph has no such place; names the nearest.
    """
    nodes = now.document["nodes"]
    if word in nodes:
        return word, None
    node, dot, stream = word.partition(".")
    if node not in nodes:
        near = get_close_matches(node, nodes, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"its nodes are {', '.join(nodes)}"
        raise UsageError(f"the graph has no node {node!r}; {hint}")
    known = [*now.inputs(node), *now.outputs(node)]
    if dot and stream not in known:
        near = get_close_matches(stream, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none'}"
        raise UsageError(f"node {node!r} neither takes nor makes a stream {stream!r}; {hint}")
    return node, stream


def explain(now: Situation, node: str, stream: str | None = None) -> Explanation:
    """Why nothing flows at a node, or at one of its streams; or that it does.

    Parameters
    ----------
    now : Situation
        What is known.
    node : str
        Where.
    stream : str | None
        One of its inputs or outputs; all of its outputs where None (its loops where it has none).
    """
    walk = _Walk(now)
    if stream is not None and stream in now.inputs(node):
        flows = walk.edge(stream, node, 0)
    elif stream is not None:
        flows = walk.node(node, [stream], 0)
    else:
        flows = walk.node(node, list(now.outputs(node)), 0)
    return Explanation(flows, tuple(walk.findings))


class _Walk:
    def __init__(self, now: Situation) -> None:
        self._now = now
        self._seen: dict[tuple[str, ...], bool] = {}
        self.findings: list[Finding] = []

    def _say(self, finding: Finding | None) -> bool:
        if finding is not None:
            self.findings.append(finding)
        return finding is not None

    def node(self, node: str, streams: list[str], depth: int) -> bool:
        """Whether `streams`, which this node makes, flow; all that hinders them."""
        asked = (node, *streams)
        if asked not in self._seen:
            self._seen[asked] = self._node(node, streams, depth)
        return self._seen[asked]

    def _node(self, node: str, streams: list[str], depth: int) -> bool:
        now = self._now
        if self._say(look_at_life(now, node, depth)):
            return False
        flowing = [stream for stream in streams if now.flows(stream)]
        loops = now.node_grew(node, "loops")
        if loops or not now.triggers(node):
            reached = now.node(node).get("rate") or 0.0
            self._say(
                Finding(node, "note", f"loops: {per_second(loops, now.seconds)} (lately {reached:.3g} Hz)", None, depth)
            )
        hindrances = look_at_loops(now, node, depth)
        self.findings += hindrances
        self._sinks(streams, depth)
        if len(flowing) == len(streams) and (loops or streams):
            self.findings += look_at_outputs(now, node, streams, depth)
            return True
        if any(finding.verdict == "stops" for finding in hindrances):
            return False
        starved = self._starved(node, depth)
        if not starved:
            self.findings += look_at_outputs(now, node, streams, depth)
        return False

    def _sinks(self, streams: list[str], depth: int) -> None:
        for stream in streams:
            for edge in self._now.sinks(stream):
                text = f"{many(edge['delivered'], 'sample')} left for {edge['to']}; that nobody takes them is no fault"
                self._say(Finding(stream, "note", text, None, depth))

    def _starved(self, node: str, depth: int) -> bool:
        """Whether too little reaches the node for a loop that could put something out; follows its inputs up."""
        now = self._now
        inputs = [stream for stream, entry in now.inputs(node).items() if not entry.get("delayed")]
        triggers = now.triggers(node)
        waits = triggers and not now.node_grew(node, "loops")
        dry = [stream for stream in triggers or inputs if not self.edge(stream, node, depth + 1)]
        if waits and not dry:
            return self._short_block(node, triggers, depth)
        if waits:
            what = "data on " + " or ".join(triggers)
            self._insert(
                Finding(
                    node,
                    "note",
                    f"waits for {what}; {many(now.node(node).get('loops', 0), 'loop')} so far",
                    None,
                    depth,
                )
            )
            return len(dry) == len(triggers)
        return bool(inputs) and len(dry) == len(triggers or inputs)

    def _insert(self, finding: Finding) -> None:
        """Before what was found further up because of it."""
        at = next((i for i, other in enumerate(self.findings) if other.depth > finding.depth), len(self.findings))
        self.findings.insert(at, finding)

    def _short_block(self, node: str, triggers: list[str], depth: int) -> bool:
        now, every = self._now, self._now.every(node)
        if every is None:
            return False
        (stream,) = triggers
        there, rate = now.edge(stream, node).get("in_flight", 0), now.stream_grew(stream) / now.seconds
        text = f"waits until a block of {stream} is complete: {there:,} of {every:,} samples are there"
        if rate:
            text += f"; at {rate:.3g} Hz it takes {every / rate:.3g} s"
        self._insert(Finding(node, "stops" if there < every else "note", text, None, depth))
        return bool(there < every)

    def edge(self, stream: str, node: str, depth: int) -> bool:
        """Whether new samples of this stream reach the node; what keeps them."""
        now = self._now
        producer = now.producers.get(stream)
        if producer is None:
            source = look_at_source(now, stream, depth)
            self._say(source)
            flows = source.verdict == "flows"
        elif now.flows(stream):
            text = f"flows: {per_second(now.stream_grew(stream), now.seconds)}, the newest is "
            self._say(Finding(stream, "flows", text + ago(now.stream(stream).get("age")), None, depth))
            flows = True
        else:
            produced, age = now.stream(stream).get("produced", 0), now.stream(stream).get("age")
            so_far = f"{many(produced, 'sample')} so far, the newest {ago(age)}" if produced else "no sample yet"
            self._say(Finding(stream, "note", f"nothing new from {producer}: {so_far}", None, depth))
            flows = self.node(producer, [stream], depth + 1)
        return flows and self._taken(stream, node, depth)

    def _taken(self, stream: str, node: str, depth: int) -> bool:
        """Of a stream that flows: whether the node sees it."""
        now = self._now
        dropped, delivered = now.dropped(stream, node), now.edge_grew(stream, node, "delivered")
        lost = sum(dropped.values())
        if lost and not delivered:
            why = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
            policy = now.inputs(node)[stream].get("policy", "fifo")
            text = f"all is dropped before {node} sees it: {why} in the last {now.seconds:.1f} s (policy {policy!r})"
            remedy = "a longer buffer_duration, or a faster loop; docs/graph.md says what each reason means"
            self._say(Finding(stream, "stops", text, remedy, depth))
            return False
        if lost:
            why = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
            text = f"{why} dropped before {node} saw them, of {lost + delivered:,} in the last {now.seconds:.1f} s"
            self._say(Finding(stream, "slows", text, None, depth))
        return True
