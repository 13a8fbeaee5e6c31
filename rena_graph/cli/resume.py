"""``rena-graph resume``: let paused nodes go on."""

from __future__ import annotations

import click

from rena_graph.cli.output import write_line
from rena_graph.cli.runs import held, node_argument, run_argument

__all__ = ["command"]


@click.command("resume")
@run_argument()
@node_argument(many=True)
def command(run: str, nodes: tuple[str, ...]) -> None:
    """Let each paused NODE of RUN go on.

    Its next loop sees what has arrived meanwhile, as far as it is still in its window.
    """
    with held(run) as handle:
        for node in nodes:
            handle.resume(node)
            write_line(f"{node}: resumed")
