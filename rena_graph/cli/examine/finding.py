"""What one look of the doctor gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Verdict", "fail", "ok", "warn"]

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    what : str
        The thing, in a word or two.
    verdict : {'ok', 'warn', 'fail'}
        ``warn``: runs work, but not at their best or not all of them. ``fail``: they do not.
    found : str
        What is there.
    remedy : str | None
        What to do; None where all is well.
    """

    what: str
    verdict: Verdict
    found: str
    remedy: str | None = None


def ok(what: str, found: str) -> Finding:
    """All is well."""
    return Finding(what, "ok", found)


def warn(what: str, found: str, remedy: str) -> Finding:
    """Worth knowing."""
    return Finding(what, "warn", found, remedy)


def fail(what: str, found: str, remedy: str) -> Finding:
    """Runs do not work like this."""
    return Finding(what, "fail", found, remedy)
