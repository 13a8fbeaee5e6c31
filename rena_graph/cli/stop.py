"""``rena-graph stop``: the end of a run, in good order."""

from __future__ import annotations

import click

from rena_graph.cli.options import SECONDS, finite
from rena_graph.cli.output import talk, write_line
from rena_graph.cli.runs import held, run_argument

__all__ = ["command"]

_LONGEST = 60.0
"""Seconds to wait where the run does not say how long it may take."""


@click.command("stop")
@run_argument()
@click.option("--no-wait", is_flag=True, help="Return once it was asked to stop, not once it has ended.")
@click.option("--timeout", metavar="SECONDS", type=SECONDS, callback=finite,
              help="Longest wait for its end; by default what the graph's stop_timeout allows.")  # fmt: skip
def command(run: str, no_wait: bool, timeout: float | None) -> None:
    """Stop RUN in good order, and wait for its end.

    Sources stop first, then each node takes in what is still there, ends its loop and runs cleanup(), then outlets
    send what is left. `rena-graph kill` does not wait for that.
    """
    from rena_graph.cli.view.summary import ENDINGS
    from rena_graph.errors import RunLost

    with held(run) as handle:
        within = float(handle.ask({"op": "stop", "why": "rena-graph stop"}).get("within", _LONGEST))
        if no_wait:
            write_line(f"{handle.id} was asked to stop")
            return
        limit = within if timeout is None else timeout
        code = handle.wait(limit)
        if code is not None:
            write_line(f"{handle.id} {ENDINGS[code]}; logs and statistics: {handle.folder}")
            return
        talk(f"{handle.id} has not ended within {limit:g} s")
        try:
            nodes = handle.status()["nodes"]
        except RunLost:
            nodes = {}
        left = [
            f"{name} ({node['state']})" for name, node in nodes.items() if node["state"] not in ("stopped", "failed")
        ]
        what = f"it waits for {', '.join(left)}" if left else "its processes are still there"
        raise RunLost(f"{what}; `rena-graph kill {handle.id}` ends it at once")
