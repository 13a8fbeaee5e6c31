"""``rena-graph kill``: the end of a run, at once."""

from __future__ import annotations

import click

from rena_graph.cli.output import write_line
from rena_graph.cli.runs import held, run_argument
from rena_graph.errors import RunLost

__all__ = ["command"]

_LIMIT = 30.0


@click.command("kill")
@run_argument()
def command(run: str) -> None:
    """End RUN at once, whatever it is doing: no cleanup(), nothing more is sent.

    It works also where nobody in the run answers any more. `rena-graph stop` ends it in good order.
    """
    with held(run) as handle:
        handle.kill()
        if handle.wait(_LIMIT) is None:
            raise RunLost(f"run {handle.id} is not gone {_LIMIT:g} s after it was killed; see {handle.folder}")
        write_line(f"{handle.id} was killed; logs: {handle.folder}")
