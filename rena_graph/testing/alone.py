"""What the process of a node would be told, of a graph that holds this node alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rena_graph.errors import UsageError
from rena_graph.graph.document import NodeDef
from rena_graph.graph.load import graph_from_dict
from rena_graph.graph.model import Graph, Stream
from rena_graph.runtime.plan import HostPaths, make_plan
from rena_graph.runtime.setup import NodeSetup
from rena_graph.streams.spec import StreamSpec

__all__ = ["format_of", "graph_of", "setup_of"]


def graph_of(
    node: NodeDef | Mapping[str, Any], streams: Mapping[str, StreamSpec], name: str, script: Path, folder: Path
) -> Graph:
    """A checked graph of one node, whose input streams have these formats.

    Parameters
    ----------
    node : NodeDef | mapping
        As in a graph; ``script`` may be left out, and inputs are real also where the graph would simulate them.
    streams : mapping of str to StreamSpec
        By the stream's name in the graph.
    name, script, folder : str, Path, Path
        The node's name, its script, and what paths are relative to.

    Raises
    ------
    UsageError
        An input has no stream.
    GraphInvalid
        Such a graph has errors.
    """
    given = node.model_dump(by_alias=True, exclude_unset=True) if isinstance(node, NodeDef) else dict(node)
    given = {"script": str(script), **given, "simulate_input": False}
    sources = {stream: _source(spec) for stream, spec in streams.items() if stream not in given.get("outputs", {})}
    document = {"version": 1, "name": "harness", "streams": sources, "nodes": {name: given}}
    wanted = [i if isinstance(i, str) else i.get("stream") for i in given.get("inputs", [])]
    missing = [stream for stream in wanted if stream not in sources and stream not in given.get("outputs", {})]
    if missing:
        raise UsageError(
            f"the format of {', '.join(map(repr, missing))} is not known; "
            f"give streams={{{missing[0]!r}: StreamSpec({missing[0]!r}, channels, dtype, rate)}}"
        )
    return graph_from_dict(document, folder, check_scripts=False)


def _source(spec: StreamSpec) -> dict[str, Any]:
    """A source that may have any dtype, and may be made to wait; it is never opened."""
    declared = {"channels": spec.channels, "rate": spec.rate, "dtype": spec.dtype, "unit": spec.unit}
    names = {"channel_names": list(spec.channel_names)} if spec.channel_names else {}
    return {"from": {"recording": {"path": "fed-by-the-test.npz"}}, **declared, **names}


def setup_of(graph: Graph, node: str, streams: Mapping[str, StreamSpec]) -> NodeSetup:
    """What the process of `node` would be told."""
    plan = make_plan(graph, dict(streams), "ring", HostPaths("harness", graph.folder, graph.folder))
    return plan.setup(node, 0, {})


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
