"""What there is to draw of a graph, whatever the format: boxes, arrows, and their words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rena_graph.graph.document import EveryTrigger, NodeDef, SourceDef
from rena_graph.graph.model import Graph, Stream

__all__ = ["Arrow", "Box", "Picture", "format_words", "picture_of", "pulse", "sink_words", "source_words"]


@dataclass(frozen=True)
class Box:
    """A node, or a bridge at the graph's edge.

    Parameters
    ----------
    id : str
        A letter and a number, unique in the picture.
    kind : {'source', 'node', 'sink'}
        What it is.
    title : str
        Its first line.
    lines : tuple of str
        The others.
    """

    id: str
    kind: Literal["source", "node", "sink"]
    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arrow:
    """A stream from one box to another; `start` and `end` are ids."""

    start: str
    end: str
    name: str
    format: str
    delayed: bool = False


@dataclass(frozen=True)
class Picture:
    """Everything to draw; boxes in the order of the data."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def picture_of(graph: Graph) -> Picture:
    """The boxes and arrows of a graph."""
    ids = {node: f"n{index}" for index, node in enumerate(graph.nodes)}
    sources: list[Box] = []
    nodes: list[Box] = []
    sinks: list[Box] = []
    arrows: list[Arrow] = []
    starts = dict.fromkeys(graph.streams, "")
    for index, stream in enumerate(graph.external):
        if stream.source is not None:
            starts[stream.name] = f"s{index}"
            sources.append(Box(f"s{index}", "source", stream.name, (source_words(stream.source.source),)))
    for name in graph.order:
        nodes.append(Box(ids[name], "node", name, _node_lines(name, graph)))
        for stream in graph.outputs_of(name):
            starts[stream.name] = ids[name]
    for edge in graph.edges:
        stream = graph.streams[edge.stream]
        arrows.append(Arrow(starts[edge.stream], ids[edge.node], edge.stream, format_words(stream), edge.input.delayed))
    for stream in graph.streams.values():
        for words in sink_words(stream):
            sinks.append(Box(f"t{len(sinks)}", "sink", words))
            arrows.append(Arrow(starts[stream.name], sinks[-1].id, stream.name, format_words(stream)))
    return Picture(graph.name, (*sources, *nodes, *sinks), tuple(arrows))


def _node_lines(name: str, graph: Graph) -> tuple[str, ...]:
    node = graph.nodes[name]
    unused = [s.name for s in graph.outputs_of(name) if not graph.consumers(s.name) and not sink_words(s)]
    return (node.script, pulse(node), *(f"{stream} (not used)" for stream in unused))


def pulse(node: NodeDef) -> str:
    """What starts a loop of the node, and how often: ``60 Hz``, ``on data, at most 60 Hz``."""
    frequency = f"{node.frequency:g} Hz" if math.isfinite(node.frequency) else ""
    if node.trigger == "clock":
        return frequency
    limit = f", at most {frequency}" if frequency else ""
    if isinstance(node.trigger, EveryTrigger):
        return f"every {node.trigger.every} samples of {node.trigger.stream}{limit}"
    if isinstance(node.trigger, list):
        return f"on {', '.join(node.trigger)}{limit}"
    return f"on data{limit}"


def format_words(stream: Stream) -> str:
    """``8 ch · 250 Hz · float32``, with what is known of it."""
    words = [
        None if stream.channels is None else f"{stream.channels:,} ch",
        None if stream.rate is None else "irregular" if stream.rate == 0 else f"{stream.rate:g} Hz",
        stream.dtype,
        stream.unit,
    ]
    return " · ".join(word for word in words if word) or "format as found"


def source_words(source: SourceDef) -> str:
    """Where an external stream comes from."""
    if source.lsl is not None:
        lsl = source.lsl
        by = (("", lsl.name), ("type ", lsl.type), ("source_id ", lsl.source_id), ("", lsl.predicate))
        return "LSL " + ", ".join(f"{key}{value}" for key, value in by if value)
    if source.zmq is not None:
        topic = f" {source.zmq.topic}" if source.zmq.topic else ""
        return f"ZMQ {source.zmq.host}:{source.zmq.port}{topic}"
    if source.recording is not None:
        loop = ", looped" if source.recording.loop else ""
        speed = f", {source.recording.speed:g} × speed" if source.recording.speed != 1 else ""
        return f"recording {source.recording.path}{speed}{loop}"
    return f"simulated, {source.simulate.kind}" if source.simulate is not None else "simulated"


def sink_words(stream: Stream) -> list[str]:
    """Where a stream is broadcast."""
    words = []
    lsl, zmq = stream.sinks.lsl, stream.sinks.zmq
    if lsl is not None:
        words.append(f"LSL {lsl.name or stream.name}" + (f" ({lsl.type})" if lsl.type else ""))
    if zmq is not None:
        words.append(f"ZMQ {zmq.bind}:{zmq.port}" + (f" {zmq.topic}" if zmq.topic else ""))
    return words
