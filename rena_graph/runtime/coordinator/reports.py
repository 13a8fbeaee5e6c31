"""What the hosts of a run report, as if it were one host: the newest of each, put together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rena_graph.graph.model import Graph

__all__ = ["Reports", "merged_details"]

Stale = tuple[str, int, float]


class Reports:
    """Keeps the newest report of each host; each node, stream and edge is in that of one host only.

    Parameters
    ----------
    graph : Graph
        What runs; its order is that of what is told.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._reports: dict[str, Mapping[str, Any]] = {}
        self._stale: dict[str, tuple[Stale, ...]] = {}

    def heard(self, host: str, report: Mapping[str, Any]) -> None:
        """See :meth:`rena_graph.runtime.host.report.BoardReader.read`."""
        self._reports[host] = report

    def heard_stale(self, host: str, stale: Iterable[Stale]) -> tuple[Stale, ...]:
        """The silent nodes of one host; those of all are returned."""
        self._stale[host] = tuple(tuple(entry) for entry in stale)  # type: ignore[misc]
        return tuple(entry for entries in self._stale.values() for entry in entries)

    def complete(self, hosts: Iterable[str]) -> bool:
        """Whether all these have reported."""
        return all(host in self._reports for host in hosts)

    def merged(self) -> dict[str, Any]:
        """All of it; what no host has told yet is missing."""
        nodes: dict[str, Any] = {}
        streams: dict[str, Any] = {}
        hosts: dict[str, Any] = {}
        edges: list[dict[str, Any]] = []
        for report in self._reports.values():
            nodes |= report["nodes"]
            streams |= report["streams"]
            hosts |= report["hosts"]
            edges += report["edges"]
        edges.sort(key=lambda edge: edge["row"])
        return {
            "nodes": {name: nodes[name] for name in self._graph.nodes if name in nodes},
            "streams": {name: streams[name] for name in self._graph.streams if name in streams},
            "edges": [{key: value for key, value in edge.items() if key != "row"} for edge in edges],
            "hosts": hosts,
        }


def merged_details(details: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The same of what metrics tell beyond a status; what is used of a machine is that of the first host.

    Parameters
    ----------
    details : iterable of mapping
        See :meth:`rena_graph.runtime.host.agent.HostAgent.metrics`; the coordinator's host first.
    """
    found: dict[str, Any] = {}
    for detail in details:
        for key, value in detail.items():
            if key in ("histograms", "gpu_memory"):
                found[key] = {**found.get(key, {}), **value}
            elif key == "latencies":
                found[key] = [*found.get(key, []), *value]
            elif key == "agent_cpu":
                found[key] = found.get(key, 0.0) + value
            else:
                found.setdefault(key, value)
    return found
