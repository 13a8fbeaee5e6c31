"""``rena-graph prune``: removes the folders of runs that have ended."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rena_graph.cli.output import columns, talk, write_line
from rena_graph.cli.view.numbers import size

if TYPE_CHECKING:
    from rena_graph.runtime.launch.runs import RunRecord

__all__ = ["command"]

_DAY = 86400.0


@click.command("prune")
@click.option("--keep", metavar="N", type=click.IntRange(0), help="Keep the last N runs of those that have ended.")
@click.option("--older-than", "days", metavar="DAYS", type=click.FloatRange(0), help="Only those launched longer ago.")
@click.option("--yes", is_flag=True, help="Remove them; without it they are only listed.")
def command(keep: int | None, days: float | None, yes: bool) -> None:
    """List, or with --yes remove, the folders of runs that have ended. One that is running is never touched.

    What goes is gone: logs, events, statistics, the resolved graph. Without --keep and --older-than it is all of them.
    """
    from rena_graph.runtime.launch.runs import all_runs

    ended = [run for run in all_runs() if not run.alive]
    if keep is not None:
        ended = ended[: max(0, len(ended) - keep)]
    if days is not None:
        ended = [run for run in ended if run.created < time.time() - days * _DAY]
    if not ended:
        talk("there is nothing to remove")
        return
    sizes = {run.folder: _bytes(run.folder) for run in ended}
    for line in columns(_row(run, sizes[run.folder]) for run in ended):
        write_line(line)
    total = f"{len(ended)} run{'s' if len(ended) != 1 else ''}, {size(sum(sizes.values()))}"
    if not yes:
        talk(f"{total}: --yes removes them")
        return
    for run in ended:
        shutil.rmtree(run.folder)
    talk(f"{total} removed")


def _row(run: RunRecord, amount: int) -> tuple[str, ...]:
    created = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.created))
    return run.id, run.graph, run.state, created, size(amount), str(run.folder)


def _bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
