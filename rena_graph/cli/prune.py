"""``rena-graph prune``: removes the folders of runs that have ended, and environments that no run needs any more."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rena_graph.cli.output import columns, talk, write_line
from rena_graph.cli.view.numbers import size

if TYPE_CHECKING:
    from rena_graph.runtime.hosts.environment_store import Stored
    from rena_graph.runtime.launch.runs import RunRecord

__all__ = ["command"]

_DAY = 86400.0
_SHOWN = 3
"""Packages of an environment that are named."""


@click.command("prune")
@click.option("--keep", metavar="N", type=click.IntRange(0), help="Keep the last N runs of those that have ended.")
@click.option("--older-than", "days", metavar="DAYS", type=click.FloatRange(0),
              help="Only what was launched, or used last, longer ago.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Remove them; without it they are only listed.")
def command(keep: int | None, days: float | None, yes: bool) -> None:
    """List, or with --yes remove, the folders of runs that have ended. One that is running is never touched.

    What goes is gone: logs, events, statistics, the resolved graph. Without --keep and --older-than it is all of them.
    Environments that were made on this host for nodes with packages of their own go as well, but for those that a run
    which stays has had. They are made anew when they are wanted.
    """
    from rena_graph.runtime.hosts.environment_store import remove
    from rena_graph.runtime.launch.runs import all_runs

    before = time.time() if days is None else time.time() - days * _DAY
    runs = all_runs()
    ended = [run for run in runs if not run.alive]
    if keep is not None:
        ended = ended[: max(0, len(ended) - keep)]
    ended = [run for run in ended if run.created < before]
    unused = _unused([run for run in runs if run not in ended], before)
    if not ended and not unused:
        talk("there is nothing to remove")
        return
    folders = [*(run.folder for run in ended), *(one.folder for one in unused)]
    sizes = {folder: _bytes(folder) for folder in folders}
    rows = [*(_row(run, sizes[run.folder]) for run in ended), *(_environment(one, sizes[one.folder]) for one in unused)]
    for line in columns(rows):
        write_line(line)
    total = f"{_counted(len(ended), len(unused))}, {size(sum(sizes.values()))}"
    if not yes:
        talk(f"{total}: --yes removes them")
        return
    for run in ended:
        shutil.rmtree(run.folder)
    wanted = [one.folder for one in unused if not remove(one)]
    for folder in wanted:
        talk(f"a run wants {folder} now: it stays")
    total = (
        f"{_counted(len(ended), len(unused) - len(wanted))}, {size(sum(sizes[f] for f in folders if f not in wanted))}"
    )
    talk(f"{total} removed")


def _unused(staying: list[RunRecord], before: float) -> list[Stored]:
    """Environments that no run has wanted since, none needs now, and none of those that stay has had."""
    from rena_graph.runtime.hosts.environment_store import JUST_MADE, environments_dir, in_use, stored, used_by

    needed = in_use().union(*(used_by(run.folder) for run in staying))
    before = min(before, time.time() - JUST_MADE)
    return [one for one in stored(environments_dir()) if one.used < before and one.folder.name not in needed]


def _counted(runs: int, environments: int) -> str:
    counts = {"run": runs, "environment": environments}
    parts = [f"{count} {what}{'s' if count != 1 else ''}" for what, count in counts.items() if count]
    return " and ".join(parts) or "nothing"


def _row(run: RunRecord, amount: int) -> tuple[str, ...]:
    return run.id, run.graph, run.state, _when(run.created), size(amount), str(run.folder)


def _environment(one: Stored, amount: int) -> tuple[str, ...]:
    made = ", ".join(one.packages[:_SHOWN]) + (", …" if len(one.packages) > _SHOWN else "")
    return "environment", made or "no packages", "unused", _when(one.used), size(amount), str(one.folder)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
