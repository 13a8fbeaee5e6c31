"""``rena-graph status``: one run as it is now, or as it ended."""

from __future__ import annotations

from typing import Any

import click

from rena_graph.cli.options import json_option
from rena_graph.cli.output import write_json, write_line
from rena_graph.cli.runs import record_of, run_argument

__all__ = ["command"]


@click.command("status")
@run_argument(ended=True, required=False)
@json_option("The whole status, as `launch --json` prints it once a second, with folder and created.")
def command(run: str, as_json: bool) -> None:
    """Show RUN as it is now, or as it ended.

    RUN is an id, a unique beginning of one, a graph's name or a run's folder; @, which is also meant where nothing is
    said, is the only run there is, or the last one where none is running.
    """
    from rena_graph.cli.view.report import report_lines
    from rena_graph.cli.view.status import complete
    from rena_graph.cli.view.summary import summary_lines
    from rena_graph.errors import RunLost
    from rena_graph.runtime.launch.handle import RunHandle

    record = record_of(run, ended=True)
    if record.state == "lost":
        raise RunLost(
            f"run {record.id} ({record.graph}) is gone without a word: it was killed with all its processes, or its "
            f"machine went down; `rena-graph logs {record.id}` shows what it said until then"
        )
    outcome = record.outcome
    if outcome is not None:
        found: dict[str, Any] = {"exit_code": outcome["exit_code"], "failure": outcome["failure"]}
        found = {**(outcome["status"] or {"run": record.id, "graph": record.graph, "state": "ended"}), **found}
    else:
        with RunHandle.of(record) as handle:
            found = handle.status()
    found = complete({**found, "folder": str(record.folder), "created": record.created, "detached": record.detached})
    if as_json:
        write_json(found)
        return
    if outcome is None:
        lines = report_lines(found)
    else:
        failure = [outcome["failure"]] if outcome["failure"] else []
        lines = [*failure, *summary_lines(found, outcome["exit_code"], record.folder)]
    for line in lines:
        write_line(line)
