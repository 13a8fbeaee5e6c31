"""``rena-graph pause``: let nodes begin no further loop."""

from __future__ import annotations

import click

from rena_graph.cli.output import write_line
from rena_graph.cli.runs import held, node_argument, run_argument

__all__ = ["command"]


@click.command("pause")
@run_argument()
@node_argument(many=True)
def command(run: str, nodes: tuple[str, ...]) -> None:
    """Let each NODE of RUN begin no further loop.

    What arrives for it meanwhile waits as far as its buffers hold it; the rest is dropped and counted. Other nodes run
    on. `rena-graph resume` lets it go on, `rena-graph step` lets it make single loops.
    """
    with held(run) as handle:
        for node in nodes:
            handle.pause(node)
            write_line(f"{node}: paused")
