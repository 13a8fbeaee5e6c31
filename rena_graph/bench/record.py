"""What the reports of all benchmarks have in common: on what they were measured, how, and their tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rena_graph.bench.figures import Spread
from rena_graph.bench.machine import machine_lines

__all__ = ["Record", "aligned", "number_text", "spread_text"]


@dataclass(frozen=True)
class Record:
    """What every report begins with.

    Parameters
    ----------
    started : float
        Seconds since 1970.
    rounds : int
        How often each thing was measured.
    quick : bool
        Whether only to show that all works.
    machine : dict
        On what.
    """

    started: float
    rounds: int
    quick: bool
    machine: dict[str, Any]

    def head(self) -> dict[str, Any]:
        """Of the record."""
        return {"started": self.started, "rounds": self.rounds, "quick": self.quick, "machine": self.machine}

    def head_lines(self, of_what: str = "") -> list[str]:
        """For people: the machine, and what the numbers in the tables are."""
        return [*machine_lines(self.machine), f"{self.rounds} rounds; {of_what}medians, with [min max] over the rounds"]


def aligned(rows: Sequence[Sequence[str]], *, right: bool = False) -> list[str]:
    """One line a row, its cells below those of the rows before; at the left of their columns, or at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(n) if right else cell.ljust(n) for cell, n in zip(row, widths, strict=True)]
        lines.append(("    " + "  ".join(cells)).rstrip())
    return lines


def spread_text(values: Sequence[float]) -> str:
    """The median, and the smallest and the largest where there are several; empty where there is none."""
    spread = Spread.of(values)
    if math.isnan(spread.median):
        return ""
    if len(values) == 1:
        return number_text(spread.median)
    return f"{number_text(spread.median)} [{number_text(spread.low)} {number_text(spread.high)}]"


def number_text(value: float) -> str:
    """Three digits that matter."""
    if math.isnan(value):
        return "?"
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
