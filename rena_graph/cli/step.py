"""``rena-graph step``: single loops of a paused node."""

from __future__ import annotations

import click

from rena_graph.cli.output import write_line
from rena_graph.cli.runs import held, node_argument, run_argument

__all__ = ["command"]


@click.command("step")
@run_argument()
@node_argument()
@click.argument("count", metavar="[COUNT]", type=click.IntRange(1), default=1)
def command(run: str, node: str, count: int) -> None:
    """Let the paused NODE of RUN make COUNT loops (one where nothing is said), and stay paused.

    They are made at once, one after the other, with whatever has arrived: they wait for no trigger.
    """
    with held(run) as handle:
        made = handle.step(node, count)
    waiting = "" if made == count else f", {count - made} are still being made"
    write_line(f"{node}: {made} loop{'s' if made != 1 else ''} made{waiting}")
