"""What an import has to say: each thing that was lost, changed or assumed on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rena_graph.graph.problems import printable

__all__ = ["KINDS", "Kind", "Remark", "Remarks"]

Kind = Literal["lost", "changed", "assumed"]

KINDS: dict[Kind, str] = {
    "lost": "Could not be carried over",
    "changed": "Carried over differently",
    "assumed": "Assumed, to be checked",
}
"""The kinds of remark, as headings."""


@dataclass(frozen=True)
class Remark:
    """One thing that its reader should know.

    Parameters
    ----------
    kind : {'lost', 'changed', 'assumed'}
        Whether it is missing in the graph, stands there in another way, or was guessed.
    about : str
        What it is about, such as ``script bandpower``.
    text : str
        What became of it, and what can be done.
    """

    kind: Kind
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"


class Remarks:
    """Collects remarks; the same one twice is kept once."""

    def __init__(self) -> None:
        self._kept: dict[Remark, None] = {}

    def lost(self, about: str, text: str) -> None:
        """Something that the graph does not have."""
        self._add("lost", about, text)

    def changed(self, about: str, text: str) -> None:
        """Something that the graph has in another way."""
        self._add("changed", about, text)

    def assumed(self, about: str, text: str) -> None:
        """Something that the presets do not say."""
        self._add("assumed", about, text)

    def all(self) -> tuple[Remark, ...]:
        """In the order of the kinds, then in that in which they were made."""
        return tuple(remark for kind in KINDS for remark in self._kept if remark.kind == kind)

    def _add(self, kind: Kind, about: str, text: str) -> None:
        self._kept.setdefault(Remark(kind, printable(about), printable(text)))
