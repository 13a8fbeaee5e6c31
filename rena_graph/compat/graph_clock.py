"""Lets ``pylsl.local_clock`` tell graph time in scripts with the original's import names."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

__all__ = ["now", "patch", "set_clock", "unpatch", "use"]

Clock = Callable[[], float]

_clock: Clock | None = None
_in_use = False
_patched: list[tuple[ModuleType, Clock]] = []


def set_clock(clock: Clock | None) -> None:
    """What ``pylsl.local_clock`` gives once a script has imported an original name; None: pylsl's own.

    Parameters
    ----------
    clock : callable or None
        Graph time in seconds.
    """
    global _clock
    _clock = clock


def use(wanted: bool) -> None:
    """Whether a script with the original's names runs in this process."""
    global _in_use
    _in_use = wanted


def now() -> float:
    """Graph time in seconds; without a graph's clock, pylsl's own."""
    if _clock is not None:
        return _clock()
    from pylsl import local_clock

    return float(local_clock())


def patch() -> None:
    """Put ours in the place of ``local_clock`` in all of pylsl's modules; nothing where pylsl is not imported."""
    package = sys.modules.get("pylsl")
    found: Clock | None = getattr(package, "local_clock", None)
    if found is None or any(module is package for module, _ in _patched):
        return
    original: Clock = found

    def local_clock() -> float:
        """Graph time in seconds."""
        return _clock() if _in_use and _clock is not None else original()

    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "pylsl" and getattr(module, "local_clock", None) is original:
            module.local_clock = local_clock  # type: ignore[attr-defined]
            _patched.append((module, original))


def unpatch() -> None:
    """Give pylsl its own back."""
    for module, original in _patched:
        module.local_clock = original  # type: ignore[attr-defined]
    _patched.clear()
