"""A run's status: what the coordinator decided and what its host counted, as one JSON-able value."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rena_graph.runtime.coordinator.machine import Coordinator, Phase
from rena_graph.runtime.coordinator.paths import Way, sink_rows
from rena_graph.runtime.lifecycle import ALIVE
from rena_graph.runtime.run_setup import RunSetup

__all__ = ["make_status"]


def make_status(
    setup: RunSetup,
    machine: Coordinator,
    report: Mapping[str, Any],
    params: Mapping[str, Mapping[str, Any]],
    keeping: Callable[[str], dict[str, Any] | None],
    uptime: float,
    paths: Mapping[str, Sequence[Way]],
    made_on: Mapping[str, str] | None = None,
    states: Mapping[str, Mapping[str, Any]] | None = None,
    where: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Put together what ``status`` answers.

    Parameters
    ----------
    setup : RunSetup
        Which run.
    machine : Coordinator
        States, restarts, failures.
    report : mapping
        The newest of :meth:`rena_graph.runtime.host.report.BoardReader.read`.
    params : mapping
        Parameters by node, as they are now.
    keeping : callable
        How a node stands with its rate.
    uptime : float
        Seconds since the first sample was let in.
    paths : mapping
        See :func:`rena_graph.runtime.coordinator.paths.paths_to`.
    made_on : mapping of str to str
        The host on which each stream is made, or comes in; left out where there is one host.
    states : mapping
        The state of each host, as :meth:`~rena_graph.runtime.coordinator.host_watch.HostWatch.states` tells it.
    where : mapping of str to str
        The host of each node. Those of a silent host are shown as stale: nobody sees how they are.
    """
    states, where = states or {}, where or {}
    silent = {host for host, known in states.items() if known["state"] == "silent"}
    dropped: dict[str, int] = {}
    for edge in report["edges"]:
        dropped[edge["to"]] = dropped.get(edge["to"], 0) + sum(edge["dropped"].values())
    nodes = {
        name: {
            **report["nodes"].get(name, {}),
            "state": record.state.label,
            "stale": record.stale_for is not None or (record.state in ALIVE and where.get(name) in silent),
            "restarts": record.restarts,
            "reloads": record.reloads,
            "asked_restarts": record.asked_restarts,
            "debug": record.debugged,
            "error": record.error,
            "dropped": dropped.get(name, 0),
            "params": dict(params[name]),
            "keeping": keeping(name),
        }
        for name, record in machine.nodes.items()
    }
    told = report.get("hosts", {})
    hosts = {name: {**told.get(name, {}), **states.get(name, {})} for name in [*told, *(states.keys() - told.keys())]}
    return {
        "run": setup.id,
        "graph": setup.graph.name,
        "state": machine.phase.value,
        "uptime": uptime,
        "exit_code": int(machine.exit_code) if machine.phase is Phase.ENDED else None,
        "failure": machine.failure,
        "transport": setup.transport,
        "pid": os.getpid(),
        "nodes": nodes,
        "streams": report["streams"],
        "edges": report["edges"],
        "sinks": sink_rows(paths, report["nodes"], report["edges"], made_on or {}, told),
        "hosts": hosts,
    }
