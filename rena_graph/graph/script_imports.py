"""Which files beside a script it imports, read from syntax trees: nothing is executed here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path

from rena_graph.graph.syntax_trees import making_trees

__all__ = ["modules_beside_script"]


def modules_beside_script(script: Path) -> list[Path]:
    """The module files in the folder of a script that it imports, by itself or by way of each other; sorted.

    These are the ones that Python would find there, since a script's folder comes first on the path of its process.
    What is imported by a name that is only made while the script runs (``importlib.import_module(name)``) is not seen.

    Parameters
    ----------
    script : Path
        Absolute. A file that is not Python imports nothing.

    Raises
    ------
    OSError
        A file cannot be read.
    """
    root = script.parent
    found: set[Path] = set()
    pending = [script]
    while pending:
        file = pending.pop()
        if file.suffix not in SOURCE_SUFFIXES and file != script:
            continue
        for name in _imports(file.read_bytes(), file.relative_to(root).parts[:-1]):
            new = set(_files_of(root, name)) - found - {script}
            found |= new
            pending += new
    return sorted(found)


def _imports(code: bytes, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The full names that a file of this package imports, wherever in it; of ``from a import b`` that is a.b."""
    with making_trees():
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return  # what is wrong with a script its check says, and a module's fault is seen when it is imported
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            inside = package[: len(package) - node.level + 1] if node.level else ()
            if node.level > len(package) and node.level:
                continue  # beyond the top: Python refuses it
            base = (*inside, *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                yield base if alias.name == "*" else (*base, alias.name)


def _files_of(root: Path, name: tuple[str, ...]) -> Iterator[Path]:
    """The files that importing `name` reads below `root`: its packages', and its own."""
    folder = root
    for part in name:
        package = folder / part / "__init__.py"
        if package.is_file():
            yield package
        elif not (folder / part).is_dir() or any((folder / (part + suffix)).is_file() for suffix in _SUFFIXES):
            yield from (file for suffix in _SUFFIXES if (file := folder / (part + suffix)).is_file())
            return
        folder /= part


_SUFFIXES = (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES)
