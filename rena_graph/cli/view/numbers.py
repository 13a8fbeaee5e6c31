"""Numbers for people: rates, durations, counts and sizes, each in a few characters; ``–`` where there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["NONE", "asked_rate", "clock_time", "count", "duration", "rate", "size"]

NONE = "–"


def rate(hertz: float | None) -> str:
    """Hz with three or four digits, without the unit; ``max`` where nothing limits it."""
    if hertz is None or math.isnan(hertz):
        return NONE
    if math.isinf(hertz):
        return "max"
    if hertz >= 1000:
        return f"{hertz:,.0f}"
    return f"{hertz:.1f}" if hertz >= 10 else f"{hertz:.2f}"


def asked_rate(node: Mapping[str, Any]) -> str:
    """The frequency asked of a node; a node that loops without having been asked for one has no limit."""
    return rate(math.inf if node["frequency"] is None and node["loops"] else node["frequency"])


def duration(seconds: float | None) -> str:
    """Seconds with the unit that fits: ``12 µs``, ``3.4 ms``, ``5.6 s``, ``7:08``, ``1:02:03``."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 0.9995e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.1f} ms" if seconds < 0.09995 else f"{seconds * 1e3:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    return clock_time(seconds)


def clock_time(seconds: float) -> str:
    """Whole seconds as ``m:ss`` or ``h:mm:ss``, rounded down."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def count(number: float | None) -> str:
    """A whole number with its thousands set apart."""
    return NONE if number is None else f"{int(number):,}"


def size(amount: float | None) -> str:
    """Bytes in powers of 1000: ``512 B``, ``1.2 MB``."""
    if amount is None:
        return NONE
    if amount < 1000:
        return f"{amount:.0f} B"
    steps = min(4, int(math.log(amount * 1.00005, 1000)))
    return f"{amount / 1000**steps:.1f} {('kB', 'MB', 'GB', 'TB')[steps - 1]}"
