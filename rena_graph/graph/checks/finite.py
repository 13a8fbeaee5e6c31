"""Checks of ``on_nan``: that there may be samples that are not finite, and that they can be kept from whom they are."""

from __future__ import annotations

from rena_graph.graph.document import EveryTrigger, InputDef, NodeDef
from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph
from rena_graph.graph.problems import JsonPath
from rena_graph.graph.shape import Draft
from rena_graph.graph.wording import quote

__all__ = ["check"]


def check(graph: Graph, draft: Draft, findings: Findings) -> None:
    """G313 and G410."""
    for name, node in graph.nodes.items():
        for index, (input_, stream) in enumerate(zip(node.input_defs, graph.edge_names(name), strict=True)):
            if input_.on_nan == "pass":
                continue
            path = (*draft.input_path(name, index), "on_nan")
            known = graph.streams.get(stream)
            _floats(name, input_.on_nan, input_.stream, None if known is None else known.dtype, path, findings)
            _kept_away(name, node, input_, path, findings)
        for stream, output in node.outputs.items():
            if output.on_nan != "pass":
                where = ("nodes", name, "outputs", stream, "on_nan")
                _floats(name, output.on_nan, stream, output.dtype, where, findings)


def _floats(name: str, what: str, stream: str, dtype: str | None, path: JsonPath, findings: Findings) -> None:
    if dtype is None or dtype.startswith("float"):
        return
    message = f"{name} looks for samples that are not finite in {quote(stream)}, which is {dtype} and has none"
    findings.add("G313", path, message, found=f'"{what}" with {dtype}', allowed="float32 or float64, or pass")


def _kept_away(name: str, node: NodeDef, input_: InputDef, path: JsonPath, findings: Findings) -> None:
    stream, what = quote(input_.stream), input_.on_nan
    counted = isinstance(node.trigger, EveryTrigger) and node.trigger.stream == input_.stream
    if input_.access == "view":
        message = f"{name} looks at {stream} in shared memory, where all samples lie, whatever they are"
        findings.add("G410", path, message, found=f'"{what}" with access view', allowed="pass, or access copy")
    elif what == "drop" and input_.lossless:
        message = f"{name} takes {stream} lossless, and is to drop samples of it"
        findings.add("G410", path, message, found='"drop" on a lossless input', allowed="pass or fail")
    elif what == "drop" and counted:
        message = f"{name} takes whole blocks of {stream}, and is to drop samples out of them"
        hint = "drop them where the stream is made, or in a node before this one"
        findings.add("G410", path, message, found='"drop" on the counted input', allowed="pass or fail", hint=hint)
