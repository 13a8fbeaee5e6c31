"""What a launch would do, as plain values: the ``--dry-run`` of a graph, which starts nothing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Literal

from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.graph.changed import with_formats
from rena_graph.graph.document import EveryTrigger, NodeDef, SourceDef
from rena_graph.graph.load import ports_in_use
from rena_graph.graph.model import Graph, Stream
from rena_graph.graph.requirements import requirements_text
from rena_graph.graph.script_outline import outline_script
from rena_graph.runtime.launch.client import choose_transport
from rena_graph.runtime.plan import HostPaths, make_plan
from rena_graph.transport.links import ring_available, segment_bytes, shared_memory_free

__all__ = ["launch_plan", "read_recordings"]


def read_recordings(graph: Graph) -> Graph:
    """`graph` with the formats that its recordings hold where the document does not say them.

    Raises
    ------
    GraphInvalid, StreamFormatError, StreamNotFound
        A recording cannot be read, or is not what the graph expects.
    """
    from rena_graph.bridges.factory import make_source

    found = {}
    for stream in graph.external:
        if stream.complete or stream.source is None or stream.source.source.recording is None:
            continue
        declared = DeclaredFormat.of(stream)
        source = make_source(stream.name, stream.source.source, declared, clock=_no_clock, folder=graph.folder)
        try:
            found[stream.name] = source.find(0.0, threading.Event())
        finally:
            source.close()
    return with_formats(graph, found) if found else graph


def launch_plan(graph: Graph, asked: Literal["auto", "ring", "zmq"] | None) -> dict[str, Any]:
    """Everything that a launch of `graph` would use.

    Parameters
    ----------
    graph : Graph
        Checked, and changed as the command line asks.
    asked : {'auto', 'ring', 'zmq'} | None
        The transport asked for; None leaves it to the document.

    Returns
    -------
    dict
        ``graph``, ``path``, ``transport``, ``nodes`` in the order of their start, ``streams``, ``ports``,
        ``in_the_way`` (what would keep a launch from using its ports now),
        ``shared_memory`` (bytes; ``needed`` is None where a stream's format is known only once it is found).

    Raises
    ------
    EnvironmentRefused
        Rings were asked for and cannot run here.
    """
    transport = choose_transport(graph, asked)
    asked = asked or graph.document.transport
    sizes = _sizes(graph, transport)
    return {
        "graph": graph.name,
        "path": str(graph.path),
        "transport": {"use": transport, "asked": asked, "no_ring": ring_available() if transport != asked else None},
        "nodes": [_node(graph, name) for name in graph.order],
        "streams": [_stream(graph, stream, transport, sizes.get(name)) for name, stream in graph.streams.items()],
        "ports": _ports(graph),
        "in_the_way": [str(problem) for problem in ports_in_use(graph)],
        "shared_memory": {
            "needed": None if len(sizes) < len(graph.streams) else sum(sizes.values()),
            "free": shared_memory_free(),
        },
    }


def _node(graph: Graph, name: str) -> dict[str, Any]:
    node = graph.nodes[name]
    return {
        "name": name,
        "script": str(graph.script_path(name)),
        "class": _script_class(graph.script_path(name)),
        "run_frequency": node.frequency if node.frequency != float("inf") else None,
        "trigger": _trigger(node),
        "inputs": [edge.stream for edge in graph.inputs_of(name)],
        "outputs": [stream.name for stream in graph.outputs_of(name)],
        "params": {key: param.value for key, param in graph.params_of(name).items()},
        "restart": node.restart.policy,
        "pip": requirements_text(graph, name).splitlines(),
        "environment": node.environment,
    }


def _script_class(path: Path) -> str | None:
    """The class that would run; None where only running the script could tell. Nothing is executed here."""
    classes = outline_script(path.read_bytes(), str(path)).classes
    return classes[0][0] if len(classes) == 1 else None


def _trigger(node: NodeDef) -> str:
    if isinstance(node.trigger, EveryTrigger):
        return f"every {node.trigger.every} samples of {node.trigger.stream}"
    if isinstance(node.trigger, list):
        return f"data of {', '.join(node.trigger)}"
    return node.trigger


def _stream(graph: Graph, stream: Stream, transport: str, size: int | None) -> dict[str, Any]:
    sinks = [kind for kind in ("lsl", "zmq") if getattr(stream.sinks, kind) is not None]
    return {
        "name": stream.name,
        "from": f"node {stream.producer}" if stream.source is None else _source(stream.source.source),
        "channels": stream.channels,
        "rate": stream.rate,
        "dtype": stream.dtype,
        "unit": stream.unit,
        "transport": transport,
        "bytes": size,
        "to": [edge.node for edge in graph.consumers(stream.name)] + sinks,
    }


def _source(source: SourceDef) -> str:
    if source.lsl is not None:
        facts = source.lsl.model_dump(exclude_none=True)
        return f"lsl {', '.join(f'{key} {value!r}' for key, value in facts.items())}"
    if source.zmq is not None:
        return f"zmq {source.zmq.host}:{source.zmq.port}"
    if source.recording is not None:
        speed = f" at {source.recording.speed:g} × speed" if source.recording.speed != 1 else ""
        return f"recording {source.recording.path}{speed}{', looped' if source.recording.loop else ''}"
    assert source.simulate is not None
    return f"simulated {source.simulate.kind}"


def _ports(graph: Graph) -> list[dict[str, Any]]:
    ports = []
    for stream in graph.streams.values():
        source = stream.source.source.zmq if stream.source is not None else None
        if source is not None:
            ports.append({"use": "connect", "host": source.host, "port": source.port, "stream": stream.name})
        sink = stream.sinks.zmq
        if sink is not None:
            ports.append({"use": "bind", "host": sink.bind, "port": sink.port, "stream": stream.name})
    return ports


def _sizes(graph: Graph, transport: Literal["ring", "zmq"]) -> dict[str, int]:
    """Bytes of shared memory by stream, or nothing where a format is not known yet."""
    if not all(stream.complete for stream in graph.external):
        return {}
    specs = {stream.name: DeclaredFormat.of(stream).spec(stream.name) for stream in graph.external}
    plan = make_plan(graph, specs, transport, HostPaths.of("dry-run", Path("/")))
    return {name: segment_bytes(port) for name, port in plan.ports.items()}


def _no_clock() -> float:
    """A recording that is only looked at needs no time."""
    return 0.0
