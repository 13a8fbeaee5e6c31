"""Statuses of runs as the coordinator gives them, for tests of what is shown of them."""

from __future__ import annotations

from typing import Any

from rena_graph.cli.view.status import complete


def node(**changes: Any) -> dict[str, Any]:
    """A node that runs well."""
    facts = {
        "state": "running", "stale": False, "frequency": 60.0, "rate": 59.98, "loops": 1200, "loop_mean": 0.0004,
        "loop_p99": 0.0009, "loop_max": 0.0123, "skipped": 0, "overruns": 0, "exceptions": 0, "bad_outputs": 0,
        "dropped": 0, "age": 0.0062, "restarts": 0, "pid": 4711, "error": None,
    }  # fmt: skip
    return {**facts, **changes}


def edge(stream: str = "ECG", to: str = "r_peaks", **changes: Any) -> dict[str, Any]:
    """An edge of which nothing was lost."""
    facts = {"stream": stream, "to": to, "produced": 7200, "delivered": 7200, "dropped": {}, "in_flight": 0}
    return {**facts, **changes}


def external(**changes: Any) -> dict[str, Any]:
    """An external stream that is there."""
    facts = {
        "produced": 7200, "rate": 360.1, "source_state": "connected", "gaps": 0, "lost": 0, "rejected": 0,
        "not_finite": 0,
    }  # fmt: skip
    return {**facts, **changes}


def status(**changes: Any) -> dict[str, Any]:
    """A run of two nodes, in good health."""
    facts = {
        "run": "c0ffee12",
        "graph": "heart-rate",
        "state": "running",
        "uptime": 20.4,
        "exit_code": None,
        "transport": "ring",
        "nodes": {"r_peaks": node(), "heart_rate": node(loops=24, rate=1.2)},
        "streams": {"ECG": external(), "R-peaks": {"produced": 25, "rate": 1.2, "source_state": None}},
        "edges": [edge(), edge("R-peaks", "heart_rate", produced=25, delivered=25)],
        "hosts": {"lab-1": {"cpu": 0.2, "cores": 4, "clock": None}},
    }
    return complete({**facts, **changes})
