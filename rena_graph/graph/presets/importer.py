"""Turns PhysioLabXR's presets into a graph file, checks it, and says what it could not carry over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rena_graph.errors import EnvironmentRefused, GraphInvalid, UsageError
from rena_graph.graph.load import load_graph
from rena_graph.graph.presets.assemble import Assembly
from rena_graph.graph.presets.files import find_presets
from rena_graph.graph.presets.layout import document_text
from rena_graph.graph.presets.names import graph_name
from rena_graph.graph.presets.remarks import Remark, Remarks
from rena_graph.graph.presets.script_files import ScriptFiles
from rena_graph.graph.problems import Problem

__all__ = ["Imported", "import_presets"]


@dataclass(frozen=True)
class Imported:
    """What an import gave.

    Parameters
    ----------
    path : Path
        The graph file.
    document : dict
        What stands in it.
    written : tuple of Path
        All files that were written, the graph first.
    remarks : tuple of Remark
        What was lost, changed or assumed.
    problems : tuple of Problem
        What the checks of the graph found; errors among them are left to fix.
    allow_code : tuple of Path
        Folders outside of the graph's own that its scripts come from, which a launch has to allow.
    """

    path: Path
    document: dict[str, Any]
    written: tuple[Path, ...]
    remarks: tuple[Remark, ...]
    problems: tuple[Problem, ...]
    allow_code: tuple[Path, ...]

    @property
    def valid(self) -> bool:
        """Whether the graph can run."""
        return not any(problem.is_error for problem in self.problems)


def import_presets(
    paths: Sequence[Path],
    output: Path,
    *,
    name: str | None = None,
    force: bool = False,
    copy_scripts: bool = False,
    scripts: Sequence[Path] = (),
    from_outlets: bool = False,
) -> Imported:
    """Read presets, write a graph, and check it.

    Parameters
    ----------
    paths : sequence of Path
        Preset files and folders of them.
    output : Path
        The graph file to write. Bundled scripts that it needs are copied beside it.
    name : str | None
        The graph's name; after `output` where left out.
    force : bool
        Whether files that are there may be overwritten.
    copy_scripts : bool
        Whether the presets' scripts are copied beside the graph; else they are named where they lie.
    scripts : sequence of Path
        Folders in which scripts are looked for by their file names, where their paths lead nowhere.
    from_outlets : bool
        Whether rate and dtype of LSL streams are left to their outlets.

    Raises
    ------
    UsageError
        Nothing to import, or something is in the way of what is to be written.
    EnvironmentRefused
        A file cannot be written.
    """
    remarks = Remarks()
    found = find_presets(paths, remarks)
    files = ScriptFiles(output.parent, copy_scripts, scripts, remarks)
    described = f"Imported from PhysioLabXR: {', '.join(path.name or str(path) for path in paths)}"
    document = Assembly(found, files, from_outlets, remarks).document(graph_name(name or output.stem), described)
    in_the_way = [path for path in (output, *files.in_the_way) if path.exists()]
    if in_the_way and not force:
        raise UsageError(
            f"{', '.join(map(str, in_the_way))}: there already; choose another name, or overwrite with --force"
        )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(document_text(document), encoding="utf-8")
    except OSError as error:
        raise EnvironmentRefused(f"cannot write {output}: {error.strerror or error}") from error
    written = (output, *files.write())
    allow = tuple(files.outside)
    return Imported(output, document, written, remarks.all(), _problems(output, allow), allow)


def _problems(path: Path, allow_code: Sequence[Path]) -> tuple[Problem, ...]:
    try:
        return load_graph(path, allow_code=allow_code).warnings
    except GraphInvalid as invalid:
        return invalid.problems
