"""One thing that was found out on the way upwards, and the words for numbers in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "ago", "many", "per_second"]

Verdict = Literal["flows", "stops", "slows", "note"]


@dataclass(frozen=True)
class Finding:
    """What holds at one place.

    Parameters
    ----------
    place : str
        A node or a stream.
    verdict : {'flows', 'stops', 'slows', 'note'}
        Whether data gets on from here: ``stops`` is a cause, of which one needs to look no further up.
    text : str
        What, with the figure that shows it.
    remedy : str | None
        What to do about it; ``RUN`` stands for the run's id.
    depth : int
        Steps up from where the question was.
    """

    place: str
    verdict: Verdict
    text: str
    remedy: str | None = None
    depth: int = 0


def many(count: int, what: str) -> str:
    """``1 sample``, ``1,234 samples``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def per_second(count: float, seconds: float) -> str:
    """A rate in Hz."""
    rate = count / seconds
    return f"{rate:,.0f} Hz" if rate >= 100 else f"{rate:.3g} Hz"


def ago(seconds: float | None) -> str:
    """An age for people."""
    if seconds is None:
        return "never"
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms old"
    return f"{seconds:.1f} s old" if seconds < 100 else f"{seconds / 60:.0f} min old"
