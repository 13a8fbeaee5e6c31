"""``rena-graph new``: begins a script or a graph from a template that validates and runs as it is."""

from __future__ import annotations

import keyword
import os
import re
from pathlib import Path

import click

from rena_graph.cli.output import talk, write_line
from rena_graph.cli.templates import SCRIPT, graph_template
from rena_graph.errors import EnvironmentRefused, UsageError

__all__ = ["class_name", "command"]

_GRAPH_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@click.group("new")
def command() -> None:
    """Begin a script or a graph from a template that runs.

    Nothing is overwritten without --force.
    """


_force = click.option("--force", is_flag=True, help="Overwrite what is there.")


@command.command("script")
@click.argument("name", type=click.Path(path_type=Path))
@_force
def script(name: Path, force: bool) -> None:
    """Write the script NAME.py, with a class named after it.

    NAME may be a path. The script passes on what it gets, times a gain: replace that with what you want.
    """
    path = _with_suffix(name, ".py")
    _write(path, script_text(path), force)
    write_line(str(path))
    talk(f"put it into a graph: rena-graph new graph my-graph --script {path}")


@command.command("graph")
@click.argument("name", type=click.Path(path_type=Path))
@click.option("--script", "script_path", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Use this script, made by `new script`, instead of writing one.")  # fmt: skip
@_force
def graph(name: Path, script_path: Path | None, force: bool) -> None:
    """Write the graph NAME.json, and a script for it.

    The graph simulates an 8-channel signal at 250 Hz, hands it to the script and broadcasts what that makes on LSL.
    """
    path = _with_suffix(name, ".json")
    if not _GRAPH_NAME.fullmatch(path.stem):
        raise UsageError(
            f"{path.stem!r} cannot name a graph: a letter or digit, then letters, digits, '.', '_' or '-', 64 at most"
        )
    if script_path is None:
        stem = re.sub(r"\W", "_", path.stem, flags=re.ASCII)
        if stem[0].isdigit():
            stem = f"node_{stem}"
        script_path = path.parent / "scripts" / f"{stem}.py"
        files = {path: "", script_path: script_text(script_path)}
    else:
        files = {path: ""}
    folder = path.parent.resolve()
    relative = Path(os.path.relpath(script_path.resolve(), folder)).as_posix()
    if relative.startswith("../"):
        raise UsageError(
            f"{script_path} is not below {folder}, the graph's folder, which a graph takes its scripts from; put the "
            "graph beside or above it"
        )
    files[path] = graph_template(path.stem, relative)
    _refuse_existing(files, force)
    for file, text in files.items():
        _write(file, text, force)
        write_line(str(file))
    talk(f"check it: rena-graph validate {path}\nrun it:   rena-graph launch {path}")


def class_name(stem: str) -> str:
    """A class name after a file's: ``r_peaks`` gives ``RPeaks``.

    Raises
    ------
    UsageError
        `stem` cannot become a Python name.
    """
    name = "".join(part[0].upper() + part[1:] for part in re.split(r"[\W_]+", stem) if part)
    if not name.isidentifier() or keyword.iskeyword(name) or name == "RenaScript":
        raise UsageError(f"{stem!r} does not make a class name; begin it with a letter, such as my_filter")
    return name


def script_text(path: Path) -> str:
    """The script template, for a file of this name."""
    return SCRIPT.replace("ClassName", class_name(path.stem))


def _with_suffix(name: Path, suffix: str) -> Path:
    if name.suffix == suffix:
        return name
    return name.with_name(name.name + suffix)


def _refuse_existing(paths: dict[Path, str], force: bool) -> None:
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        raise UsageError(f"{', '.join(there)}: there already; choose another name, or overwrite with --force")


def _write(path: Path, text: str, force: bool) -> None:
    _refuse_existing({path: text}, force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # "x" makes the refusal hold also against somebody who writes the file at this moment.
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise EnvironmentRefused(f"cannot write {path}: {error.strerror}") from error
