"""What a parameter may be: its type from its value, and why a value is refused."""

from __future__ import annotations

import json
import math
from typing import Any

from rena_graph.errors import ParamRefused
from rena_graph.graph.document import ParamDef
from rena_graph.graph.wording import join, show

__all__ = ["MAX_LIST_DEPTH", "Refusal", "as_param", "param_from_text", "refusal"]

MAX_LIST_DEPTH = 16
TYPE_WORDS = {
    "bool": "true or false", "int": "a whole number", "float": "a number", "str": "text", "path": "a path as text",
    "list": "a list of numbers, texts, truth values and lists", "choice": "one of the choices",
}  # fmt: skip

Refusal = tuple[str, str]
"""The code of the problem (``G701`` to ``G703``) and what is allowed."""


def as_param(value: Any) -> ParamDef:
    """The parameter's definition; for a plain value, one of that value's type without a range.

    A float parameter's value is a float, also where the document has a whole number.
    """
    if isinstance(value, ParamDef):
        whole = value.type == "float" and _is_of_type("float", value.value)
        return value.model_copy(update={"value": float(value.value)}) if whole else value
    kinds = (("bool", bool), ("int", int), ("float", float), ("str", str), ("list", list))
    kind = next(name for name, python in kinds if isinstance(value, python))
    return ParamDef.model_validate({"type": kind, "value": value})


def refusal(param: ParamDef, value: object) -> Refusal | None:
    """Why `value` cannot be the parameter's, or None where it can.

    A whole number is a good float; a truth value is no number; numbers are finite.
    """
    if not _is_of_type(param.type, value):
        return "G701", TYPE_WORDS[param.type]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        low = -math.inf if param.min is None else param.min
        high = math.inf if param.max is None else param.max
        if not low <= value <= high:
            return "G702", _range_words(param)
    if param.choices is not None and not any(_same(value, choice) for choice in param.choices):
        return "G703", join([show(choice) for choice in param.choices])
    return None


def param_from_text(param: ParamDef, text: str) -> Any:
    """The value that `text` from a command line stands for.

    Raises
    ------
    ParamRefused
        Where it is not one of the parameter's type; ranges are not looked at here.
    """
    if param.type in ("str", "path"):
        return text
    if param.type == "choice":
        return next((c for c in param.choices or () if (c if isinstance(c, str) else json.dumps(c)) == text), text)
    if param.type == "bool" and text.casefold() in _TRUTH:
        return _TRUTH[text.casefold()]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if not _is_of_type(param.type, value):
        raise ParamRefused(f"{show(text)} is not {TYPE_WORDS[param.type]}")
    return value


_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _is_of_type(kind: str, value: object) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value)
    if kind == "list":
        return isinstance(value, list) and _is_plain(value)
    if kind == "choice":
        return isinstance(value, (bool, int, float, str))
    return isinstance(value, str)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


def _is_plain(value: object) -> bool:
    """Whether it is made of what parameters may hold, and not nested too deep."""
    level = [value]
    for _ in range(MAX_LIST_DEPTH):
        below: list[object] = []
        for item in level:
            if isinstance(item, list):
                below.extend(item)
            elif not isinstance(item, (bool, int, float, str)):
                return False
        if not below:
            return True
        level = below
    return False


def _same(value: object, choice: object) -> bool:
    return value == choice and isinstance(value, bool) == isinstance(choice, bool)


def _range_words(param: ParamDef) -> str:
    if param.min is None:
        return f"at most {param.max:g}"
    return f"at least {param.min:g}" if param.max is None else f"{param.min:g} to {param.max:g}"
