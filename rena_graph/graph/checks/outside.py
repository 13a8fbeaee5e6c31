"""Checks of what the graph opens towards the outside: ZMQ ports and LSL outlets."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import NamedTuple

from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph
from rena_graph.graph.problems import JsonPath
from rena_graph.graph.wording import quote

__all__ = ["Binding", "bindings", "check", "check_ports"]

_ALL = ("*", "0.0.0.0", "::")
_LOCAL = {"localhost": "127.0.0.1"}


class Binding(NamedTuple):
    """A port that the graph publishes on."""

    stream: str
    bind: str
    port: int
    path: JsonPath


def bindings(graph: Graph) -> Iterator[Binding]:
    """All ports that the graph publishes on, in the document's order."""
    for stream in graph.streams.values():
        sink = stream.sinks.zmq
        if sink is not None and stream.producer is not None:
            path = ("nodes", stream.producer, "outputs", stream.name, "to", "zmq")
            yield Binding(stream.name, _LOCAL.get(sink.bind, sink.bind), sink.port, path)


def check(graph: Graph, findings: Findings) -> None:
    """G601, G604 and G651."""
    _ports_twice(graph, findings)
    _outlets(graph, findings)


def _ports_twice(graph: Graph, findings: Findings) -> None:
    taken: dict[int, dict[str, str]] = {}
    for binding in bindings(graph):
        others = taken.setdefault(binding.port, {})
        other = _clash(binding.bind, others)
        if other is not None:
            findings.add(
                "G601", (*binding.path, "port"),
                f"{quote(binding.stream)} and {quote(other)} are both published on port {binding.port}",
                found=str(binding.port), hint="give each a port of its own",
            )  # fmt: skip
        others.setdefault(binding.bind, binding.stream)
    for stream in graph.external:
        source = stream.source.source.zmq if stream.source is not None else None
        if source is None:
            continue
        own = _clash(_LOCAL.get(source.host, source.host), taken.get(source.port, {}))
        if own is not None:
            findings.add(
                "G601", ("streams", stream.name, "from", "zmq", "port"),
                f"{quote(stream.name)} comes from port {source.port}, where this graph itself publishes {quote(own)}",
                found=str(source.port), hint=f"take {quote(own)} by its name: that needs no port",
            )  # fmt: skip


def _clash(address: str, others: dict[str, str]) -> str | None:
    """The stream that holds the same port at an address that overlaps."""
    if address in others:
        return others[address]
    if address in _ALL:
        return next(iter(others.values()), None)
    return next((others[wide] for wide in _ALL if wide in others), None)


def _outlets(graph: Graph, findings: Findings) -> None:
    sources: dict[str, str] = {}
    for stream in graph.external:
        lsl = stream.source.source.lsl if stream.source is not None else None
        if lsl is not None and lsl.name is not None:
            sources.setdefault(lsl.name, stream.name)
    seen: dict[str, str] = {}
    for stream in graph.streams.values():
        sink = stream.sinks.lsl
        if sink is None or stream.producer is None:
            continue
        name = sink.name or stream.name
        path = ("nodes", stream.producer, "outputs", stream.name, "to", "lsl")
        if name in seen:
            message = f"{quote(seen[name])} and {quote(stream.name)} both have the LSL outlet {quote(name)}"
            findings.add("G604", path, message, found=quote(name), hint="give one of them another name")
        seen.setdefault(name, stream.name)
        if name in sources:
            message = f"the outlet {quote(name)} has the name of the LSL source of {quote(sources[name])}"
            hint = "give the outlet another name, or the source a type or source_id of its own"
            findings.add("G651", path, message, found=quote(name), hint=hint)


def check_ports(graph: Graph, findings: Findings) -> None:
    """G602 and G603: binds each port for a moment, as the outlets will."""
    for binding in bindings(graph):
        number = _try_bind(binding.bind, binding.port)
        if number is None:
            continue
        path = (*binding.path, "port")
        where = f"port {binding.port} of {binding.bind}"
        if number == errno.EADDRINUSE:
            message = f"{where} is in use on this machine"
            hint = "end the program that holds it, or choose another port"
            findings.add("G602", path, message, found=str(binding.port), allowed="a free port", hint=hint)
        else:
            message = f"{quote(binding.stream)} cannot be published on {where}: {os.strerror(number).lower()}"
            findings.add("G603", path, message, found=str(binding.port), hint=_remedy(number))


def _remedy(number: int) -> str:
    if number == errno.EACCES:
        return "ports below 1024 need privileges: choose a larger one"
    return "bind an address of this machine, 127.0.0.1, or * for all"


def _try_bind(address: str, port: int) -> int | None:
    """The error number with which binding fails, or None."""
    address = "0.0.0.0" if address == "*" else address
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As ZMQ does, so that connections that have just ended are no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL
    return None
