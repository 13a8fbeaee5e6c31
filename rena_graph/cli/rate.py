"""``rena-graph rate``: another run frequency for a node, while it runs."""

from __future__ import annotations

import click

from rena_graph.cli.output import write_line
from rena_graph.cli.runs import NOT_YET, held, node_argument, run_argument

__all__ = ["command"]


@click.command("rate")
@run_argument()
@node_argument()
@click.argument("hertz", metavar="HZ", type=float)
def command(run: str, node: str, hertz: float) -> None:
    """Let NODE of RUN loop at most HZ times a second, from its next loop on.

    It stays so until it is changed again or the run ends, also when the node is restarted. Triggers that wait for data
    wait for it as before: HZ is the most, not the least.
    """
    with held(run) as handle:
        taken_up = handle.set_frequency(node, hertz)
    write_line(f"{node}: at most {hertz:g} Hz{'' if taken_up else NOT_YET}")
