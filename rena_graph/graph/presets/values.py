"""Reads the values of presets, which hold numbers as numbers or as text, and lists with a dummy name for each item."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

__all__ = ["Param", "name_of", "names_of", "number", "param", "truth", "whole"]

MAX_NESTING = 32
"""Lists within lists; a graph's JSON goes a little deeper."""

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def number(value: object) -> float | None:
    """A finite number, or text of one; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: object) -> int | None:
    """A whole number, or text of one; None for everything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def truth(value: object) -> bool | None:
    """True or false, or text of them; None for everything else."""
    if isinstance(value, bool):
        return value
    return _TRUTHS.get(str(value).strip().lower()) if isinstance(value, (str, int)) else None


def name_of(value: object) -> str | None:
    """A text that can name a stream or a parameter in a graph; None for everything else."""
    if isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable():
        return value
    return None


def names_of(value: object) -> list[str] | None:
    """A list of such texts; None where one of them is none."""
    names = [name_of(item) for item in value] if isinstance(value, list) else [None]
    return None if None in names else [name for name in names if name is not None]


class Param(NamedTuple):
    """A parameter as a graph has it."""

    type: str
    value: Any


def param(kind: object, value: object, depth: int = 0) -> Param | None:
    """A parameter preset's value by its type (`bool`, `int`, `float`, `str`, `list`); None where it does not fit."""
    made: Any
    match kind:
        case "bool":
            made = truth(value)
        case "int":
            made = whole(value)
        case "float":
            made = number(value)
        case "str":
            made = value if isinstance(value, str) else None
        case "list":
            made = _items(value, depth)
        case _:
            made = None
    return None if made is None else Param(str(kind), made)


def _items(value: object, depth: int) -> list[Any] | None:
    """The items of a list: each an object with a type of its own, or a plain value."""
    if not isinstance(value, list) or depth >= MAX_NESTING:
        return None
    items = []
    for item in value:
        if isinstance(item, dict):
            made = param(item.get("type"), item.get("value"), depth + 1)
        else:
            made = param(type(item).__name__, item, depth + 1)
        if made is None:
            return None
        items.append(made.value)
    return items
