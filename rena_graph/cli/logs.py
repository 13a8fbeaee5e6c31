"""``rena-graph logs``: what the scripts of a run print, log, warn and raise, and what the run says of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from rena_graph.cli.options import json_option
from rena_graph.cli.output import talk, write_json, write_line
from rena_graph.cli.runs import complete_nodes, record_of, run_argument
from rena_graph.cli.view.lines import message_lines

__all__ = ["LEVELS", "command", "in_order", "since_when"]

LEVELS = {"debug": 0, "print": 1, "info": 2, "native": 3, "warning": 3, "error": 4}
"""How much each kind of record weighs; ``native`` is what C code writes to stdout or stderr."""
_CHOICES = ("debug", "info", "warning", "error")
_SPAN = 2.0
"""Seconds by which a record may come later than another one that it belongs before: more than two beats of a host."""
_POLL = 0.1
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Record = dict[str, Any]


def since_when(text: str, now: float) -> float:
    """Seconds since 1970 for ``10m`` (ago), ``14:03``, ``14:03:30``, ``2026-05-01`` or ``2026-05-01 14:03``.

    Raises
    ------
    ValueError
        It is none of these.
    """
    text = text.strip()
    if text and text[-1] in _UNITS:
        with suppress(ValueError):
            return now - float(text[:-1]) * _UNITS[text[-1]]
    for pattern in ("%H:%M", "%H:%M:%S"):
        with suppress(ValueError):
            clock = datetime.strptime(text, pattern).time()
            today = datetime.combine(datetime.fromtimestamp(now).date(), clock).timestamp()
            return today if today <= now else today - 86400
    return datetime.fromisoformat(text).timestamp()


def in_order(records: Iterable[Record], span: float = _SPAN) -> Iterator[Record]:
    """By time, of records that come at most `span` seconds late: those of several hosts are written as they report."""
    import heapq

    waiting: list[tuple[float, int, Record]] = []
    newest = 0.0
    for number, record in enumerate(records):
        newest = max(newest, record["time"])
        heapq.heappush(waiting, (record["time"], number, record))
        while waiting and waiting[0][0] < newest - span:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _since(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        return since_when(value, time.time())
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is neither a span (30s, 10m, 2h, 1d) nor a time (14:03, 2026-05-01 14:03)", ctx, param
        ) from None


@click.command("logs")
@run_argument(ended=True, required=False)
@click.option(
    "--node",
    "nodes",
    metavar="NODE",
    multiple=True,
    shell_complete=complete_nodes,
    help="Only what this node says; may be repeated. `run` stands for the run itself.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until the run has ended.")
@click.option("--since", metavar="WHEN", callback=_since, help="Only from then on: 10m (ago), 14:03, 2026-05-01 14:03.")
@click.option("--level", type=click.Choice(_CHOICES), default="debug", help="Only what weighs as much, or more.")
@json_option("A JSON line a record: time (seconds since 1970), node (null: the run itself), level, text.")
def command(run: str, nodes: tuple[str, ...], follow: bool, since: float | None, level: str, as_json: bool) -> None:
    """Show what the scripts of RUN print, log, warn and raise, and what the run says of itself, in order of time.

    It reads the run's folder: while the graph runs, and after it has ended. RUN is the only run where nothing is said,
    or the last one where none is running.
    """
    from rena_graph.runtime.messages import NAME, MessageTail
    from rena_graph.runtime.segments import read_segments

    record = record_of(run, ended=True)
    _refuse_unknown(nodes, record.folder)
    wanted = _filter(nodes, since, LEVELS[level])
    if not follow:
        _print((r for r in in_order(read_segments(record.folder, NAME)) if wanted(r)), as_json)
        return
    tail = MessageTail(record.folder)
    first = True
    while True:
        alive = record.alive
        _print((r for r in in_order(tail.read()) if wanted(r)), as_json)
        if not alive:
            if not first:
                talk(f"run {record.id} is over; `rena-graph status {record.id}` says how it ended")
            return
        first = False
        time.sleep(_POLL)


def _filter(nodes: tuple[str, ...], since: float | None, weight: int) -> Callable[[Record], bool]:
    wanted_nodes = {None if node == "run" else node for node in nodes}

    def wanted(record: Record) -> bool:
        return (
            (not nodes or record["node"] in wanted_nodes)
            and (since is None or record["time"] >= since)
            and LEVELS.get(record["level"], 2) >= weight
        )

    return wanted


def _refuse_unknown(nodes: tuple[str, ...], folder: Path) -> None:
    import json
    from difflib import get_close_matches

    from rena_graph.errors import UsageError

    try:
        known = list(json.loads((folder / "graph.json").read_bytes())["nodes"])
    except (OSError, ValueError, KeyError):
        return  # it never got that far
    for node in nodes:
        if node != "run" and node not in known:
            near = get_close_matches(node, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"its nodes are {', '.join(known)}"
            raise UsageError(f"--node: the graph has no node {node!r}; {hint}")


def _print(records: Iterable[Record], as_json: bool) -> None:
    for record in records:
        if as_json:
            write_json({key: record[key] for key in ("time", "node", "level", "text")}, compact=True)
        else:
            for line in message_lines(record):
                write_line(line)
