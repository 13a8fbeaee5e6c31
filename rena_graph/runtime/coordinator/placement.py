"""What a node needs, in the words of Ray's actor options, and whether any host has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.document import NodeDef, PlacementDef

__all__ = ["node_options", "refuse_unplaceable"]


def node_options(placement: PlacementDef) -> dict[str, Any]:
    """Options for ``ray.remote(...).options``.

    A ``host`` is asked for through the resource ``node:<address>``, which Ray gives every machine.
    """
    options: dict[str, Any] = {"num_cpus": placement.num_cpus, "num_gpus": placement.num_gpus}
    if placement.memory is not None:
        options["memory"] = placement.memory
    if placement.host is not None:
        options["resources"] = {f"node:{placement.host}": 0.001}
    if placement.labels:
        options["label_selector"] = dict(placement.labels)
    return options


def refuse_unplaceable(nodes: Mapping[str, NodeDef], hosts: Sequence[Mapping[str, Any]]) -> None:
    """Raise where a node asks for what no single host has: Ray would wait for it for ever.

    Parameters
    ----------
    nodes : mapping
        By name.
    hosts : sequence of mappings
        As ``ray.nodes()`` gives them: ``Alive``, ``NodeManagerAddress``, ``Resources``, ``Labels``.

    Raises
    ------
    EnvironmentRefused
        Names every such node, what it asks for, and what each host has.
    """
    alive = [host for host in hosts if host["Alive"]]
    problems = [
        f"node {name!r} asks for {_wanted(definition.placement)}, which no host has"
        for name, definition in nodes.items()
        if not any(_fits(definition.placement, host) for host in alive)
    ]
    if problems:
        have = [f"  {host['NodeManagerAddress']}: {_has(host)}" for host in alive]
        raise EnvironmentRefused("\n".join([*problems, "the hosts are", *have]))


def _needs(placement: PlacementDef) -> dict[str, float]:
    needs = {"CPU": placement.num_cpus, "GPU": placement.num_gpus, "memory": float(placement.memory or 0)}
    if placement.host is not None:
        needs[f"node:{placement.host}"] = 0.001
    return {what: amount for what, amount in needs.items() if amount > 0}


def _fits(placement: PlacementDef, host: Mapping[str, Any]) -> bool:
    resources, labels = host["Resources"], host.get("Labels") or {}
    return all(resources.get(w, 0) >= amount for w, amount in _needs(placement).items()) and all(
        labels.get(key) == value for key, value in placement.labels.items()
    )


def _wanted(placement: PlacementDef) -> str:
    parts = [f"{amount:g} {what}" for what, amount in _needs(placement).items() if not what.startswith("node:")]
    if placement.host is not None:
        parts.append(f"host {placement.host}")
    parts += [f"label {key}={value}" for key, value in placement.labels.items()]
    return ", ".join(parts)


def _has(host: Mapping[str, Any]) -> str:
    resources = host["Resources"]
    shown = [f"{resources.get(what, 0):g} {what}" for what in ("CPU", "GPU", "memory")]
    shown += [
        f"label {key}={value}" for key, value in (host.get("Labels") or {}).items() if not key.startswith("ray.io/")
    ]
    return ", ".join(shown)
