"""One series: a thing that grows, and what was measured at each of its sizes, round by round."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from rena_graph.bench.figures import Spread
from rena_graph.errors import UsageError

if TYPE_CHECKING:
    from rena_graph.bench.rows import Bench

__all__ = ["ROUNDS", "SERIES", "Line", "Series", "choose_series", "gather", "measure_series"]

ROUNDS = 3
"""Rounds of a full run; each point of each series is measured in every one of them."""

Values = dict[str, float]
"""What one measurement gave, by the names of lines."""


@dataclass(frozen=True)
class Line:
    """One measured quantity over the sizes.

    Parameters
    ----------
    what, unit : str
        What it is, in a few words, and in what.
    rounds : tuple of tuple of float
        For each size, one value a round; none where it was not measured.
    """

    what: str
    unit: str
    rounds: tuple[tuple[float, ...], ...]

    @property
    def spreads(self) -> tuple[Spread, ...]:
        """Median, smallest and largest at each size."""
        return tuple(Spread.of([v for v in values if not math.isnan(v)]) for values in self.rounds)


@dataclass(frozen=True)
class Series:
    """What grows, and the lines over it.

    Parameters
    ----------
    name, title, across : str
        In the command line; for people; what the sizes are.
    sizes : tuple of float
        Ascending.
    lines : tuple of Line
        Empty where nothing could be measured.
    skipped : str
        Why (some of) it was not measured; empty otherwise.
    """

    name: str
    title: str
    across: str
    sizes: tuple[float, ...] = ()
    lines: tuple[Line, ...] = ()
    skipped: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the record."""
        return {
            "series": self.name,
            "title": self.title,
            "across": self.across,
            "sizes": list(self.sizes),
            "skipped": self.skipped or None,
            "lines": [
                {"what": line.what, "unit": line.unit,
                 "rounds": [[None if math.isnan(v) else v for v in values] for values in line.rounds]}
                for line in self.lines
            ],
        }  # fmt: skip


class _Place(NamedTuple):
    module: str
    title: str
    across: str


SERIES: dict[str, _Place] = {
    "nodes": _Place("nodes", "nodes of 8 channels at 50 Hz that all read one stream", "nodes"),
    "channels": _Place("channels", "one hop of two samples (float64), 20 times a second", "channels"),
    "rate": _Place("rate", "one hop of one sample of 8 channels, a loop for each", "Hz"),
    "consumers": _Place("consumers", "consumers of one stream, 2.5 kB at 100/s", "consumers"),
    "hosts": _Place("hosts", "a stream to all hosts (network namespaces), 2.5 kB at 100/s, encrypted", "hosts"),
    "graph": _Place("graph_size", "checking and planning a graph (a tree, one input and one output a node)", "nodes"),
}
"""Where each series is measured, in the order of the table and of the picture."""


@dataclass
class _Gathered:
    """Rounds of each line, size by size."""

    sizes: tuple[float, ...]
    values: dict[str, list[list[float]]] = field(default_factory=dict)

    def add(self, at: int, values: Values) -> None:
        for what, value in values.items():
            self.values.setdefault(what, [[] for _ in self.sizes])[at].append(value)


def gather(
    sizes: Sequence[float], rounds: int, measure: Callable[[float], Values], units: dict[str, str]
) -> tuple[Line, ...]:
    """Measure every size in each round, up and down in turn, so that what drifts meanwhile meets all of them.

    Parameters
    ----------
    sizes : sequence of float
        Ascending.
    rounds : int
        How often.
    measure : callable
        Measures one size.
    units : dict of str to str
        Of each value that `measure` may give, in the order of the table.
    """
    gathered = _Gathered(tuple(sizes))
    for k in range(rounds):
        order = range(len(sizes)) if k % 2 == 0 else reversed(range(len(sizes)))
        for at in order:
            gathered.add(at, measure(sizes[at]))
    known = [what for what in units if what in gathered.values]
    return tuple(Line(what, units[what], tuple(map(tuple, gathered.values[what]))) for what in known)


def choose_series(names: Sequence[str]) -> list[str]:
    """The series of these names, in the table's order; all where there are none.

    Raises
    ------
    UsageError
        There is no such series; the message has the nearest name.
    """
    for name in names:
        if name.lower() not in SERIES:
            near = get_close_matches(name.lower(), SERIES, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(SERIES)}"
            raise UsageError(f"growth has no series {name!r}; {hint}")
    wanted = {name.lower() for name in names}
    return [name for name in SERIES if not wanted or name in wanted]


def measure_series(name: str, bench: Bench) -> Series:
    """Measure one series.

    Raises
    ------
    EnvironmentRefused
        The machine lacks what it needs.
    """
    place = SERIES[name]
    module = importlib.import_module(f"rena_graph.bench.growth.{place.module}")
    sizes, lines, skipped = module.measure(bench)
    return Series(name, place.title, place.across, tuple(float(size) for size in sizes), lines, skipped)
