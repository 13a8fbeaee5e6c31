"""Whether a value may stand in a parameter: types, ranges, choices."""

from __future__ import annotations

import json
import math
import numbers
import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from rena_graph.errors import ParamRefused
from rena_graph.graph.document import ParamDef

__all__ = ["ParamValue", "check_param", "definition_problem", "param_def", "parse_param", "range_problem"]

ParamValue = bool | int | float | str | list[Any]
_MAX_DEPTH = 64
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


def param_def(plain: ParamDef | ParamValue) -> ParamDef:
    """The definition that a plain value in the graph stands for: its own type, no range.

    Raises
    ------
    ParamRefused
        No parameter has such a type.
    """
    if isinstance(plain, ParamDef):
        return plain
    for kind, types in (("bool", bool), ("int", int), ("float", float), ("str", str), ("list", list)):
        if isinstance(plain, types):
            return ParamDef.model_validate({"type": kind, "value": plain})
    raise ParamRefused(f"a parameter is a bool, int, float, str or list, not {_found(plain)}")


def definition_problem(definition: ParamDef) -> str | None:
    """What is wrong with a definition in itself, its value included; None where nothing is."""
    problem = range_problem(definition)
    if problem is not None:
        return problem
    try:
        check_param(definition, definition.value)
    except ParamRefused as refusal:
        return str(refusal)
    return None


def range_problem(definition: ParamDef) -> str | None:
    """What is wrong with a definition's min, max and choices, whatever its value is; None where nothing is."""
    bounded = definition.min is not None or definition.max is not None
    if bounded and definition.type not in ("int", "float"):
        return f"min and max are for int and float, not for {definition.type}"
    if definition.min is not None and definition.max is not None and definition.min > definition.max:
        return f"min {definition.min:g} is greater than max {definition.max:g}"
    if definition.type == "choice" and not definition.choices:
        return "a choice needs choices"
    if definition.type != "choice" and definition.choices is not None:
        return f"choices are for type choice, not for {definition.type}"
    return None


def check_param(
    definition: ParamDef | ParamValue, value: object, *, name: str = "", folder: str | os.PathLike[str] | None = None
) -> ParamValue:
    """The value as a script gets it.

    An int is taken for a float; a bool never for an int, nor a number for a bool. Lists are copied.

    Parameters
    ----------
    definition : ParamDef or plain value
        The type and range, or a value of that type.
    value : object
        What is to be set.
    name : str
        The parameter, for the message.
    folder : path, optional
        That of the graph file: a relative ``path`` is taken from there. Left as it is without.

    Raises
    ------
    ParamRefused
        Of the wrong type, or out of range.
    """
    definition = param_def(definition)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()  # a numpy number, from a script or a notebook
    checked = _CHECKS[definition.type](definition, value, name)
    if folder is not None and definition.type == "path":
        return str(Path(folder, str(checked)))
    return checked


def parse_param(definition: ParamDef | ParamValue, text: str, *, name: str = "") -> ParamValue:
    """The value that a text on the command line stands for, checked: ``--set node.name=text``.

    Raises
    ------
    ParamRefused
        The text is no value of the parameter's type, or out of range.
    """
    definition = param_def(definition)
    value: object = text
    try:
        if definition.type == "bool":
            word = text.strip().lower()
            value = True if word in _TRUE else False if word in _FALSE else text
        elif definition.type == "int":
            value = int(text)
        elif definition.type == "float":
            value = float(text)
        elif definition.type == "list":
            value = json.loads(text)
        elif definition.type == "choice":
            value = next((c for c in definition.choices or [] if c == text or _as_json(c) == text.strip()), text)
    except (ValueError, RecursionError) as error:
        form = "JSON, such as [1, 2]" if definition.type == "list" else definition.type
        _refuse(name, f"{text!r} is not {form}" + (f" ({error})" if definition.type == "list" else ""))
    return check_param(definition, value, name=name)


def _as_json(value: object) -> str:
    return json.dumps(value)


def _found(value: object) -> str:
    return f"{value!r:.80} ({type(value).__name__})"


def _refuse(name: str, what: str) -> NoReturn:
    raise ParamRefused(f"parameter {name!r}: {what}" if name else what)


def _check_bool(definition: ParamDef, value: object, name: str) -> ParamValue:
    if not isinstance(value, bool):
        _refuse(name, f"expected true or false, got {_found(value)}")
    return value


def _check_int(definition: ParamDef, value: object, name: str) -> ParamValue:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        _refuse(name, f"expected an int, got {_found(value)}")
    return _in_range(definition, int(value), name)


def _check_float(definition: ParamDef, value: object, name: str) -> ParamValue:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _refuse(name, f"expected a float, got {_found(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        _refuse(name, f"expected a finite float, got {_found(value)}")
    return _in_range(definition, number, name)


def _in_range(definition: ParamDef, value: float, name: str) -> float:
    if definition.min is not None and value < definition.min:
        _refuse(name, f"{value} is less than its minimum, {definition.min:g}")
    if definition.max is not None and value > definition.max:
        _refuse(name, f"{value} is greater than its maximum, {definition.max:g}")
    return value


def _check_str(definition: ParamDef, value: object, name: str) -> ParamValue:
    if not isinstance(value, str):
        _refuse(name, f"expected a str, got {_found(value)}")
    return value


def _check_path(definition: ParamDef, value: object, name: str) -> ParamValue:
    if not isinstance(value, (str, os.PathLike)):
        _refuse(name, f"expected a path, got {_found(value)}")
    path = os.fspath(value)
    if not isinstance(path, str) or not path or "\0" in path:
        _refuse(name, f"{_found(path)} is not a path")
    return path


def _check_list(definition: ParamDef, value: object, name: str) -> ParamValue:
    if not isinstance(value, (list, tuple)):
        _refuse(name, f"expected a list, got {_found(value)}")
    return _copied(value, name, 1)


def _copied(items: list[Any] | tuple[Any, ...], name: str, depth: int) -> list[Any]:
    if depth > _MAX_DEPTH:
        _refuse(name, f"its lists nest deeper than {_MAX_DEPTH}")
    copy: list[Any] = []
    for item in items:
        if isinstance(item, (list, tuple)):
            copy.append(_copied(item, name, depth + 1))
        elif isinstance(item, (bool, int, str)) or (isinstance(item, float) and math.isfinite(item)):
            copy.append(item)
        else:
            _refuse(name, f"a list holds bools, ints, finite floats, strs and lists, not {_found(item)}")
    return copy


def _check_choice(definition: ParamDef, value: object, name: str) -> ParamValue:
    choices = definition.choices or []
    for choice in choices:
        # 1 and True are equal in Python, and two different choices here.
        if choice == value and isinstance(choice, bool) == isinstance(value, bool):
            return choice  # type: ignore[no-any-return]
    near = get_close_matches(str(value), [str(c) for c in choices], 1)
    allowed = ", ".join(map(_as_json, choices))
    _refuse(name, f"{_found(value)} is not among {allowed}" + (f"; did you mean {near[0]!r}?" if near else ""))


_CHECKS: dict[str, Callable[[ParamDef, object, str], ParamValue]] = {
    "bool": _check_bool,
    "int": _check_int,
    "float": _check_float,
    "str": _check_str,
    "list": _check_list,
    "path": _check_path,
    "choice": _check_choice,
}
