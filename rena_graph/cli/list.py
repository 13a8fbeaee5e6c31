"""``rena-graph list``: the runs of this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from rena_graph.cli.options import json_option
from rena_graph.cli.output import columns, talk, write_json, write_line
from rena_graph.cli.view.numbers import NONE, clock_time

if TYPE_CHECKING:
    from rena_graph.runtime.launch.runs import RunRecord

__all__ = ["command", "described"]

_HEADER = ("run", "graph", "state", "for", "nodes", "errors", "dropped", "started", "folder")
_TIMEOUT = 2.0


def described(run: RunRecord) -> dict[str, Any]:
    """One run in a line's worth of facts; of one that runs, what its coordinator says now.

    ``uptime`` is in seconds; ``nodes`` counts those that run and all. None stands for what nobody knows (any more).
    """
    outcome = run.outcome
    status = (outcome or {}).get("status") if outcome is not None else _asked(run)
    state = run.state if outcome is not None or not run.alive else _live_state(status)
    facts: dict[str, Any] = {
        "run": run.id,
        "graph": run.graph,
        "state": state,
        "created": run.created,
        "detached": run.detached,
        "exit_code": None if outcome is None else outcome["exit_code"],
        "folder": str(run.folder),
        "uptime": None,
        "nodes": None,
        "errors": None,
        "dropped": None,
        "restarts": None,
    }
    if status:
        nodes = status["nodes"].values()
        facts["uptime"] = status["uptime"]
        facts["nodes"] = [sum(n["state"] == "running" and not n["stale"] for n in nodes), len(nodes)]
        facts["errors"] = sum(n.get("exceptions", 0) + n.get("bad_outputs", 0) for n in nodes)
        facts["dropped"] = sum(n.get("dropped", 0) for n in nodes)
        facts["restarts"] = sum(n.get("restarts", 0) for n in nodes)
    return facts


def _live_state(status: dict[str, Any] | None) -> str:
    return "no answer" if status is None else str(status["state"])


def _asked(run: RunRecord) -> dict[str, Any] | None:
    from rena_graph.errors import RenaGraphError
    from rena_graph.runtime.launch.control_link import ControlLink

    try:
        link = ControlLink(run.runtime / "control.sock", run.id, _TIMEOUT)
    except OSError:
        return None
    try:
        status: dict[str, Any] = link.ask({"op": "status"})["status"]
    except RenaGraphError:
        return None
    finally:
        link.close()
    return status


def run_rows(runs: list[dict[str, Any]]) -> list[str]:
    """A table for people."""
    rows = []
    for run in runs:
        ended = run["exit_code"] is not None or run["state"] == "lost"
        nodes = run["nodes"]
        code = f" ({run['exit_code']})" if run["exit_code"] else ""
        rows.append(
            (
                run["run"],
                run["graph"],
                run["state"] + code + (", detached" if run["detached"] and not ended else ""),
                NONE if run["uptime"] is None else clock_time(run["uptime"]),
                NONE if nodes is None else (str(nodes[1]) if ended else f"{nodes[0]}/{nodes[1]}"),
                *(NONE if run[key] is None else f"{run[key]:,}" for key in ("errors", "dropped")),
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run["created"])),
                run["folder"],
            )
        )
    return columns(rows, _HEADER)


@click.command("list")
@click.option("--all", "every", is_flag=True, help="Also runs that have ended, as long as their folders are there.")
@json_option("A JSON list; times in seconds, created since 1970.")
def command(every: bool, as_json: bool) -> None:
    """List the graphs that run on this machine.

    Each has an id, by which the other verbs know it; the beginning of one will do, or the graph's name where only one
    run has it.
    """
    from rena_graph.runtime.launch.runs import all_runs, live_runs

    runs = [described(run) for run in (all_runs() if every else live_runs())]
    if as_json:
        write_json(runs)
        return
    if runs:
        for line in run_rows(runs):
            write_line(line)
    else:
        talk("there is no run" if every else "no graph is running; --all lists past runs")
