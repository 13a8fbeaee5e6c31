"""The plan of a launch as lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rena_graph.cli.output import columns
from rena_graph.cli.view.numbers import size

__all__ = ["package_lines", "plan_lines"]

_TRANSPORTS = {"ring": "shared-memory rings", "zmq": "ZMQ"}


def plan_lines(plan: Mapping[str, Any]) -> list[str]:
    """What :func:`rena_graph.cli.dry_run.launch_plan` gave, for people."""
    transport = plan["transport"]
    lines = [
        f"{plan['graph']} ({plan['path']}): this would run, nothing was started",
        "",
        "nodes, in the order of their start; each runs the code of its script:",
        *_indented(_node(node) for node in plan["nodes"]),
        *package_lines({node["name"]: node for node in plan["nodes"]}),
        "",
        f"streams, over {_TRANSPORTS[transport['use']]}:",
        *_indented(_stream(stream) for stream in plan["streams"]),
    ]
    if transport["no_ring"]:
        lines.append(f"  no rings here, since {transport['no_ring']}")
    if plan["ports"]:
        lines += ["", "ports:", *_indented(_port(port) for port in plan["ports"])]
    lines += ["", _memory(plan["shared_memory"])]
    if plan["in_the_way"]:
        lines += ["", "a launch now would fail:", *(problem for problem in plan["in_the_way"])]
    return lines


def package_lines(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What nodes ask for beyond what their hosts have: of each, ``pip`` (lines) and ``environment``."""
    rows = [
        (name, ", ".join(node["pip"]), f"from {node['environment']}" if node["environment"] else "")
        for name, node in nodes.items()
        if node["pip"] or node["environment"]
    ]
    return ["", "packages of their own, made on the node's host before it starts:", *_indented(rows)] if rows else []


def _indented(rows: Any) -> list[str]:
    return [f"  {line}" for line in columns(rows)]


def _node(node: Mapping[str, Any]) -> tuple[str, ...]:
    most = "as fast as data comes" if node["run_frequency"] is None else f"at most {node['run_frequency']:g} Hz"
    trigger = "on its clock" if node["trigger"] == "clock" else f"on {node['trigger']}"
    params = " ".join(f"{name}={value!r}" for name, value in node["params"].items())
    return node["name"], f"{most}, {trigger}", f"{_class(node['class'])} in {node['script']}", params


def _class(name: str | None) -> str:
    return f"class {name}" if name else "a class that only running it could tell"


def _stream(stream: Mapping[str, Any]) -> tuple[str, ...]:
    unknown = [key for key in ("channels", "rate", "dtype") if stream[key] is None]
    if unknown:
        form = f"{', '.join(unknown)}: known once it is found"
    else:
        pace = f"at {stream['rate']:g} Hz" if stream["rate"] else "irregular"
        form = f"{stream['channels']} × {stream['dtype']} {pace}{', ' + stream['unit'] if stream['unit'] else ''}"
    where = f"→ {', '.join(stream['to'])}" if stream["to"] else "taken by nobody"
    memory = size(stream["bytes"]) if stream["transport"] == "ring" else ""
    return stream["name"], f"from {stream['from']}", form, memory, where


def _port(port: Mapping[str, Any]) -> tuple[str, ...]:
    what = "bound by the stream" if port["use"] == "bind" else "where the publisher is looked for, of the stream"
    return f"{port['host']}:{port['port']}", f"{what} {port['stream']}"


def _memory(memory: Mapping[str, Any]) -> str:
    if memory["needed"] is None:
        return f"shared memory: known once all streams are found; {size(memory['free'])} free"
    return f"shared memory: {size(memory['needed'])} of {size(memory['free'])} free"
