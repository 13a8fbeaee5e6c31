"""The runs of a machine as a table: what ``rena-graph top`` shows where no run is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rena_graph.cli.view.numbers import NONE, clock_time, count

__all__ = ["runs_view"]

_STYLES = {"running": "green", "no answer": "bold red", "starting": "yellow", "stopping": "yellow"}


def runs_view(runs: Sequence[Mapping[str, Any]]) -> RenderableType:
    """A row a run, as :func:`rena_graph.cli.list.described` gives them; the oldest first."""
    if not runs:
        return Text("no graph is running", style="dim")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for title in ("run", "graph", "state"):
        table.add_column(title, no_wrap=True, overflow="ellipsis")
    for title in ("for", "nodes", "errors", "dropped", "restarts"):
        table.add_column(title, justify="right", no_wrap=True)
    for run in runs:
        nodes = run["nodes"]
        table.add_row(
            run["run"],
            Text(run["graph"]),
            Text(run["state"], style=_STYLES.get(run["state"], "")),
            NONE if run["uptime"] is None else clock_time(run["uptime"]),
            NONE if nodes is None else Text(f"{nodes[0]}/{nodes[1]}", style="" if nodes[0] == nodes[1] else "yellow"),
            *(Text(count(run[key]), style="red" if run[key] else "dim") for key in ("errors", "dropped", "restarts")),
        )
    return table
