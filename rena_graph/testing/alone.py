"""What the process of a node would be told, of a graph that holds this node alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rena_graph.errors import UsageError
from rena_graph.graph.build import build_graph
from rena_graph.graph.document import GraphDocument, NodeDef
from rena_graph.graph.model import Stream
from rena_graph.graph.sources import StreamDef
from rena_graph.runtime.plan import HostPaths, make_plan
from rena_graph.runtime.setup import NodeSetup
from rena_graph.streams.spec import StreamSpec

__all__ = ["definition_of", "format_of", "setup_of"]


def definition_of(path: Path, node: NodeDef | Mapping[str, Any] | None) -> NodeDef:
    """The node as it would stand in a graph.

    Raises
    ------
    UsageError
        It cannot stand there so.
    """
    if isinstance(node, NodeDef):
        return node
    try:
        return NodeDef.model_validate({"script": str(path), **(node or {})})
    except ValidationError as error:
        raise UsageError(f"this is no definition of a node: {error}") from error


def setup_of(node: NodeDef, streams: Mapping[str, StreamSpec], name: str, folder: Path) -> NodeSetup:
    """The setup of a node whose input streams have these formats.

    Raises
    ------
    UsageError
        An input has no stream.
    StreamFormatError
        A stream is not what its input expects.
    """
    missing = [i.stream for i in node.input_defs if i.stream not in streams]
    if missing:
        raise UsageError(
            f"the format of {', '.join(map(repr, missing))} is not known; "
            f"give streams={{{missing[0]!r}: StreamSpec({missing[0]!r}, channels, dtype, rate)}}"
        )
    sources = {i.stream: StreamDef.model_validate({"from": {"simulate": {}}}) for i in node.input_defs}
    alone = node.model_copy(update={"simulate_input": False})
    document = GraphDocument(version=1, name="harness", streams=sources, nodes={name: alone})
    graph = build_graph(document, folder / "harness.json", folder)
    plan = make_plan(graph, dict(streams), "ring", HostPaths("harness", folder, folder))
    return plan.setup(name, 0, {})


def format_of(stream: Stream) -> StreamSpec:
    """The format of a graph's stream.

    Raises
    ------
    UsageError
        Only the outside knows it.
    """
    if stream.channels is None or stream.rate is None or stream.dtype is None:
        raise UsageError(
            f"the graph leaves the format of {stream.name!r} to be found outside; "
            f"give streams={{{stream.name!r}: StreamSpec(...)}}"
        )
    return StreamSpec(stream.name, stream.channels, stream.dtype, stream.rate, stream.channel_names, stream.unit)
