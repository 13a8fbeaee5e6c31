"""Where the processes of a run go, and how Ray is told: by its actor options."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rena_graph.graph.document import PlacementDef
from rena_graph.graph.model import Graph
from rena_graph.runtime.hosts.layout import Layout
from rena_graph.runtime.hosts.machines import coordinator_first, machines_of_ray
from rena_graph.runtime.hosts.planner import place

__all__ = ["layout_of", "node_options", "pinned"]


def pinned(address: str) -> dict[str, float]:
    """What to ask of Ray to be on the host with this address: the resource that Ray gives each host for that."""
    return {f"node:{address}": 0.001}


def node_options(placement: PlacementDef, address: str, python: str | None = None) -> dict[str, Any]:
    """Options for ``ray.remote(...).options``: what the node needs, on the host with this address.

    `python` is the interpreter that its process is started with; None for that of Ray there.
    """
    options: dict[str, Any] = {
        "num_cpus": placement.num_cpus,
        "num_gpus": placement.num_gpus,
        "resources": pinned(address),
    }
    if placement.memory is not None:
        options["memory"] = placement.memory
    if placement.labels:
        options["label_selector"] = dict(placement.labels)
    if python is not None:
        # Ray hands it to a shell.
        options["runtime_env"] = {"py_executable": shlex.quote(python)}
    return options


def layout_of(graph: Graph, hosts: Sequence[Mapping[str, Any]], address: str, debugged: str | None = None) -> Layout:
    """Who of a graph belongs on which host. Raises where it cannot be: Ray would wait for what is not there for ever.

    Parameters
    ----------
    graph : Graph
        What is to run.
    hosts : sequence of mappings
        As ``ray.nodes()`` gives them.
    address : str
        The coordinator's host.
    debugged : str | None
        The node that runs in the launching process, on that host.

    Raises
    ------
    EnvironmentRefused
        Names every node that asks for what no host has, and what each host has.
    """
    bound = [] if debugged is None else [debugged]
    machines = coordinator_first(machines_of_ray(hosts), address)
    return Layout.of(place(graph, machines, dict.fromkeys(bound, machines[0].name)))
