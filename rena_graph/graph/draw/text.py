"""A graph as text: its nodes in the order of the data, each with what it takes and what it makes."""

from __future__ import annotations

from rena_graph.graph.draw.picture import format_words, pulse, sink_words, source_words
from rena_graph.graph.model import Edge, Graph, Stream

__all__ = ["draw_text"]


def draw_text(graph: Graph) -> str:
    """The graph as lines for a terminal, printable whatever its names hold."""
    head = f"{graph.name}: {_count(len(graph.nodes), 'node')}, {_count(len(graph.streams), 'stream')}"
    lines = [head, *([graph.document.description] if graph.document.description else [])]
    width = min(40, max((len(name) for name in graph.streams), default=0))
    formats = min(40, max((len(format_words(stream)) for stream in graph.streams.values()), default=0))
    for number, level in enumerate(graph.levels, start=1):
        lines += ["", f"level {number}"]
        for name in level:
            node = graph.nodes[name]
            lines.append(f"  {name}   {node.script}   {pulse(node)}, window {node.buffer_duration:g} s")
            for edge in graph.inputs_of(name):
                stream = graph.streams[edge.stream]
                lines.append(_row("◀", stream, _origin(edge, stream), width, formats))
            for stream in graph.outputs_of(name):
                lines.append(_row("▶", stream, _uses(graph, stream), width, formats))
    taken = [stream for stream in graph.external if not graph.consumers(stream.name)]
    if taken:
        lines += ["", "not taken by any node"]
        lines += [_row(" ", stream, _from(stream), width, formats) for stream in taken]
    return "\n".join("".join(c if c.isprintable() else "�" for c in line).rstrip() for line in lines) + "\n"


def _row(mark: str, stream: Stream, words: str, width: int, formats: int) -> str:
    return f"    {mark} {stream.name:<{width}}  {format_words(stream):<{formats}}  {words}"


def _origin(edge: Edge, stream: Stream) -> str:
    options = [
        f'as "{edge.input.as_}"' if edge.input.as_ else None,
        "delayed" if edge.input.delayed else None,
        edge.input.policy if edge.input.policy != "fifo" else None,
        "lossless" if edge.input.lossless else None,
        f"{len(edge.input.pick)} picked" if edge.input.pick else None,
    ]
    told = ", ".join(option for option in options if option)
    return f"from {_from(stream)}{f' ({told})' if told else ''}"


def _from(stream: Stream) -> str:
    return stream.producer or (source_words(stream.source.source) if stream.source is not None else "nowhere")


def _uses(graph: Graph, stream: Stream) -> str:
    takers = [edge.node + (" (delayed)" if edge.input.delayed else "") for edge in graph.consumers(stream.name)]
    uses = ", ".join([*takers, *sink_words(stream)])
    return f"to {uses}" if uses else "to nobody"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
