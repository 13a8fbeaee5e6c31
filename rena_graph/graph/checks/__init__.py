"""Checks of what concerns two places of a document at once, or the files beside it; one module a subject."""

from __future__ import annotations

from rena_graph.graph.checks import (
    cycles,
    declarations,
    files,
    finite,
    formats,
    names,
    outside,
    packages,
    parameters,
    rates,
    timing,
    use,
)
from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph
from rena_graph.graph.shape import Draft

__all__ = ["check_files", "check_graph", "check_ports"]


def check_graph(graph: Graph, draft: Draft, findings: Findings) -> None:
    """All checks of the document itself, on its healthy parts."""
    names.check(graph, draft, findings)
    cycles.check(graph, draft, findings)
    declarations.check(graph, draft, findings)
    formats.check(graph, draft, findings)
    timing.check(graph, draft, findings)
    rates.check(graph, draft, findings)
    finite.check(graph, draft, findings)
    outside.check(graph, findings)
    packages.check(graph, draft, findings)
    parameters.check(graph, findings)
    if draft.healthy:
        use.check(graph, findings)


def check_files(graph: Graph, draft: Draft, findings: Findings) -> None:
    """Those of the files beside it."""
    files.check(graph, draft, findings)
    packages.check_files(graph, draft, findings)


check_ports = outside.check_ports
