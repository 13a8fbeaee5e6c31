"""From what the graph says to the bridge that does it. Libraries are loaded only for the kinds that are used."""

from __future__ import annotations

from pathlib import Path

from rena_graph.bridges.base import Clock, SinkBridge, SourceBridge
from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.graph.document import LslSink, SourceDef, ZmqSink
from rena_graph.streams.spec import StreamSpec

__all__ = ["make_sink", "make_source"]


def make_source(name: str, source: SourceDef, declared: DeclaredFormat, *, clock: Clock, folder: Path) -> SourceBridge:
    """The bridge that brings an external stream in.

    Parameters
    ----------
    name : str
        The stream's name in the graph.
    source : SourceDef
        Its ``from``.
    declared : DeclaredFormat
        What the graph says about its format: ``DeclaredFormat.of(stream)``.
    clock : callable
        Graph time in seconds.
    folder : Path
        What a recording's path is relative to: the graph file's folder.

    Raises
    ------
    StreamFormatError
        This kind of source cannot carry the declared format.
    MissingExtra
        The library behind it cannot be loaded.
    """
    if source.simulate is not None:
        from rena_graph.bridges.simulate import SimulateBridge

        return SimulateBridge(name, source.simulate, declared, clock)
    if source.recording is not None:
        from rena_graph.bridges.recording import RecordingBridge

        return RecordingBridge(name, source.recording, declared, clock, folder)
    if source.zmq is not None:
        from rena_graph.bridges.zmq_source import ZmqSourceBridge

        return ZmqSourceBridge(name, source.zmq, declared, clock)
    assert source.lsl is not None
    from rena_graph.bridges.lsl_source import LslSourceBridge

    return LslSourceBridge(name, source.lsl, declared, clock)


def make_sink(
    spec: StreamSpec, sink: LslSink | ZmqSink, *, graph: str, instance: str | None = None, clock: Clock
) -> SinkBridge:
    """The bridge that carries a stream outside.

    Parameters
    ----------
    spec : StreamSpec
        What flows.
    sink : LslSink or ZmqSink
        One of the output's ``to``.
    graph, instance : str
        Name of the graph and of this instance of it: an LSL outlet's ``source_id`` is made of them.
    clock : callable
        Graph time in seconds.

    Raises
    ------
    StreamFormatError
        This kind of sink cannot carry the stream's dtype.
    MissingExtra
        The library behind it cannot be loaded.
    """
    if isinstance(sink, ZmqSink):
        from rena_graph.bridges.zmq_sink import ZmqSinkBridge

        return ZmqSinkBridge(spec, sink, clock)
    from rena_graph.bridges.lsl_sink import LslSinkBridge

    return LslSinkBridge(spec, sink, clock, graph=graph, instance=instance)
