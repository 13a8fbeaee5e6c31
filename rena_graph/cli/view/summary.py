"""The last words on a run: how it ended, what each node did, what was lost, where everything lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rena_graph.cli.output import columns
from rena_graph.cli.view.clocks import clock_lines
from rena_graph.cli.view.hosts import host_lines
from rena_graph.cli.view.ledger import ledger_lines, source_lines
from rena_graph.cli.view.numbers import asked_rate, count, duration, rate
from rena_graph.errors import ExitCode

__all__ = ["ENDINGS", "summary_lines"]

ENDINGS = {
    ExitCode.OK: "ended in good order",
    ExitCode.INTERNAL: "ended by an error of ours",
    ExitCode.USAGE: "was refused",
    ExitCode.GRAPH: "was refused: the graph is invalid",
    ExitCode.SCRIPT: "failed: a script ended it",
    ExitCode.ENVIRONMENT: "failed: the machine lacks something",
    ExitCode.KILLED: "was killed",
}
"""What a run did, by its exit code."""

_HEADER = ("node", "state", "loops", "asked Hz", "reached", "loop mean", "p99", "longest", "overruns", "skipped",
           "errors", "restarts")  # fmt: skip


def summary_lines(status: Mapping[str, Any], code: int, folder: Path) -> list[str]:
    """The summary of a run as lines of plain text.

    Parameters
    ----------
    status : mapping
        The run's last status.
    code : int
        What the command line will end with.
    folder : Path
        The run's folder.
    """
    how = ENDINGS[ExitCode(code)]
    when = f"after {duration(status['uptime'])}" if status["uptime"] else "before it ran"
    lines = [f"{status['graph']} {how} {when} (exit code {int(code)})"]
    if not status["nodes"]:
        return [*lines, f"logs: {folder}"]
    lines += columns(_rows(status["nodes"]), _HEADER)
    lines += [f"{name}: {node['error']}" for name, node in status["nodes"].items() if node.get("error")]
    lines += ledger_lines(status["edges"])
    lines += source_lines(status["streams"])
    lines += host_lines(status["hosts"]) + clock_lines(status["hosts"])
    lines.append(f"logs and statistics: {folder}")
    return lines


def _rows(nodes: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            node["state"],
            count(node["loops"]),
            asked_rate(node),
            rate(node["rate"]),
            duration(node["loop_mean"]),
            duration(node["loop_p99"]),
            duration(node["loop_max"]),
            count(node["overruns"]),
            count(node["skipped"]),
            count(node["exceptions"] + node["bad_outputs"]),
            count(node["restarts"]),
        )
        for name, node in nodes.items()
    ]
