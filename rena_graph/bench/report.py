"""All rows of one benchmark: measured one after another, written as JSON and as a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rena_graph.bench.figures import Figure
from rena_graph.bench.machine import describe_machine
from rena_graph.bench.record import Record, aligned, number_text, spread_text
from rena_graph.bench.rows import ROWS, Bench, measure_row
from rena_graph.errors import ExitCode, RenaGraphError

__all__ = ["Report", "RowResult", "run_rows", "table_lines"]

_HEADER = ("measured", "ours", "against", "", "ratio", "target", "")


@dataclass(frozen=True)
class RowResult:
    """One row's figures, or why there are none.

    Attributes
    ----------
    failure : str | None
        What kept the row from being measured.
    exit_code : ExitCode
        What that means for the whole.
    """

    name: str
    figures: tuple[Figure, ...] = ()
    seconds: float = 0.0
    """How long it took to measure."""
    failure: str | None = None
    exit_code: ExitCode = ExitCode.OK


@dataclass(frozen=True)
class Report(Record):
    """The rows, and what they come to."""

    rows: tuple[RowResult, ...] = field(default=())

    @property
    def exit_code(self) -> ExitCode:
        """0 also where targets were missed; that of the first row that could not be measured otherwise."""
        return next((row.exit_code for row in self.rows if row.exit_code is not ExitCode.OK), ExitCode.OK)

    def as_json(self) -> dict[str, Any]:
        """The record."""
        rows = [
            {
                "row": row.name,
                "title": ROWS[row.name].title,
                "target": ROWS[row.name].target,
                "seconds": row.seconds,
                "failure": row.failure,
                "figures": [figure.as_json() for figure in row.figures],
            }
            for row in self.rows
        ]
        return {"rena_graph_bench": 1, **self.head(), "rows": rows}

    def lines(self) -> list[str]:
        """For people: the machine, a table a row, and what it comes to."""
        lines = self.head_lines()
        for row in self.rows:
            lines += ["", f"{row.name}: {ROWS[row.name].title} ({row.seconds:.0f} s)"]
            lines += [f"    target: {ROWS[row.name].target}"]
            lines += [f"    not measured: {row.failure}"] if row.failure else table_lines(row.figures)
        return [*lines, "", *_conclusion(self), _durations(self)]


def run_rows(
    names: Sequence[str],
    bench: Bench,
    unix: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Measure these rows in turn. One that cannot be measured says why, and does not keep the others from it."""
    machine, started = describe_machine(), unix()
    results = []
    for name in names:
        bench.say(f"{name}: {ROWS[name].title}")
        began = clock()
        try:
            figures = tuple(measure_row(name, bench))
        except RenaGraphError as error:
            failed = RowResult(name, seconds=clock() - began, failure=str(error), exit_code=error.exit_code)
            results.append(failed)
        else:
            results.append(RowResult(name, figures, clock() - began))
    return Report(started, bench.rounds, bench.quick, machine, tuple(results))


def table_lines(figures: Sequence[Figure]) -> list[str]:
    """One line a figure, in columns."""
    lines = aligned([_HEADER, *map(_cells, figures)])
    for figure in figures:
        if figure.missing:
            lines.append(f"    {figure.what}: {figure.missing}")
    return lines


def _cells(figure: Figure) -> tuple[str, ...]:
    bounds = (("≤", figure.at_most), ("≥", figure.at_least))
    target = " ".join(
        f"{sign} {number_text(bound)}" + (" ×" if figure.against else "") for sign, bound in bounds if bound is not None
    )
    return (
        figure.what,
        f"{spread_text(figure.ours)} {figure.unit}",
        figure.against,
        spread_text(figure.reference),
        spread_text(figure.ratios),
        target,
        {"met": "met", "missed": "MISSED", "not measured": "not measured", "no target": ""}[figure.verdict],
    )


def _conclusion(report: Report) -> list[str]:
    judged = [figure for row in report.rows for figure in row.figures]
    missed = [
        f"{row.name} {figure.what}" for row in report.rows for figure in row.figures if figure.verdict == "missed"
    ]
    met = sum(figure.verdict == "met" for figure in judged)
    lines = [f"{met} met, {len(missed)} missed" + (": " + "; ".join(missed) if missed else "")]
    unmeasured = [f"{row.name} {f.what}" for row in report.rows for f in row.figures if f.verdict == "not measured"]
    unmeasured += [row.name for row in report.rows if row.failure]
    if unmeasured:
        lines.append("not measured: " + "; ".join(unmeasured))
    if report.quick:
        lines.append("A quick run shows that all works; to judge targets, run without --quick on an idle machine.")
    return lines


def _durations(report: Report) -> str:
    """How long the rows took, and all of them."""
    seconds = sum(row.seconds for row in report.rows)
    each = ", ".join(f"{row.name} {row.seconds:.0f}" for row in report.rows)
    return f"{seconds:.0f} s in all ({seconds / 60:.1f} min): {each}"
