"""``rena-graph import``: turns PhysioLabXR's presets into a graph."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rena_graph.cli.options import json_option
from rena_graph.cli.output import write_json, write_line
from rena_graph.errors import ExitCode
from rena_graph.graph.wording import plural

if TYPE_CHECKING:
    from rena_graph.graph.presets import Imported

__all__ = ["command"]


@click.command("import")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", metavar="FILE", default="graph.json", show_default=True,
              type=click.Path(dir_okay=False, path_type=Path), help="The graph file to write.")  # fmt: skip
@click.option("--name", help="The graph's name; after FILE where left out.")
@click.option("--scripts", metavar="DIR", multiple=True,
              type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Look in DIR, by file name, for scripts whose paths lead nowhere; may be repeated.")  # fmt: skip
@click.option(
    "--copy-scripts", is_flag=True, help="Copy the scripts beside the graph instead of naming where they lie."
)
@click.option("--from-outlets", is_flag=True, help="Leave rate and type of LSL streams to their outlets.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@json_option("Print what was done, lost, changed and assumed as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    output: Path,
    name: str | None,
    scripts: tuple[Path, ...],
    copy_scripts: bool,
    from_outlets: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Turn presets of PhysioLabXR into a graph.

    PATH is its saved state (_presets.json), a preset of a stream or of an experiment, a folder of these such as
    LSLPresets, or its whole folder Presets. Scripts are parsed, never executed.

    Ends with 0 where the graph can run, with 3 where something is left to fix in it; it is written in either case.
    """
    from rena_graph.graph.presets import import_presets

    imported = import_presets(
        paths, output, name=name, force=force, copy_scripts=copy_scripts, scripts=scripts, from_outlets=from_outlets
    )
    if as_json:
        write_json(_as_json(imported))
    else:
        for line in _lines(imported):
            write_line(line)
    if not imported.valid:
        ctx.exit(ExitCode.GRAPH)


def _as_json(imported: Imported) -> dict[str, object]:
    return {
        "graph": str(imported.path),
        "valid": imported.valid,
        "written": [str(path) for path in imported.written],
        "allow_code": [str(path) for path in imported.allow_code],
        "remarks": [dataclasses.asdict(remark) for remark in imported.remarks],
        "problems": [dataclasses.asdict(problem) for problem in imported.problems],
    }


def _lines(imported: Imported) -> Iterator[str]:
    """What a person reads."""
    from rena_graph.graph.presets.remarks import KINDS

    document = imported.document
    counts = f"{plural(len(document['nodes']), 'node')}, {plural(len(document['streams']), 'external stream')}"
    yield f"wrote {imported.path}: {counts}"
    for path in imported.written[1:]:
        yield f"wrote {path}"
    for kind, heading in reversed(KINDS.items()):
        remarks = [remark for remark in imported.remarks if remark.kind == kind]
        if remarks:
            yield f"\n{heading}:"
            yield from (f"  - {remark}" for remark in remarks)
    if imported.problems:
        yield "\nLeft to fix:" if not imported.valid else "\nThe graph can run; worth a look:"
        yield from map(str, imported.problems)
    yield ""
    if imported.valid:
        allowed = "".join(f" --allow-code {shlex.quote(str(path))}" for path in imported.allow_code)
        yield f"run it: rena-graph launch {shlex.quote(str(imported.path))}{allowed}"
    else:
        yield f"check it again: rena-graph validate {shlex.quote(str(imported.path))}"
