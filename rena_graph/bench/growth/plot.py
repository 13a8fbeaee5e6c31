"""The series of a growth run as one picture: a panel each, both axes logarithmic."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rena_graph.bench.growth.report import GrowthReport
from rena_graph.bench.growth.series import Line, Series
from rena_graph.bench.plot import plotting_available
from rena_graph.errors import EnvironmentRefused

__all__ = ["draw"]

_COLUMNS = 2
_SMALL = 7
"""Of the numbers at the ticks, in points."""


def draw(report: GrowthReport, path: Path) -> None:
    """Write the picture, as PNG or SVG by the name's ending.

    Raises
    ------
    EnvironmentRefused
        matplotlib is not installed.
    """
    if not plotting_available():
        raise EnvironmentRefused("a plot needs matplotlib: pip install 'rena-graph[bench]'")
    from matplotlib.figure import Figure as Sheet

    shown = [each.series for each in report.measured if each.series.lines]
    rows = max(1, math.ceil(len(shown) / _COLUMNS))
    sheet = Sheet(figsize=(5.2 * _COLUMNS, 3.5 * rows), layout="constrained")
    panels = sheet.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for panel, series in zip(panels, shown, strict=False):
        _panel(panel, series)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    sheet.savefig(path, dpi=90)


def _panel(panel: Any, series: Series) -> None:
    """One series. Quantities of the first line's unit on the left, all others on the right."""
    left = series.lines[0].unit
    others = [line for line in series.lines if line.unit != left]
    colours = iter(f"C{k}" for k in range(10))
    for line in series.lines:
        if line.unit == left:
            _draw_line(panel, series, line, next(colours), "-")
    panel.set_ylabel(left)
    handles, labels = panel.get_legend_handles_labels()
    if others:
        right = panel.twinx()
        for line in others:
            _draw_line(right, series, line, next(colours), "--")
        right.set_yscale("log")
        _few_labels(right.yaxis)
        right.tick_params(labelsize=_SMALL)
        right.set_ylabel(", ".join(dict.fromkeys(line.unit for line in others)))
        more = right.get_legend_handles_labels()
        handles, labels = handles + more[0], labels + more[1]
    panel.set_xscale("log")
    panel.set_yscale("log")
    _few_labels(panel.yaxis)
    panel.set_xticks(series.sizes, [_plain(size) for size in series.sizes])
    panel.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    panel.tick_params(labelsize=_SMALL)
    panel.set_xlabel(series.across)
    panel.set_title(f"{series.name}: {series.title}", fontsize=8)
    panel.grid(alpha=0.3)
    panel.legend(handles, labels, fontsize=6)


def _few_labels(axis: Any) -> None:
    """As many ticks with a number as can be read, whether the axis spans many powers of ten or less than one."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    powers = math.log10(high / low)
    steps = (1.0,) if powers > 3 else (1.0, 2.0, 5.0) if powers > 1 else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 9.0)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    axis.set_minor_formatter(NullFormatter())


def _plain(value: float) -> str:
    """Without powers of ten, which are hard to read where they are small."""
    return f"{value:,.10g}"


def _draw_line(panel: Any, series: Series, line: Line, colour: str, style: str) -> None:
    points = [(x, s) for x, s in zip(series.sizes, line.spreads, strict=True) if not math.isnan(s.median)]
    if not points:
        return
    sizes, spreads = zip(*points, strict=True)
    panel.plot(sizes, [s.median for s in spreads], style, color=colour, marker=".", linewidth=1.2, label=line.what)
    panel.fill_between(sizes, [s.low for s in spreads], [s.high for s in spreads], color=colour, alpha=0.15)
