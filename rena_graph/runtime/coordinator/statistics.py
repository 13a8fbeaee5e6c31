"""The figures of a run that outlive it: ``statistics.json``, renewed while it runs and final at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["FILE_NAME", "make_statistics", "write_statistics"]

FILE_NAME = "statistics.json"

_PASSING = frozenset({"pid"})


def make_statistics(status: Mapping[str, Any], final: bool, unix: float) -> dict[str, Any]:
    """What is worth keeping of a status, with what follows from it.

    Parameters
    ----------
    status : mapping
        See :func:`rena_graph.runtime.coordinator.status.make_status`.
    final : bool
        Whether it is the last one.
    unix : float
        Now, in seconds since 1970.
    """
    uptime = status["uptime"]
    edges = [{**edge, "balanced": _balanced(edge)} for edge in status["edges"]]
    outside = {edge["to"] for edge in edges} - set(status["nodes"])
    streams = {
        name: {**stream, "mean_rate": stream["produced"] / uptime if uptime else None}
        for name, stream in status["streams"].items()
    }
    return {
        "run": status["run"],
        "graph": status["graph"],
        "final": final,
        "written": unix,
        "began": unix - uptime if uptime else None,
        "seconds": uptime,
        "transport": status["transport"],
        "nodes": {
            name: {
                **{key: value for key, value in node.items() if key not in _PASSING},
                "mean_rate": node.get("loops", 0) / uptime if uptime else None,
            }
            for name, node in status["nodes"].items()
        },
        "streams": streams,
        "edges": [edge for edge in edges if edge["to"] not in outside],
        "sinks": [edge for edge in edges if edge["to"] in outside],
        "ways": status.get("sinks", []),
        "hosts": status.get("hosts", {}),
    }


def _balanced(edge: Mapping[str, Any]) -> bool:
    return bool(edge["produced"] == edge["delivered"] + sum(edge["dropped"].values()) + edge["in_flight"])


def write_statistics(folder: Path, statistics: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    spare = folder / f"{FILE_NAME}.new"
    spare.write_text(json.dumps(statistics, indent=1))
    spare.replace(folder / FILE_NAME)
