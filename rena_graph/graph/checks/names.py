"""Checks of names: who feeds what, and which names meet where they must not."""

from __future__ import annotations

from collections import Counter

from rena_graph.graph.document import NodeDef
from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph, simulated_name
from rena_graph.graph.problems import JsonPath
from rena_graph.graph.shape import Draft
from rena_graph.graph.wording import did_you_mean, join, quote

__all__ = ["check"]


def check(graph: Graph, draft: Draft, findings: Findings) -> None:
    """G201 to G204, and G206 to G209."""
    if not graph.nodes and draft.complete:
        findings.add("G207", ("nodes",), "the graph has no nodes", hint="name at least one script under nodes")
    _two_producers(draft, findings)
    for name, node in graph.nodes.items():
        _unknown_inputs(name, node, graph, draft, findings)
        _clashing_inputs(name, node, draft, findings)
        _clashing_outputs(name, node, findings)
        if node.simulate_input:
            _reserved_names(name, node, draft, findings)
        _near(name, node, graph, draft, findings)


def _unknown_inputs(name: str, node: NodeDef, graph: Graph, draft: Draft, findings: Findings) -> None:
    known = draft.producers
    for index, input_ in enumerate(node.input_defs):
        if input_.stream in known or not draft.complete:
            continue
        if node.simulate_input and input_.channels is not None and input_.rate is not None:
            continue  # a node can be tried out before the rest of the graph is there
        stream = quote(input_.stream)
        path = draft.input_path(name, index, "stream")
        if input_.stream in graph.nodes:
            outputs = graph.nodes[input_.stream].outputs
            hint = f"{stream} is a node; " + (
                f"it makes {join(outputs, 'and', quoted=True)}" if outputs else "it has no outputs"
            )
        else:
            hint = (
                did_you_mean(findings.nearest(input_.stream, known))
                or f"add {stream} to streams or to a node's outputs"
            )
        allowed = join(known, quoted=True) if known else "nothing: the graph has no streams"
        findings.add(
            "G201", path, f"{name} takes {stream}, which nothing makes", found=stream, allowed=allowed, hint=hint
        )


def _two_producers(draft: Draft, findings: Findings) -> None:
    for stream, places in draft.producers.items():
        for place in places[1:]:
            first, second = _maker(places[0]), _maker(place)
            findings.add(
                "G202", place, f"{quote(stream)} is made by {first} and by {second}", found=f"a second {quote(stream)}",
                allowed="one producer", hint='give one another name; "as" keeps the name in the script', at="key",
            )  # fmt: skip


def _maker(place: JsonPath) -> str:
    return "an external stream" if place[0] == "streams" else f"node {place[1]}"


def _clashing_inputs(name: str, node: NodeDef, draft: Draft, findings: Findings) -> None:
    seen: dict[str, str] = {}
    for index, input_ in enumerate(node.input_defs):
        called = quote(input_.name)
        if input_.name in seen:
            findings.add(
                "G203", draft.input_path(name, index), f"two inputs of {name} are called {called} in its script",
                found=f"{quote(seen[input_.name])} and {quote(input_.stream)}", hint='give one another name with "as"',
            )  # fmt: skip
        seen.setdefault(input_.name, input_.stream)


def _clashing_outputs(name: str, node: NodeDef, findings: Findings) -> None:
    counts = Counter(output.as_ or stream for stream, output in node.outputs.items())
    for stream, output in node.outputs.items():
        called = output.as_ or stream
        if counts[called] > 1 and output.as_ is not None:
            findings.add(
                "G204", ("nodes", name, "outputs", stream, "as"),
                f"{counts[called]} outputs of {name} are called {quote(called)} in its script",
                found=quote(called), hint='give one another name with "as"',
            )  # fmt: skip


def _reserved_names(name: str, node: NodeDef, draft: Draft, findings: Findings) -> None:
    for input_ in node.input_defs:
        reserved = simulated_name(input_.stream, name)
        for place in draft.producers.get(reserved, []):
            findings.add(
                "G206", place, f"{quote(reserved)} is the name of the simulated input of {name}", found=quote(reserved),
                hint="call the stream something else", at="key",
            )  # fmt: skip


def _near(name: str, node: NodeDef, graph: Graph, draft: Draft, findings: Findings) -> None:
    near, path = node.placement.near, ("nodes", name, "placement", "near")
    if near is None:
        return
    if near == name or (near not in graph.nodes and draft.complete):
        others = [other for other in graph.nodes if other != name]
        what = "itself" if near == name else f"{quote(near)}, which is not a node"
        findings.add(
            "G208", path, f"{name} is to be near {what}", found=quote(near),
            allowed=join(others, quoted=True) if others else "nothing: there is no other node",
            hint=did_you_mean(findings.nearest(near, others)) if near != name else None,
        )  # fmt: skip
    elif near in graph.nodes:
        here, there = node.placement.host, graph.nodes[near].placement.host
        if here is not None and there is not None and here != there:
            findings.add(
                "G209", path, f"{name} is to be near {near}, but on host {quote(here)}, and {near} on {quote(there)}",
                found=quote(near), hint="give both the same host, or leave near out",
            )  # fmt: skip
