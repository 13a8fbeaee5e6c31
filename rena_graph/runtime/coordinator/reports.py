"""What the hosts of a run report, as if it were one host: the newest of each, put together. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
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

    def keep(self, host: str, nodes: Collection[str], streams: Collection[str], rows: Collection[int]) -> None:
        """Of what a host that is lost has told, keep what is of it still: the rest is told by others from now on."""
        report = self._reports.get(host)
        if report is not None:
            self._reports[host] = {
                **report,
                "nodes": {name: facts for name, facts in report["nodes"].items() if name in nodes},
                "streams": {name: facts for name, facts in report["streams"].items() if name in streams},
                "edges": [edge for edge in report["edges"] if edge["row"] in rows],
            }

    def of(self, host: str) -> Mapping[str, Any] | None:
        """The newest report of a host; None where there is none."""
        return self._reports.get(host)

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


def merged_details(details: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The same of what metrics tell beyond a status.

    Parameters
    ----------
    details : mapping of str to mapping
        By host, the coordinator's first: see :meth:`rena_graph.runtime.host.agent.HostAgent.metrics`.

    Returns
    -------
    dict
        ``histograms``, ``latencies`` and ``gpu_memory`` of all; by host ``hosts``, what is used of it, and ``agents``,
        the processor seconds of its agent.
    """
    found: dict[str, Any] = {"histograms": {}, "latencies": [], "gpu_memory": {}, "hosts": {}, "agents": {}}
    for host, detail in details.items():
        found["histograms"] |= detail.get("histograms", {})
        found["latencies"] += detail.get("latencies", [])
        found["gpu_memory"] |= detail.get("gpu_memory", {})
        if "host" in detail:
            found["hosts"][host] = detail["host"]
        if "agent_cpu" in detail:
            found["agents"][host] = detail["agent_cpu"]
    return found
