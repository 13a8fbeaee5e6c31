"""Collects problems while a document is read, and gives each its place in the text at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rena_graph.graph.positions import Place
from rena_graph.graph.problems import CODES, JsonPath, Problem, json_path, printable, sort_key
from rena_graph.graph.source import Source
from rena_graph.graph.wording import Nearest, plural

__all__ = ["MAX_PROBLEMS", "Findings"]

MAX_PROBLEMS = 1_000
"""Problems that are listed; the others are counted."""


@dataclass(frozen=True)
class _Finding:
    code: str
    path: JsonPath
    message: str
    found: str | None
    allowed: str | None
    hint: str | None
    at: Literal["key", "value"]
    file: str | None
    line: int | None
    column: int | None


class Findings:
    """The problems of one document, in the making.

    Places are looked up for all of them in one pass over the text (:meth:`problems`): keeping the position of every
    value of a large document would cost more memory than the document.
    """

    def __init__(self) -> None:
        self._kept: list[_Finding] = []
        self._errors = 0
        self._unlisted = 0
        self.nearest = Nearest()

    @property
    def any_error(self) -> bool:
        """Whether the graph cannot run."""
        return self._errors > 0

    @property
    def full(self) -> bool:
        """Whether more problems would only be counted."""
        return len(self._kept) >= MAX_PROBLEMS

    def add(
        self,
        code: str,
        path: JsonPath,
        message: str,
        *,
        found: str | None = None,
        allowed: str | None = None,
        hint: str | None = None,
        at: Literal["key", "value"] = "value",
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        """Note a problem at `path`; `file`, `line` and `column` where it is not in the document itself."""
        self._errors += CODES[code].severity == "error"
        if self.full:
            self._unlisted += 1
            return
        self._kept.append(_Finding(code, path, message, found, allowed, hint, at, file, line, column))

    def problems(self, source: Source) -> tuple[Problem, ...]:
        """All problems with their places, errors first, then in the order of the text."""
        places = source.places(finding.path for finding in self._kept)
        problems = [self._placed(finding, source, places) for finding in self._kept]
        problems.sort(key=sort_key)
        if self._unlisted:
            message = f"not listed: {plural(self._unlisted, 'more problem')}"
            problems.append(Problem("G010", "error", message, source.name, hint="mend these first"))
        return tuple(problems)

    def _placed(self, finding: _Finding, source: Source, places: dict[JsonPath, Place]) -> Problem:
        line, column = finding.line, finding.column
        if line is None and (place := places.get(finding.path)) is not None:
            line, column = place.key if finding.at == "key" and place.key else place.value
        return Problem(
            finding.code,
            CODES[finding.code].severity,
            printable(finding.message),
            finding.file or source.name,
            line,
            column,
            json_path(finding.path),
            *(None if words is None else printable(words) for words in (finding.found, finding.allowed, finding.hint)),
        )
