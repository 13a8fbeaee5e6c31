"""Loads a graph: reads the document, makes all checks, and gives a :class:`Graph` or all problems at once."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rena_graph.errors import GraphInvalid
from rena_graph.graph import checks
from rena_graph.graph.build import build_graph
from rena_graph.graph.document import GraphDocument
from rena_graph.graph.findings import MAX_PROBLEMS, Findings
from rena_graph.graph.model import Graph
from rena_graph.graph.problems import Problem
from rena_graph.graph.shape import Draft, read_draft
from rena_graph.graph.source import Source, flaw_problems, flaws, read_source

__all__ = ["checked_graph", "graph_from_dict", "load_graph", "ports_in_use"]


def load_graph(
    path: str | Path,
    *,
    allow_code: Sequence[str | Path] = (),
    check_scripts: bool = True,
    check_ports: bool = False,
) -> Graph:
    """Read and check a graph document.

    Parameters
    ----------
    path : str | Path
        The ``graph.json``. Paths in it are relative to its folder.
    allow_code : sequence of str | Path
        Folders outside that one from which scripts and recordings may come.
    check_scripts : bool
        Whether scripts and recordings are looked at. Scripts are parsed, never executed.
    check_ports : bool
        Whether the ports that the graph publishes on are tried, as :func:`ports_in_use` does.

    Raises
    ------
    GraphInvalid
        With all problems, where there is an error among them.
    """
    path = Path(path)
    source = read_source(path)
    folder = Path(os.path.realpath(path.parent))
    return _graph(source, path, folder, _real(allow_code), check_scripts, check_ports)


def graph_from_dict(
    document: Mapping[str, Any],
    folder: str | Path,
    *,
    allow_code: Sequence[str | Path] = (),
    check_scripts: bool = True,
) -> Graph:
    """Make a graph of a document that was made in Python.

    Parameters
    ----------
    document : mapping
        What would stand in ``graph.json``.
    folder : str | Path
        What its paths are relative to.
    allow_code, check_scripts
        As for :func:`load_graph`.

    Raises
    ------
    GraphInvalid
        With all problems, where there is an error among them.
    """
    folder = Path(os.path.realpath(folder))
    source = Source("graph", dict(document))
    found = list(itertools.islice(flaws(source.value), MAX_PROBLEMS))
    if found:
        raise GraphInvalid(source.name, flaw_problems(source, found))
    return _graph(source, folder / "graph.json", folder, _real(allow_code), check_scripts)


def ports_in_use(graph: Graph) -> tuple[Problem, ...]:
    """What keeps the graph from publishing on its ports on this machine, now: each is bound for a moment.

    Returns
    -------
    tuple of Problem
        Of codes G602 and G603, with their places where the document can still be read.
    """
    findings = Findings()
    checks.check_ports(graph, findings)
    try:
        source = read_source(graph.path)
    except GraphInvalid:  # made in Python, or changed since
        source = Source(str(graph.path), None)
    return findings.problems(source)


def checked_graph(graph: Graph, document: GraphDocument) -> Graph:
    """`graph` made anew from another document, all checks made again but those of files."""
    findings = Findings()
    draft = Draft(head=document, streams=dict(document.streams), nodes=dict(document.nodes))
    for name in document.streams:
        draft.producers.setdefault(name, []).append(("streams", name))
    for node, definition in document.nodes.items():
        for name in definition.outputs:
            draft.producers.setdefault(name, []).append(("nodes", node, "outputs", name))
    changed = build_graph(document, graph.path, graph.folder, graph.allow_code)
    checks.check_graph(changed, draft, findings)
    return _settled(changed, findings, Source(str(graph.path), None))


def _graph(
    source: Source,
    path: Path,
    folder: Path,
    allow_code: tuple[Path, ...],
    check_scripts: bool,
    check_ports: bool = False,
) -> Graph:
    findings = Findings()
    draft = read_draft(source.value, findings)
    graph = build_graph(draft.document(), path, folder, allow_code)
    checks.check_graph(graph, draft, findings)
    if check_scripts:
        checks.check_files(graph, draft, findings)
    if check_ports:
        checks.check_ports(graph, findings)
    return _settled(graph, findings, source)


def _settled(graph: Graph, findings: Findings, source: Source) -> Graph:
    problems = findings.problems(source)
    if findings.any_error:
        raise GraphInvalid(source.name, problems)
    return replace(graph, warnings=problems)


def _real(folders: Sequence[str | Path]) -> tuple[Path, ...]:
    return tuple(Path(os.path.realpath(folder)) for folder in folders)
