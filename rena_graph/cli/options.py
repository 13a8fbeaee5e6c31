"""Options that several verbs share, and what turns their text into values."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["SECONDS", "allow_code_option", "assignments", "finite", "graph_argument", "json_option"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Callback of an option in seconds: neither infinite nor NaN, which click's ranges let pass."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number of seconds", ctx, param)
    return value


SECONDS = click.FloatRange(min=0, min_open=True)
"""Type of an option in seconds; with :func:`finite` as its callback."""


def assignments(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Callback of a repeated option ``node.param=value``: text by ``node.param``, the last one of a name winning."""
    found: dict[str, str] = {}
    for value in values:
        where, equals, text = value.partition("=")
        node, _, name = where.strip().rpartition(".")
        if not (equals and node and name):
            raise click.BadParameter(
                f"{value!r} is not of the form node.param=value, such as r_peaks.threshold=0.4", ctx, param
            )
        found[f"{node}.{name}"] = text
    return found


def graph_argument(function: _Function) -> _Function:
    """The argument GRAPH, a path; the graph loader says what is wrong with it."""
    return click.argument("graph", type=click.Path(path_type=Path))(function)


def allow_code_option(function: _Function) -> _Function:
    """The option ``--allow-code``."""
    return click.option(
        "--allow-code", metavar="DIR", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Allow scripts and recordings in DIR too, beside those in the graph's own folder; may be repeated.",
    )(function)  # fmt: skip


def json_option(what: str) -> Callable[[_Function], _Function]:
    """The option ``--json``, whose help says `what` comes as JSON."""
    return click.option("--json", "as_json", is_flag=True, help=what)
