"""Finds the scripts that presets name, and decides what the graph calls them: where they lie, or copies beside it."""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence
from pathlib import Path

from rena_graph.errors import EnvironmentRefused, UsageError
from rena_graph.graph.presets.remarks import Remarks
from rena_graph.graph.presets.script_presets import file_name
from rena_graph.graph.syntax_trees import making_trees

__all__ = ["BUNDLED", "ScriptFiles"]

BUNDLED = Path(__file__).parent / "scripts"
"""Scripts that imported graphs need: filters, and a place to start from. They are copied beside the graph."""

COPIES = "scripts"


class ScriptFiles:
    """The script files of one import.

    Parameters
    ----------
    folder : Path
        The graph's.
    copy : bool
        Whether scripts are copied beside the graph, instead of being named where they lie.
    search : sequence of Path
        Folders in which a script is looked for by its file name, where its path leads nowhere.
    remarks : Remarks
        Told what was not found.

    Attributes
    ----------
    copies : dict of Path to bytes
        Files to write.
    outside : dict of Path to None
        Folders, in order, that a launch has to be allowed to take scripts from.
    """

    def __init__(self, folder: Path, copy: bool, search: Sequence[Path], remarks: Remarks) -> None:
        self._folder = Path(os.path.realpath(folder))
        self._copy = copy
        self._search = tuple(search)
        self._remarks = remarks
        self.copies: dict[Path, bytes] = {}
        self.outside: dict[Path, None] = {}

    def place(self, written: str) -> str:
        """What stands in the graph for the script that a preset names by this path."""
        about = f"script {file_name(written)}"
        found = self._find(written, about)
        if found is None:
            where = "--scripts DIR finds it in a folder" if not self._search else "it is in none of the given folders"
            self._remarks.lost(about, f"the script itself: {written} is not on this machine; {where}")
            return written.replace("\\", "/")
        if self._copy:
            self._say_neighbours(found, about)
            return self._add(found.name, _content(found))
        if found.is_relative_to(self._folder):
            return found.relative_to(self._folder).as_posix()
        self.outside.setdefault(found.parent)
        return found.as_posix()

    def bundled(self, name: str) -> str:
        """What stands in the graph for one of the :data:`BUNDLED` scripts."""
        return self._add(name, _content(BUNDLED / name))

    def write(self) -> list[Path]:
        """Write the copies; returns those that were not there already.

        Raises
        ------
        EnvironmentRefused
            A file cannot be written.
        """
        wanted = [path for path, content in self.copies.items() if not _holds(path, content)]
        for path in wanted:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.copies[path])
            except OSError as error:
                raise EnvironmentRefused(f"cannot write {path}: {error.strerror or error}") from error
        return wanted

    @property
    def in_the_way(self) -> list[Path]:
        """Files with other content that stand where copies are to be written."""
        return [path for path, content in self.copies.items() if path.exists() and not _holds(path, content)]

    def _find(self, written: str, about: str) -> Path | None:
        path = Path(written)
        if path.is_absolute() and path.is_file():
            return Path(os.path.realpath(path))
        for folder in self._search:
            candidate = folder / file_name(written)
            if candidate.is_file():
                self._remarks.changed(about, f"taken from {candidate}, since {written} is not on this machine")
                return Path(os.path.realpath(candidate))
        return None

    def _add(self, name: str, content: bytes) -> str:
        stem, suffix = os.path.splitext(name)
        number = 1
        target = self._folder / COPIES / name
        while self.copies.setdefault(target, content) != content:
            number += 1
            target = self._folder / COPIES / f"{stem}_{number}{suffix}"
        return target.relative_to(self._folder).as_posix()

    def _say_neighbours(self, script: Path, about: str) -> None:
        """Only the script is copied: say which modules beside it it imports."""
        try:
            with making_trees():
                tree = ast.parse(_content(script))
        except (SyntaxError, ValueError):
            return  # the checks of the finished graph say what is wrong with it
        roots = {a.name.partition(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        roots |= {(n.module or "").partition(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        beside = [root for root in sorted(roots - {""}) if _is_module(script.parent / root)]
        if beside:
            self._remarks.lost(about, f"{', '.join(beside)}, which it imports from {script.parent}: copy that too")


def _is_module(path: Path) -> bool:
    return path.is_dir() or path.with_name(f"{path.name}.py").is_file()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and _content(path) == content
