"""What a benchmark ran on: figures mean nothing without it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["describe_machine", "machine_lines"]

_PACKAGES = ("rena-graph", "numpy", "ray", "pyzmq")


def describe_machine() -> dict[str, Any]:
    """Processor, cores, kernel, Python, versions and load, as JSON-able values; None where something is not known."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": _memory(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {name: _version(name) for name in _PACKAGES},
        "load_average": list(os.getloadavg()),
    }


def machine_lines(machine: dict[str, Any]) -> list[str]:
    """The same for people, and a warning where others were at work too."""
    memory = machine["memory_bytes"]
    versions = ", ".join(f"{name} {found or 'missing'}" for name, found in machine["versions"].items())
    lines = [
        f"{machine['cpu'] or 'unknown processor'}, {machine['usable_cores']} of {machine['cores']} cores, "
        f"{f'{memory / 2**30:.0f} GiB' if memory else 'unknown memory'}",
        f"{machine['system']}, {machine['python']}, {versions}",
        "load average " + " ".join(f"{load:.1f}" for load in machine["load_average"]),
    ]
    if machine["load_average"][0] > 0.5 * machine["usable_cores"]:
        lines.append("Others are at work on this machine: figures are too large, and ratios less sure.")
    return lines


def _cpu() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
