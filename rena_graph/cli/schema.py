"""``rena-graph schema``: prints the JSON Schema of ``graph.json``."""

from __future__ import annotations

from pathlib import Path

import click

from rena_graph.cli.files import write_result

__all__ = ["command"]


@click.command("schema")
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write to FILE.")
def command(output: Path | None) -> None:
    """Print the JSON Schema of graph.json.

    Editors that know JSON Schema complete and check a graph while it is written: name the file in its "$schema".
    """
    from rena_graph.graph.schema import schema_text

    write_result(schema_text(), output)
