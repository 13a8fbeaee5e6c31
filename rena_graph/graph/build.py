"""Makes a graph of a document: names become streams and edges, unchecked."""

from __future__ import annotations

from pathlib import Path

from rena_graph.graph.document import GraphDocument, InputDef, OutputDef, StreamDef
from rena_graph.graph.model import Edge, Graph, Stream, simulated_name

__all__ = ["build_graph"]


def build_graph(document: GraphDocument, path: Path, folder: Path, allow_code: tuple[Path, ...] = ()) -> Graph:
    """Make streams and edges of a document's names, without checking them.

    Of two producers of a stream the first counts, and an input that nobody feeds makes no edge: the checks report
    both.
    """
    streams = {name: _external(name, definition) for name, definition in document.streams.items()}
    for node_name, node in document.nodes.items():
        for name, output in node.outputs.items():
            if name not in streams:
                streams[name] = _made(name, node_name, output)
    edges: list[Edge] = []
    for node_name, node in document.nodes.items():
        for input_ in node.input_defs:
            name = input_.stream
            if node.simulate_input:
                name = simulated_name(input_.stream, node_name)
                streams.setdefault(name, _stand_in(name, streams.get(input_.stream), input_))
            if name in streams:
                edges.append(Edge(name, node_name, input_, len(edges)))
    return Graph(path, folder, document, streams, dict(document.nodes), tuple(edges), (), allow_code)


def _external(name: str, definition: StreamDef) -> Stream:
    dtype: str | None = definition.dtype
    if definition.source.simulate is not None:
        dtype = dtype or "float32"
    names = tuple(definition.channel_names or ())
    return Stream(name, None, definition, None, definition.channels, definition.rate, dtype, names, definition.unit)


def _made(name: str, node: str, output: OutputDef) -> Stream:
    names = tuple(output.channel_names or ())
    return Stream(name, node, None, output, output.channels, output.rate, output.dtype, names, output.unit)


def _stand_in(name: str, original: Stream | None, expected: InputDef) -> Stream:
    """A simulator with the format of the `original`, or, where that is unknown, with the one that is expected."""
    given = original or Stream(name, None, None, None, None, None, None)
    definition = StreamDef.model_validate({"from": {"simulate": {}}}).model_copy(
        update={
            "channels": expected.channels if given.channels is None else given.channels,
            "rate": expected.rate if given.rate is None else given.rate,
            "dtype": given.dtype or expected.dtype or "float32",
            "channel_names": list(given.channel_names) or None,
            "unit": given.unit or expected.unit,
        }
    )
    return _external(name, definition)
