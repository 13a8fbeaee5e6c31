"""Checks of the packages that nodes ask for; nothing is installed, and no index is asked."""

from __future__ import annotations

from rena_graph.errors import GraphError
from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph
from rena_graph.graph.paths import find_file
from rena_graph.graph.problems import JsonPath
from rena_graph.graph.requirements import OWN_PACKAGES, named, read_file, requirement_lines, why_not
from rena_graph.graph.shape import Draft
from rena_graph.graph.wording import join, quote

__all__ = ["check", "check_files"]

_FORM = "a requirement such as scipy>=1.11"


def check(graph: Graph, draft: Draft, findings: Findings) -> None:
    """G531 and G533, of what stands in the document."""
    for name, node in graph.nodes.items():
        if draft.sound(name, "pip") and isinstance(node.pip, list):
            for index, text in enumerate(node.pip):
                _requirement(name, text, ("nodes", name, "pip", index), findings)


def check_files(graph: Graph, draft: Draft, findings: Findings) -> None:
    """G531 to G533 and G503, of requirements files."""
    for name, node in graph.nodes.items():
        if draft.sound(name, "pip") and isinstance(node.pip, str):
            _file(graph, name, node.pip, ("nodes", name, "pip"), findings)


def _file(graph: Graph, name: str, written: str, path: JsonPath, findings: Findings) -> None:
    found = find_file(graph.folder, graph.allow_code, written)
    if found.state == "outside":
        message = f"the requirements of {name} are outside of the graph's folder: {found.detail}"
        hint = f"move them there, or allow their folder: --allow-code {found.path.parent}"
        findings.add("G503", path, message, found=quote(written), allowed="a file in the graph's folder", hint=hint)
        return
    if found.state != "file":
        hint = "paths are relative to the graph file; requirements themselves are a list"
        findings.add(
            "G532", path, f"the requirements of {name} cannot be read: {found.detail}", found=quote(written), hint=hint
        )
        return
    try:
        text = read_file(found.path)
    except GraphError as error:
        message = f"the requirements of {name} cannot be read: {error}"
        findings.add("G532", path, message, found=quote(written), allowed="a requirements file as pip reads it")
        return
    shown = str(graph.path.parent / written)
    for line, requirement in requirement_lines(text):
        _requirement(name, requirement, path, findings, shown, line)


def _requirement(
    name: str, text: str, path: JsonPath, findings: Findings, file: str | None = None, line: int | None = None
) -> None:
    column = None if line is None else 1
    reason = why_not(text, in_file=file is not None)
    if reason is not None:
        message = f"{name} asks for what pip would not understand: {reason}"
        findings.add("G531", path, message, found=quote(text), allowed=_FORM, file=file, line=line, column=column)
    elif (package := named(text)) in OWN_PACKAGES:
        message = f"{name} asks for {package}, of which all processes of a run have the same version"
        hint = "take it out: the node has the one that its host runs it with"
        findings.add(
            "G533", path, message, found=quote(text), allowed=f"other packages than {join(OWN_PACKAGES, 'and')}",
            hint=hint, file=file, line=line, column=column,
        )  # fmt: skip
