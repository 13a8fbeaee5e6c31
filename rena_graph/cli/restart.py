"""``rena-graph restart``: a new process for a node."""

from __future__ import annotations

import click

from rena_graph.cli.output import write_line
from rena_graph.cli.runs import held, node_argument, run_argument

__all__ = ["command"]


@click.command("restart")
@run_argument()
@node_argument()
def command(run: str, node: str) -> None:
    """End the process of NODE in good order and start it anew; the rest of RUN goes on.

    What arrives meanwhile waits in the ring, and the node goes on where it stopped. Also a node that has failed for
    good can be started again so. It takes nothing from the restarts that the graph allows.
    """
    with held(run) as handle:
        handle.restart(node)
    write_line(f"{node}: restarting")
