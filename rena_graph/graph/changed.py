"""A graph as it is after a change: simulated, with the formats that were found, with other parameters; checked anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from rena_graph.graph.document import SimulateSource, SourceDef, StreamDef
from rena_graph.graph.model import Graph
from rena_graph.graph.settings import changed_params

__all__ = ["Format", "simulated", "with_formats", "with_params"]


class Format(Protocol):
    """The facts of a stream as the outside tells them; a ``StreamSpec`` is one."""

    @property
    def channels(self) -> int:
        """Values per sample."""
        ...

    @property
    def rate(self) -> float:
        """Hz; 0 is irregular."""
        ...

    @property
    def dtype(self) -> str:
        """One of ``DTYPES``."""
        ...

    @property
    def channel_names(self) -> tuple[str, ...]:
        """As many as channels, or none."""
        ...

    @property
    def unit(self) -> str | None:
        """Of every channel."""
        ...


def simulated(graph: Graph) -> Graph:
    """The same graph with random samples of the declared formats in place of all external streams.

    What a stream does not declare is taken from what its consumers expect of it.

    Raises
    ------
    GraphInvalid
        Where a stream cannot be simulated: of text, or of unknown channels or rate.
    """
    from rena_graph.graph.load import checked_graph

    streams = {name: _simulated(graph, name, stream) for name, stream in graph.document.streams.items()}
    return checked_graph(graph, graph.document.model_copy(update={"streams": streams}))


def with_formats(graph: Graph, found: Mapping[str, Format]) -> Graph:
    """The same graph with the formats of external streams as they were `found`, all checks made again.

    Parameters
    ----------
    found : mapping of str to Format
        By the stream's name; a ``StreamSpec`` will do.

    Raises
    ------
    GraphInvalid
        Where a node expects something else.
    """
    if found.keys().isdisjoint(graph.document.streams):
        return graph
    from rena_graph.graph.load import checked_graph  # a coordinator is on its way to the first sample without it

    streams = dict(graph.document.streams)
    for name, facts in found.items():
        if name not in streams:
            continue  # a node's own simulated input, which is declared in full
        update: dict[str, Any] = {"channels": facts.channels, "rate": facts.rate, "dtype": facts.dtype}
        if facts.channel_names:
            update["channel_names"] = list(facts.channel_names)
        if facts.unit is not None:
            update["unit"] = facts.unit
        streams[name] = streams[name].model_copy(update=update)
    return checked_graph(graph, graph.document.model_copy(update={"streams": streams}))


def with_params(graph: Graph, values: Mapping[str, Any]) -> Graph:
    """The same graph with other parameter values.

    Parameters
    ----------
    values : mapping
        ``{"node.param": value}``.

    Raises
    ------
    UsageError
        For a node or parameter that the graph does not have.
    ParamRefused
        For a value of the wrong type or out of range.
    """
    nodes = changed_params(graph.nodes, values)
    return replace(graph, document=graph.document.model_copy(update={"nodes": nodes}), nodes=nodes)


def _simulated(graph: Graph, name: str, stream: StreamDef) -> StreamDef:
    if stream.source.simulate is not None:
        return stream
    update: dict[str, Any] = {"source": SourceDef(simulate=SimulateSource())}
    for edge in graph.consumers(name):
        for key in ("channels", "rate", "dtype", "unit"):
            if getattr(stream, key) is None and getattr(edge.input, key) is not None:
                update.setdefault(key, getattr(edge.input, key))
    return stream.model_copy(update=update)
