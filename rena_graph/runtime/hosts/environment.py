"""What a node's process needs of Python beyond what its host runs rena_graph with, and what was made of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rena_graph.graph.model import Graph
from rena_graph.graph.requirements import requirements_text

__all__ = ["Made", "Wanted", "has_own", "wanted_of"]


@dataclass(frozen=True)
class Wanted:
    """What the graph asks for; picklable.

    Parameters
    ----------
    requirements : str
        Text of a requirements file; empty for none.
    environment : str | None
        Absolute path of a folder or an interpreter on the node's host.
    """

    requirements: str = ""
    environment: str | None = None


@dataclass(frozen=True)
class Made:
    """What a host has for it.

    Parameters
    ----------
    python : str
        The interpreter that the node's process is to be started with.
    packages : mapping of str to str
        What pip installed for it: versions by name.
    seconds : float
        How long it took.
    cached : bool
        Whether an earlier run had made it.
    """

    python: str
    packages: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    cached: bool = False


def has_own(graph: Graph, node: str) -> bool:
    """Whether a node asks for packages, or an environment, of its own."""
    definition = graph.nodes[node]
    return bool(definition.pip) or definition.environment is not None


def wanted_of(graph: Graph) -> dict[str, Wanted]:
    """By node, of those that ask for something. Reads requirements files.

    Raises
    ------
    GraphError
        One of them is not there any more.
    """
    return {
        node: Wanted(requirements_text(graph, node), graph.nodes[node].environment)
        for node in graph.nodes
        if has_own(graph, node)
    }
