"""``rena-graph attach``: shows a run that was launched elsewhere, live, as its launcher would."""

from __future__ import annotations

import time

import click

from rena_graph.cli.options import json_option
from rena_graph.cli.output import talk
from rena_graph.cli.runs import held, run_argument

__all__ = ["command"]


@click.command("attach")
@run_argument(required=False)
@json_option("A JSON line a second, as of `launch --json`.")
def command(run: str, as_json: bool) -> None:
    """Show RUN live until it ends: the table and log lines that its launcher shows, or would show.

    Ctrl-C lets go, and the run goes on; `rena-graph stop RUN` stops it. The exit code is the run's, where it has ended.
    """
    from rena_graph.cli.attached import watch
    from rena_graph.cli.display import choose_display
    from rena_graph.cli.signals import Interrupts

    with Interrupts() as interrupts, held(run) as handle:
        hint = "Ctrl-C lets go, the run goes on"
        talk(f"run {handle.id}: {hint}")
        handle.skip_messages()
        raise SystemExit(watch(handle, choose_display(as_json, hint), interrupts, time.monotonic))
