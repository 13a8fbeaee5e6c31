"""Why nothing comes from outside: what holds at an external stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rena_graph.runtime.why.finding import Finding, ago, many, per_second
from rena_graph.runtime.why.situation import Situation

__all__ = ["look_at_source"]


def look_at_source(now: Situation, stream: str, depth: int) -> Finding:
    """The one thing that holds of an external stream."""
    known, (kind, source) = now.stream(stream), now.source(stream)
    state, produced, age = known.get("source_state"), known.get("produced", 0), known.get("age")
    if not known or state is None:
        return Finding(stream, "stops", "the run has not let it in yet", "rena-graph status RUN", depth)
    match state:
        case "waiting":
            text = f"no {_wanted(kind, source)} has been seen yet"
            return Finding(stream, "stops", text, _start_it(kind), depth)
        case "lost":
            text = f"its {_wanted(kind, source)} went away; {many(produced, 'sample')} came, the newest is {ago(age)}"
            return Finding(stream, "stops", text, "start it again: it is taken up as soon as it is back", depth)
        case "refused":
            text = f"its {_wanted(kind, source)} is there, in another format than the graph says"
            remedy = "rena-graph logs RUN --node run --level warning says what differs"
            return Finding(stream, "stops", text, remedy, depth)
        case "ended":
            text = f"it has ended after {many(produced, 'sample')}"
            return Finding(stream, "stops", text, _endless(kind), depth)
    return _connected(now, stream, kind, depth)


def _connected(now: Situation, stream: str, kind: str, depth: int) -> Finding:
    produced, age = now.stream(stream).get("produced", 0), now.stream(stream).get("age")
    rejected = now.stream_grew(stream, "rejected")
    if rejected and not now.stream_grew(stream):
        text = f"all that arrives is rejected: {many(rejected, 'message')} in the last {now.seconds:.1f} s"
        remedy = "channels or dtype differ from the sender's: rena-graph logs RUN --node run --level warning"
        return Finding(stream, "stops", text, remedy, depth)
    if now.flows(stream):
        grown = now.stream_grew(stream)
        text = f"flows: {per_second(grown, now.seconds)}, the newest sample is {ago(age)}"
        return Finding(stream, "flows", text, None, depth)
    who = "its sender is connected" if kind in ("lsl", "zmq") else "its source runs"
    if not produced:
        return Finding(stream, "stops", f"{who}, but has sent no sample yet", "look whether the device sends", depth)
    if not now.stream(stream).get("nominal_rate"):
        text = (
            f"{who}; the newest of its {many(produced, 'sample')} is {ago(age)}. It is irregular: perhaps all is well"
        )
        return Finding(stream, "stops", text, "make the sender send", depth)
    if silent := now.silent_hosts:
        text = f"its newest sample is {ago(age)}; nothing is heard of host {' and '.join(silent)}, where it may come in"
        return Finding(stream, "stops", text, "look at that machine, and at the network", depth)
    text = f"{who}, but its newest sample is {ago(age)}"
    return Finding(stream, "stops", text, "look whether the device still sends", depth)


def _wanted(kind: str, source: Mapping[str, Any]) -> str:
    if kind == "lsl":
        said = ", ".join(f"{key} {value!r}" for key, value in source.items() if value is not None)
        return f"LSL stream with {said}"
    if kind == "zmq":
        return f"ZMQ publisher at {source.get('host', '127.0.0.1')}:{source.get('port')}"
    return f"{kind} source"


def _start_it(kind: str) -> str:
    return "start the device; rena-graph streams lists what there is" if kind == "lsl" else "start the sender"


def _endless(kind: str) -> str | None:
    return '"loop": true in the graph plays a recording for ever' if kind == "recording" else None
