"""Checks of parameters: ranges that make sense, and values inside of them."""

from __future__ import annotations

from rena_graph.errors import ParamRefused
from rena_graph.graph.document import ParamDef
from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph
from rena_graph.graph.param_check import check_param, param_def, range_problem
from rena_graph.graph.problems import JsonPath
from rena_graph.graph.wording import join, show

__all__ = ["check"]

_WORDS = {
    "bool": "true or false", "int": "a whole number", "float": "a number", "str": "text", "path": "a path as text",
    "list": "a list of numbers, texts, truth values and lists", "choice": "one of the choices",
}  # fmt: skip


def check(graph: Graph, findings: Findings) -> None:
    """G701 to G704."""
    for node_name, node in graph.nodes.items():
        for name, value in node.params.items():
            path: JsonPath = ("nodes", node_name, "params", name)
            definition = param_def(value)
            if isinstance(value, ParamDef):
                problem = range_problem(definition)
                if problem is not None:
                    found = _given(definition)
                    findings.add("G704", path, f"the parameter {name} of {node_name}: {problem}", found=found)
                    continue
                path = (*path, "value")
            _value(f"the parameter {name} of {node_name}", definition, path, findings)


def _value(what: str, definition: ParamDef, path: JsonPath, findings: Findings) -> None:
    try:
        check_param(definition, definition.value)
    except ParamRefused as refusal:
        code, allowed = "G701", _WORDS[definition.type]
        if definition.type == "choice":
            code, allowed = "G703", join(show(choice) for choice in definition.choices or ())
        elif definition.type in ("int", "float") and _fits_without_range(definition):
            code, allowed = "G702", _range(definition)
        findings.add(code, path, f"{what}: {refusal}", found=show(definition.value), allowed=allowed)


def _given(definition: ParamDef) -> str:
    """The part of a definition that contradicts itself, as it was written."""
    given = definition.model_dump(include={"type", "min", "max", "choices"}, exclude_none=True)
    return ", ".join(f"{key} {show(value)}" for key, value in given.items())


def _fits_without_range(definition: ParamDef) -> bool:
    try:
        check_param(definition.model_copy(update={"min": None, "max": None}), definition.value)
    except ParamRefused:
        return False
    return True


def _range(definition: ParamDef) -> str:
    if definition.min is None:
        return f"at most {definition.max:g}"
    return f"at least {definition.min:g}" if definition.max is None else f"{definition.min:g} to {definition.max:g}"
