"""Why a node gives nothing on: what holds at the node itself, before one looks at what reaches it."""

from __future__ import annotations

from rena_graph.runtime.why.finding import Finding, ago, many, per_second
from rena_graph.runtime.why.situation import Situation

__all__ = ["look_at_life", "look_at_loops", "look_at_outputs"]

_LOGS = "rena-graph logs RUN --node {} --level error"


def look_at_life(now: Situation, node: str, depth: int) -> Finding | None:
    """Why it cannot loop at all; None where it can."""
    known = now.node(node)
    state = known.get("state", "placing")
    error = f": {_last_line(known['error'])}" if known.get("error") else ""
    text, remedy = None, None
    if state in ("placing", "loading", "initializing", "ready"):
        text = f"is still {state}"
        remedy = "its load or init() takes long: rena-graph logs RUN --node " + node
    elif state == "restarting":
        text = f"is being restarted, for the {_ordinal(known.get('restarts', 0))} time{error}"
        remedy = _LOGS.format(node)
    elif state == "failed":
        text, remedy = f"has failed{error}", _LOGS.format(node)
    elif state in ("stopping", "stopped"):
        text = f"is {state}"
        remedy = "the run is being stopped" if now.after["state"] != "running" else f"rena-graph restart RUN {node}"
    elif state == "paused":
        text = f"is paused, after {many(known.get('loops', 0), 'loop')}"
        remedy = f"rena-graph resume RUN {node}, or rena-graph step RUN {node}"
    elif (silent := now.silent_for(known.get("host"))) is not None:
        text = f"is on host {known['host']}, of which nothing has been heard for {silent:.1f} s"
        remedy = "look at that machine, and at the network; after 20 s without a word it is taken for lost"
    elif known.get("stale"):
        text = f"is stale: no sign of life, and {many(known.get('loops', 0), 'loop')} since its start"
        remedy = f"it hangs in loop() or is stopped: rena-graph restart RUN {node}, or a hang_timeout in the graph"
    return None if text is None else Finding(node, "stops", text, remedy, depth)


def look_at_loops(now: Situation, node: str, depth: int) -> list[Finding]:
    """How it loops: what of that hinders its outputs."""
    loops, seconds = now.node_grew(node, "loops"), now.seconds
    raised = now.node_grew(node, "exceptions")
    found = []
    frequency = now.node(node).get("frequency")
    asked = now.definition(node).get("run_frequency")
    if frequency and asked and frequency < 0.99 * asked:
        text = f"may loop {frequency:g} times a second at most, the graph says {asked:g}: changed by hand, or throttled"
        found.append(Finding(node, "slows", text, f"rena-graph rate RUN {node} {asked:g}", depth))
    keeping = now.node(node).get("keeping")
    if keeping and keeping["trouble"]:
        found.append(Finding(node, "slows", f"{keeping['verdict']}: {keeping['reason']}", None, depth))
    if loops and raised >= loops:
        text = f"loop() raises each time: {many(raised, 'exception')} in {many(loops, 'loop')}"
        found.append(Finding(node, "stops", text, _LOGS.format(node), depth))
    elif raised:
        text = f"loop() raises now and then: {many(raised, 'exception')} in {many(loops, 'loop')}"
        found.append(Finding(node, "slows", text, _LOGS.format(node), depth))
    if not loops and not now.triggers(node) and frequency and seconds * frequency < 1:
        text = f"loops every {1 / frequency:.3g} s, and none was due in the last {seconds:.1f} s"
        found.append(Finding(node, "note", text, f"rena-graph rate RUN {node} HZ", depth))
    return found


def look_at_outputs(now: Situation, node: str, streams: list[str], depth: int) -> list[Finding]:
    """What it puts out, of a node that loops; `streams` are those that matter."""
    loops, refused = now.node_grew(node, "loops"), now.node_grew(node, "bad_outputs")
    found = []
    for stream in streams:
        if now.flows(stream):
            text = f"flows: {per_second(now.stream_grew(stream), now.seconds)}, the newest is "
            found.append(Finding(stream, "flows", text + ago(now.stream(stream).get("age")), None, depth))
            continue
        if left_out := now.stream_grew(stream, "not_finite"):
            text = f"{many(left_out, 'sample')} that the script made were not finite, and so not sent ('on_nan')"
            found.append(Finding(stream, "stops", text, f"rena-graph logs RUN --node {node}", depth))
        elif refused:
            text = f"{many(refused, 'value')} that the script set were refused in {many(loops, 'loop')}: shape or dtype"
            found.append(Finding(stream, "stops", text, _LOGS.format(node), depth))
        elif loops:
            found.append(_silent(now, node, stream, loops, depth))
    return found


def _silent(now: Situation, node: str, stream: str, loops: int, depth: int) -> Finding:
    produced = now.stream(stream).get("produced", 0)
    window, uptime = now.definition(node).get("buffer_duration", 1.0), now.after["uptime"]
    text = f"the script made {many(loops, 'loop')} in the last {now.seconds:.1f} s and set nothing here; "
    text += f"{many(produced, 'sample')} so far" + (
        f", the newest {ago(now.stream(stream)['age'])}" if produced else ""
    )
    if not produced and uptime < window:
        text += f". Perhaps it waits for its first window: {uptime:.1f} of {window:g} s are over"
        return Finding(stream, "note", text, None, depth)
    return Finding(stream, "stops", text, f"look into its loop(): when does it set {stream!r}?", depth)


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else text
