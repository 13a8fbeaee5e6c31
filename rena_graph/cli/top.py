"""``rena-graph top``: all runs of this machine live, or the nodes of one."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from rena_graph.cli.output import talk
from rena_graph.cli.runs import held, run_argument

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["command"]

_PERIOD = 1.0


@click.command("top")
@run_argument(required=False, default=None)
@click.option("--once", is_flag=True, help="Print it once and end; also what happens where stdout is no terminal.")
def command(run: str | None, once: bool) -> None:
    """Show RUN live: its nodes and streams, and its last errors. Without RUN: all runs of this machine.

    Ctrl-C ends it; no run notices.
    """
    from rich.console import Console

    console = Console()
    once = once or not console.is_terminal
    with suppress(KeyboardInterrupt):
        if run is None:
            from rena_graph.cli.view.runs import runs_view

            _show(console, once, lambda: runs_view(_runs()))
            return
        with held(run) as handle:
            from rena_graph.cli.view.errors import ErrorList
            from rena_graph.cli.view.live import live_view
            from rena_graph.cli.view.status import complete

            errors = ErrorList()

            def view() -> RenderableType:
                errors.add(handle.messages())
                status = complete(handle.status())
                # Printed once it may be as long as it is.
                height = 10_000 if once else console.size.height
                shown = errors.lines(height)
                return live_view(status, (), console.size.width, height, shown, "Ctrl-C ends this, not the run")

            _show(console, once, view)


def _runs() -> list[dict[str, Any]]:
    from rena_graph.cli.list import described
    from rena_graph.runtime.launch.runs import live_runs

    return [described(run) for run in live_runs()]


def _show(console: Console, once: bool, view: Callable[[], RenderableType]) -> None:
    from rich.live import Live

    from rena_graph.errors import RunLost

    if once:
        console.print(view())
        return
    with Live(console=console, auto_refresh=False, screen=True, vertical_overflow="crop") as live:
        while True:
            try:
                live.update(view(), refresh=True)
            except RunLost as lost:
                live.stop()
                talk(str(lost))
                return
            time.sleep(_PERIOD)
