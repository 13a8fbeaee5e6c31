"""Makes names that a graph accepts, and gives none twice."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["Names", "graph_name"]


class Names:
    """Names that are taken."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def unique(self, wanted: str) -> str:
        """`wanted`, or with a number behind it; taken from now on."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}-{number}"
        self._taken.add(name)
        return name

    def node(self, wanted: str) -> str:
        """A free node name like `wanted`."""
        plain = re.sub(r'[./\\:@"]', "_", wanted)[:50].strip().lstrip("-").strip()
        return self.unique(plain or "node")


def graph_name(wanted: str) -> str:
    """A name like `wanted` that a graph may have."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("-._")[:64].rstrip("-._")
    return plain or "imported"
