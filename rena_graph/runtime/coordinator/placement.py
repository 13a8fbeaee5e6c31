"""Where the processes of a run go: all to the host of its coordinator, by way of Ray's actor options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.document import PlacementDef
from rena_graph.graph.model import Graph
from rena_graph.runtime.hosts.machines import coordinator_first, machines_of_ray
from rena_graph.runtime.hosts.planner import Placement, place

__all__ = ["node_options", "pinned", "refuse_unplaceable"]


def pinned(address: str) -> dict[str, float]:
    """What to ask of Ray to be on the host with this address: the resource that Ray gives each host for that."""
    return {f"node:{address}": 0.001}


def node_options(placement: PlacementDef, address: str) -> dict[str, Any]:
    """Options for ``ray.remote(...).options``: what the node needs, on the host with this address."""
    options: dict[str, Any] = {
        "num_cpus": placement.num_cpus,
        "num_gpus": placement.num_gpus,
        "resources": pinned(address),
    }
    if placement.memory is not None:
        options["memory"] = placement.memory
    if placement.labels:
        options["label_selector"] = dict(placement.labels)
    return options


def refuse_unplaceable(graph: Graph, hosts: Sequence[Mapping[str, Any]], address: str) -> None:
    """Raise where the graph cannot run on the host with this address: Ray would wait for what is not there for ever.

    Parameters
    ----------
    graph : Graph
        What is to run.
    hosts : sequence of mappings
        As ``ray.nodes()`` gives them.
    address : str
        The coordinator's host.

    Raises
    ------
    EnvironmentRefused
        Names every node that asks for what no host has, or for another host than this one, and what each host has.
    """
    placement = place(graph, coordinator_first(machines_of_ray(hosts), address))
    away = _away(placement)
    if away:
        raise EnvironmentRefused(
            "\n".join(
                [
                    f"this version runs a graph on one host, the one that it is launched on ({placement.machines[0]}), "
                    "and for this graph that is not enough:",
                    *away,
                    "launch it on a host that has it all, or change the placement; `rena-graph plan` shows the hosts",
                ]
            )
        )


def _away(placement: Placement) -> list[str]:
    """What would have to run elsewhere."""
    here = placement.machines[0].name
    by_name = {machine.name: machine for machine in placement.machines}
    found = [(f"node {name!r}", host) for name, host in placement.nodes.items()]
    found += [(f"stream {name!r}", host) for name, host in placement.streams.items()]
    return [f"  {what} belongs on {by_name[host]}" for what, host in found if host != here]
