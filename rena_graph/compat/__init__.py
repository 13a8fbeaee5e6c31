"""The import names of PhysioLabXR, ``physiolabxr.*`` and the older ``rena.*``, for scripts that were written for it."""

from __future__ import annotations

from rena_graph.compat.finder import install, uninstall
from rena_graph.compat.graph_clock import set_clock

__all__ = ["install", "set_clock", "uninstall"]
