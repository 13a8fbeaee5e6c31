"""The compiled kernel: what a plain hop does, in C. Optional; Python does the same where there is none.

Classes that use it stand beside the Python ones that they speed up (:mod:`rena_graph.transport.fast`,
:mod:`rena_graph.streams.fast_window`), have the same interface, and leave to these all that is not the ordinary case.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

from rena_graph.kernel.building import digest

__all__ = ["ENVIRONMENT", "core", "describe", "missing"]

ENVIRONMENT = "RENA_GRAPH_KERNEL"
"""Set to ``python``, the kernel is left alone."""


def _find() -> tuple[ModuleType | None, str]:
    """The compiled module, or None and why."""
    if os.environ.get(ENVIRONMENT, "").lower() == "python":
        return None, f"{ENVIRONMENT}=python"
    try:
        found = importlib.import_module("rena_graph.kernel._core")
    except ImportError as error:
        if error.name == "rena_graph.kernel._core":
            return None, "not built: there was no C compiler when this was installed"
        return None, f"it cannot be loaded: {error}"
    if digest(Path(__file__).parent) != found.SOURCE:
        return None, "built from other sources than these: install anew"
    return found, ""


core, missing = _find()
"""The module, or None; and why there is none."""


def describe() -> str:
    """Which of the two is at work, in words."""
    return f"Python ({missing})" if core is None else "compiled"
