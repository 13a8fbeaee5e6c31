"""Options that several verbs share, and what turns their text into values."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["SECONDS", "allow_code_option", "finite", "graph_argument", "json_option", "ray_address"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Callback of an option in seconds: neither infinite nor NaN, which click's ranges let pass."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number of seconds", ctx, param)
    return value


SECONDS = click.FloatRange(min=0, min_open=True)
"""Type of an option in seconds; with :func:`finite` as its callback."""


def ray_address(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Callback of ``--address``: ``local``, ``auto``, or a host and a port."""
    host, colon, port = value.rpartition(":")
    if value not in ("local", "auto") and not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
        raise click.BadParameter(
            f"{value!r} is neither local nor auto nor HOST:PORT, such as 10.0.0.5:6379", ctx, param
        )
    return value


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
