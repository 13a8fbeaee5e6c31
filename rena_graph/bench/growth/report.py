"""All series of one run: measured one after another, as JSON and as tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rena_graph.bench.growth.series import SERIES, Line, Series, measure_series
from rena_graph.bench.machine import describe_machine
from rena_graph.bench.record import Record, aligned, spread_text
from rena_graph.bench.rows import Bench
from rena_graph.errors import ExitCode, RenaGraphError

__all__ = ["GrowthReport", "run_series", "series_lines"]


@dataclass(frozen=True)
class Measured:
    """One series, and how long it took.

    Attributes
    ----------
    failure : str | None
        What kept it from being measured.
    """

    series: Series
    seconds: float
    failure: str | None = None
    exit_code: ExitCode = ExitCode.OK


@dataclass(frozen=True)
class GrowthReport(Record):
    """The series."""

    measured: tuple[Measured, ...]

    @property
    def exit_code(self) -> ExitCode:
        """That of the first series that could not be measured; 0 where only some of one was left out."""
        return next((each.exit_code for each in self.measured if each.exit_code is not ExitCode.OK), ExitCode.OK)

    def as_json(self) -> dict[str, Any]:
        """The record."""
        series = [{**each.series.as_json(), "seconds": each.seconds, "failure": each.failure} for each in self.measured]
        return {"rena_graph_bench_growth": 1, **self.head(), "series": series}

    def lines(self) -> list[str]:
        """For people."""
        lines = self.head_lines()
        for each in self.measured:
            lines += ["", f"{each.series.name}: {each.series.title} ({each.seconds:.0f} s)"]
            lines += [f"    not measured: {each.failure}"] if each.failure else series_lines(each.series)
        lines += ["", f"{sum(each.seconds for each in self.measured):.0f} s in all"]
        if self.quick:
            lines.append(
                "A quick run shows that all works; to see how cost grows, run without --quick on an idle machine."
            )
        return lines


def run_series(
    names: Sequence[str],
    bench: Bench,
    unix: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
) -> GrowthReport:
    """Measure these series in turn. One that cannot be measured says why, and does not keep the others from it."""
    machine, started = describe_machine(), unix()
    measured = []
    for name in names:
        bench.say(f"{name}: {SERIES[name].title}")
        began = clock()
        try:
            measured.append(Measured(measure_series(name, bench), clock() - began))
        except RenaGraphError as error:
            empty = Series(name, SERIES[name].title, SERIES[name].across)
            measured.append(Measured(empty, clock() - began, str(error), error.exit_code))
    return GrowthReport(started, bench.rounds, bench.quick, machine, tuple(measured))


def series_lines(series: Series) -> list[str]:
    """A line of the table for each size, a column for each quantity."""
    head = (series.across, *(f"{line.what} [{line.unit}]" for line in series.lines))
    columns = [_column(line) for line in series.lines]
    rows = [(f"{size:,.0f}", *cells) for size, *cells in zip(series.sizes, *columns, strict=True)]
    lines = aligned([head, *rows], right=True)
    return [*lines, f"    left out: {series.skipped}"] if series.skipped else lines


def _column(line: Line) -> list[str]:
    return [spread_text(values) for values in line.rounds]
