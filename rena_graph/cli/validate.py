"""``rena-graph validate``: checks a graph and prints every problem with its place."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import click

from rena_graph.cli.options import allow_code_option, graph_argument, json_option
from rena_graph.cli.output import write_json, write_line
from rena_graph.errors import ExitCode, GraphInvalid
from rena_graph.graph.problems import Problem
from rena_graph.graph.wording import plural

__all__ = ["command"]


@click.command("validate")
@graph_argument
@json_option("Print the problems as JSON.")
@allow_code_option
@click.pass_context
def command(ctx: click.Context, graph: Path, as_json: bool, allow_code: tuple[Path, ...]) -> None:
    """Check the graph in the file GRAPH and print every problem with its place.

    Looks at the document, its scripts, its recordings and its ports on this machine. Scripts are parsed and compiled,
    never executed: what only running them would show, such as an import that fails, is not found here.

    Ends with 0 where the graph can run (there may be warnings), with 3 where it cannot.
    """
    from rena_graph.graph.load import load_graph

    problems: tuple[Problem, ...]
    try:
        loaded = load_graph(graph, allow_code=allow_code, check_ports=True)
    except GraphInvalid as invalid:
        summary = None
        problems = invalid.problems
    else:
        counts = ((loaded.nodes, "node"), (loaded.streams, "stream"), (loaded.edges, "edge"))
        summary = ", ".join(plural(len(things), noun) for things, noun in counts)
        problems = loaded.warnings
    if as_json:
        write_json(_as_json(graph, problems, summary is not None))
    else:
        _print(graph, problems, summary)
    if summary is None:
        ctx.exit(ExitCode.GRAPH)


def _as_json(graph: Path, problems: tuple[Problem, ...], valid: bool) -> dict[str, Any]:
    return {"graph": str(graph), "valid": valid, "problems": [dataclasses.asdict(problem) for problem in problems]}


def _print(graph: Path, problems: tuple[Problem, ...], summary: str | None) -> None:
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for problem in problems:
        write_line(_coloured(problem) if colour else str(problem))
    errors = sum(problem.is_error for problem in problems)
    warnings = len(problems) - errors
    counts = [plural(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number]
    outcome = f"valid: {summary}" if summary is not None else "invalid"
    write_line(f"{graph}: {outcome}{' (' + ', '.join(counts) + ')' if counts else ''}")


def _coloured(problem: Problem) -> str:
    first, newline, details = str(problem).partition("\n")
    style = {"fg": "red" if problem.is_error else "yellow", "bold": True}
    mark = f"{problem.severity} {problem.code}"
    return first.replace(mark, click.style(mark, **style), 1) + newline + click.style(details, dim=True)  # type: ignore[arg-type]
