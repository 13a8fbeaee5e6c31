"""``rena-graph graph``: draws a graph."""

from __future__ import annotations

from pathlib import Path

import click

from rena_graph.cli.files import write_result
from rena_graph.cli.options import allow_code_option, graph_argument
from rena_graph.cli.output import talk

__all__ = ["command"]


@click.command("graph")
@graph_argument
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "mermaid", "dot", "svg"]),
    help="What to draw; by default what the ending of FILE says (.txt .mmd .dot .svg), else text.",
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write to FILE.")
@allow_code_option
def command(graph: Path, kind: str | None, output: Path | None, allow_code: tuple[Path, ...]) -> None:
    """Draw the graph in the file GRAPH: streams with their formats, nodes with their frequencies, bridges at the edges.

    Delayed inputs are dashed. The graph is checked first, but its scripts need not be there.
    """
    from rena_graph.graph.draw import FORMATS
    from rena_graph.graph.load import load_graph

    endings = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid"}
    kind = kind or endings.get(output.suffix.lower() if output is not None else "", "text")
    loaded = load_graph(graph, allow_code=allow_code, check_scripts=False)
    for warning in loaded.warnings:
        talk(str(warning))
    write_result(FORMATS[kind](loaded), output)
