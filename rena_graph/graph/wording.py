"""How values, rates and near misses are put into words in messages."""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Collection, Iterable, Sequence

from rena_graph.graph.problems import printable

__all__ = ["Nearest", "did_you_mean", "hertz", "join", "plural", "quote", "show"]

MAX_SHOWN = 60


def quote(text: str) -> str:
    """`text` in double quotes, shortened, with what does not print escaped."""
    shown = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
    return f'"{printable(shown)}"'


def show(value: object) -> str:
    """A JSON value in a few words; long and nested ones only by their size."""
    if isinstance(value, str):
        return quote(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else "a whole number of more than 30 digits"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        keys = [quote(str(key)) for key in list(value)[:4]]
        more = ", …" if len(value) > 4 else ""
        noun = "key" if len(value) == 1 else "keys"
        return f"an object with {noun} {', '.join(keys)}{more}" if keys else "{}"
    if isinstance(value, (list, tuple)):
        return f"a list of {plural(len(value), 'value')}" if value else "[]"
    return f"a Python {type(value).__name__}"


def plural(count: int, noun: str) -> str:
    """``1 channel``, ``2 channels``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def join(items: Iterable[str], last: str = "or", limit: int = 12, *, quoted: bool = False) -> str:
    """``a, b or c``; of many only the first `limit`, so that a message about thousands of names costs little."""
    names = items if isinstance(items, Collection) else list(items)
    words = [quote(name) if quoted else name for name in itertools.islice(names, limit)]
    if len(names) > limit:
        return ", ".join(words) + f" … ({len(names) - limit:,} more)"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else "nothing"


def hertz(rate: float) -> str:
    """``250 Hz``, ``1 kHz``, ``irregular``."""
    if rate == 0:
        return "an irregular rate"
    return f"{rate / 1000:g} kHz" if rate >= 1000 and rate % 100 == 0 else f"{rate:.10g} Hz"


def did_you_mean(name: str | None) -> str | None:
    """The hint for a near miss, or none."""
    return None if name is None else f"did you mean {quote(name)}?"


class Nearest:
    """Finds the name that was probably meant, for at most so much work per document.

    Parameters
    ----------
    budget : int
        Fuzzy comparisons altogether. Beyond it only spelling variants (case, separators) are found, so that a
        document with thousands of wrong names is still answered at once.
    """

    def __init__(self, budget: int = 50_000) -> None:
        self._budget = budget

    def __call__(self, name: str, candidates: Iterable[str], cutoff: float = 0.6) -> str | None:
        """The nearest of `candidates`, or None where none is as near as `cutoff` (1 is the same)."""
        names: Sequence[str] = list(candidates)
        if len(name) > 200 or len(names) > self._budget:
            return None
        self._budget -= len(names)
        plain = _plain(name)
        for candidate in names:
            if _plain(candidate) == plain and candidate != name:
                return candidate
        near = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
        return near[0] if near and near[0] != name else None


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())
