"""``physiolabxr.utils.time_utils``."""

from __future__ import annotations

from rena_graph.compat import graph_clock

__all__ = ["get_clock_time"]


def get_clock_time() -> float:
    """Graph time in seconds."""
    return graph_clock.now()
