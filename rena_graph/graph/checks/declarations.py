"""Checks of what streams say of themselves: enough of it, and what their sources and sinks can carry."""

from __future__ import annotations

from rena_graph.graph.document import LSL_DTYPES, OutputDef, StreamDef
from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph, simulated_name
from rena_graph.graph.problems import JsonPath
from rena_graph.graph.shape import Draft
from rena_graph.graph.wording import join, plural, quote

__all__ = ["check"]

_WIDER = {"uint8": "int16", "uint16": "int32", "uint32": "int64", "uint64": "int64 (below 2^63)", "bool": "int8"}


def check(graph: Graph, draft: Draft, findings: Findings) -> None:
    """G302 and G306 to G309."""
    for name, stream in draft.streams.items():
        path: JsonPath = ("streams", name)
        _channel_names(name, stream, path, findings)
        _source(name, stream, path, findings)
    for node_name, node in graph.nodes.items():
        for name, output in node.outputs.items():
            path = ("nodes", node_name, "outputs", name)
            _channel_names(name, output, path, findings)
            _sinks(name, output, path, findings)
        if node.simulate_input:
            _simulated_inputs(node_name, graph, draft, findings)


def _channel_names(name: str, stream: StreamDef | OutputDef, path: JsonPath, findings: Findings) -> None:
    names, channels = stream.channel_names, stream.channels
    if names is not None and channels is not None and len(names) != channels:
        message = f"{quote(name)} has {plural(channels, 'channel')} and {plural(len(names), 'channel name')}"
        found = plural(len(names), "name")
        findings.add("G302", (*path, "channel_names"), message, found=found, allowed=plural(channels, "name"))


def _source(name: str, stream: StreamDef, path: JsonPath, findings: Findings) -> None:
    source = stream.source
    if source.lsl is not None and stream.dtype is not None and stream.dtype not in LSL_DTYPES:
        hint = "leave dtype out to take what the outlet has"
        _not_for_lsl(name, stream.dtype, path, hint, findings)
    elif source.simulate is not None:
        _needs(name, stream, ("channels", "rate"), path, "nothing else tells a simulator", findings)
        if stream.dtype == "string":
            message = f"{quote(name)} is of text, which cannot be simulated"
            findings.add("G307", (*path, "dtype"), message, found="string", allowed="a number type or bool")
    elif source.zmq is not None:
        _needs(name, stream, ("channels", "rate", "dtype"), path, "ZMQ messages do not tell it", findings)
        if stream.dtype == "string":
            message = f"{quote(name)} is of text, and ZMQ messages are raw numbers"
            findings.add("G309", (*path, "dtype"), message, found="string", allowed="a number type or bool")


def _not_for_lsl(name: str, dtype: str, path: JsonPath, hint: str, findings: Findings) -> None:
    message = f"{quote(name)} is {dtype}, which LSL cannot carry"
    findings.add("G308", (*path, "dtype"), message, found=dtype, allowed=join(LSL_DTYPES), hint=hint)


def _needs(name: str, stream: StreamDef, keys: tuple[str, ...], path: JsonPath, why: str, findings: Findings) -> None:
    missing = [key for key in keys if getattr(stream, key) is None]
    if missing:
        words = join(missing, "and")
        message = f"{quote(name)} does not say its {words}: {why}"
        findings.add("G306", path, message, found=f"no {words}", hint=f"add {words} to the stream", at="key")


def _sinks(name: str, output: OutputDef, path: JsonPath, findings: Findings) -> None:
    if output.to.lsl is not None and output.dtype not in LSL_DTYPES:
        _not_for_lsl(name, output.dtype, path, f"{_WIDER[output.dtype]} holds its values", findings)
    if output.to.zmq is not None and output.dtype == "string":
        message = f"{quote(name)} is of text, and ZMQ messages are raw numbers"
        findings.add("G309", (*path, "dtype"), message, found="string", hint="broadcast it over LSL")


def _simulated_inputs(node: str, graph: Graph, draft: Draft, findings: Findings) -> None:
    """The stand-ins of a node whose inputs are simulated, as far as they could be made."""
    for index, input_ in enumerate(graph.nodes[node].input_defs):
        stream = graph.streams.get(simulated_name(input_.stream, node))
        known = input_.stream in graph.streams or (input_.channels is not None and input_.rate is not None)
        if stream is None or not known:
            continue  # the stream itself is unknown or broken, and reported as that
        path = draft.input_path(node, index)
        missing = [key for key in ("channels", "rate") if getattr(stream, key) is None]
        if missing:
            words = join(missing, "and")
            message = f"the input {quote(input_.stream)} of {node} cannot be simulated without its {words}"
            findings.add("G306", path, message, found=f"no {words}", hint=f"add {words} to the input or the stream")
        if stream.dtype == "string":
            message = f"the input {quote(input_.stream)} of {node} is of text, which cannot be simulated"
            findings.add("G307", path, message, found="string", allowed="a number type or bool")
