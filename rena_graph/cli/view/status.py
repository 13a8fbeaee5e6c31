"""A run's status with every value that the views need: early ones lack what only a running node can count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["EDGE", "NODE", "RUN", "STREAM", "complete"]

RUN: dict[str, Any] = {
    "run": "", "graph": "", "state": "starting", "uptime": 0.0, "transport": "", "exit_code": None, "sinks": [],
    "hosts": {},
}  # fmt: skip
"""What a status holds beside its tables, with what stands for a value that is not there yet."""

NODE: dict[str, Any] = {
    "state": "placing", "stale": False, "frequency": None, "rate": None, "loops": 0, "loop_mean": None,
    "loop_p99": None, "loop_max": None, "skipped": 0, "overruns": 0, "exceptions": 0, "bad_outputs": 0, "dropped": 0,
    "age": None, "age_p50": None, "age_p99": None, "output_age_p50": None, "output_age_p99": None,
    "restarts": 0, "reloads": 0, "debug": False, "pid": None, "error": None,
}  # fmt: skip
"""The same of a node. Rates are in Hz, times in seconds."""

STREAM: dict[str, Any] = {"produced": 0, "rate": None, "source_state": None, "gaps": 0, "lost": 0, "rejected": 0}
"""The same of a stream; ``source_state`` is None for those that nodes make."""

EDGE: dict[str, Any] = {"stream": "", "to": "", "produced": 0, "delivered": 0, "dropped": {}, "in_flight": 0}
"""The same of an edge; all in samples, ``dropped`` by reason."""


def complete(status: Mapping[str, Any]) -> dict[str, Any]:
    """`status` with every key of the tables above; what it holds beyond them is kept."""
    return {
        **RUN,
        **status,
        "nodes": {name: _bounded({**NODE, **node}) for name, node in status.get("nodes", {}).items()},
        "streams": {name: {**STREAM, **stream} for name, stream in status.get("streams", {}).items()},
        "edges": [{**EDGE, **edge} for edge in status.get("edges", ())],
    }


def _bounded(node: dict[str, Any]) -> dict[str, Any]:
    """A quantile is rounded up to its histogram bucket's edge, which may lie beyond the longest loop there was."""
    if node["loop_p99"] is not None and node["loop_max"] is not None:
        node["loop_p99"] = min(node["loop_p99"], node["loop_max"])
    return node
