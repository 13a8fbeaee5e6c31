"""All judged figures of a benchmark as one picture: how far each is from its target, with the spread of its rounds."""

from __future__ import annotations

from pathlib import Path

from rena_graph.bench.figures import Figure, Spread
from rena_graph.bench.report import Report
from rena_graph.errors import EnvironmentRefused

__all__ = ["draw", "plotting_available", "share_of_target"]

_LOWEST = 1e-3
"""What is shown of a share that is smaller: the axis is logarithmic."""


def plotting_available() -> bool:
    """Whether matplotlib is installed, which comes with the extra ``bench``."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def share_of_target(figure: Figure) -> Spread | None:
    """How much of what its target allows a figure takes, 1 being just met; None where there is nothing to judge."""
    if figure.verdict not in ("met", "missed"):
        return None
    values = figure.ratios if figure.against else figure.ours
    if figure.at_most:
        shares = [value / figure.at_most for value in values]
    elif figure.at_least and all(values):
        shares = [figure.at_least / value for value in values]
    else:
        return None  # a target of 0, of which nothing is a share
    return Spread.of([max(share, _LOWEST) for share in shares]) if shares else None


def draw(report: Report, path: Path) -> None:
    """Write the picture as PNG.

    Raises
    ------
    EnvironmentRefused
        matplotlib is not installed.
    """
    if not plotting_available():
        raise EnvironmentRefused("a plot needs matplotlib: pip install 'rena-graph[bench]'")
    from matplotlib.figure import Figure as Sheet

    shown = [
        (f"{row.name}  {figure.what}", share)
        for row in report.rows
        for figure in row.figures
        if (share := share_of_target(figure)) is not None
    ]
    sheet = Sheet(figsize=(9, 1.2 + 0.28 * len(shown)), layout="constrained")
    axes = sheet.subplots()
    for place, (_, share) in enumerate(shown):
        colour = "tab:green" if share.median <= 1 else "tab:red"
        axes.plot([share.low, share.high], [place, place], color=colour, linewidth=2, alpha=0.5)
        axes.plot([share.median], [place], "o", color=colour, markersize=5)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_yticks(range(len(shown)), [name for name, _ in shown], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("share of what the target allows (median, and smallest to largest round); 1 is just met")
    axes.grid(axis="x", alpha=0.3)
    sheet.savefig(path, dpi=120)
