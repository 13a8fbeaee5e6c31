"""Checks of what concerns two places of a document at once, or the files beside it; one module a subject."""

from __future__ import annotations

from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph
from rena_graph.graph.shape import Draft

__all__ = ["check_files", "check_graph"]


def check_graph(graph: Graph, draft: Draft, findings: Findings) -> None:
    """All checks of the document itself, on its healthy parts."""
    from rena_graph.graph.checks import names

    names.check(graph, draft, findings)


def check_files(graph: Graph, draft: Draft, findings: Findings) -> None:
    """All checks of the scripts and recordings; nothing is executed."""
