"""The live table of an attached launch: nodes, streams and the newest log lines, fitted to the terminal's height."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from rena_graph.cli.view.clocks import clock_lines
from rena_graph.cli.view.hosts import host_lines
from rena_graph.cli.view.keeping import keeping_lines
from rena_graph.cli.view.latency import sink_lines
from rena_graph.cli.view.numbers import NONE, asked_rate, clock_time, count, duration, rate

__all__ = ["live_view", "node_table", "stream_table"]

_STATE_STYLES = {
    "running": "green",
    "paused": "cyan",
    "stopped": "dim",
    "failed": "bold red",
    "restarting": "yellow",
    "stopping": "yellow",
}
_LEVEL_STYLES = (("ERROR ", "red"), ("NATIVE ", "red"), ("WARNING ", "yellow"))
_WIDE = 100
_AGES = (("age p50", "age_p50"), ("age p99", "age_p99"), ("out p50", "output_age_p50"), ("out p99", "output_age_p99"))
"""When its loop sees it, and when its outputs are out."""
_NODE_TITLES = (
    "asked Hz",
    "reached",
    "loop mean",
    "p99",
    "overruns",
    "skipped",
    "errors",
    "dropped",
    "data age",
    "restarts",
)
_NODE_TITLES_SHORT = ("asked", "got", "loop", "p99", "over", "skip", "err", "drop", "age", "again")
_MIN_LOG_LINES = 4
_MAX_ERRORS = 5
_TABLE_FRAME = 3  # a table's lines beside its rows: its header, the rule below it, and the line that counts the rest


def live_view(
    status: Mapping[str, Any],
    lines: Sequence[str],
    width: int,
    height: int,
    errors: Sequence[str] = (),
    hint: str = "Ctrl-C stops",
) -> RenderableType:
    """All of it, at most `height` lines high.

    Parameters
    ----------
    status : mapping
        The run's status.
    lines : sequence of str
        Log lines, the newest last; as many of the newest as fit are shown.
    width, height : int
        Columns and lines of the terminal; what does not fit gets shorter titles, and what fits shows more.
    errors : sequence of str
        The last different errors, the newest last; they stay while log lines go by.
    hint : str
        What Ctrl-C does while the run is running.
    """
    troubles = keeping_lines(status["nodes"])[:_MAX_ERRORS]
    errors = errors[-max(1, min(_MAX_ERRORS, height // 6)) :]
    # Header, and a line that Live needs below what it draws.
    room = max(0, height - 2 - _MIN_LOG_LINES - 2 * _TABLE_FRAME - (len(errors) + 1 if errors else 0) - len(troubles))
    nodes = min(len(status["nodes"]), max(1, room - min(len(status["streams"]), room // 3)))
    streams = min(len(status["streams"]), max(1, room - nodes))
    parts: list[RenderableType] = [_headline(status, hint), node_table(status["nodes"], nodes, width)]
    used = 2 + nodes + _TABLE_FRAME
    if streams and status["streams"]:
        parts.append(stream_table(status["streams"], streams, width))
        used += streams + _TABLE_FRAME
    about = host_lines(status["hosts"]) + sink_lines(status["sinks"]) + clock_lines(status["hosts"])
    latencies = about[: max(0, min(_MAX_ERRORS, height - used - _MIN_LOG_LINES - len(troubles)))]
    parts += [Text(line, style="cyan", no_wrap=True, overflow="ellipsis") for line in latencies]
    used += len(latencies)
    parts += [Text(line, style="yellow", no_wrap=True, overflow="ellipsis") for line in troubles]
    used += len(troubles)
    if errors:
        parts.append(Text("last errors", style="bold red"))
        parts += [Text(line, style="red", no_wrap=True, overflow="ellipsis") for line in errors]
        used += len(errors) + 1
    parts += [_log_line(line) for line in lines[-max(_MIN_LOG_LINES, height - used) :]]
    return Group(*parts)


def node_table(nodes: Mapping[str, Mapping[str, Any]], limit: int, width: int) -> Table:
    """The nodes, in their own order; where there are more than `limit`, those in trouble first.

    Of its three forms (with all ages of data, with whole titles, with short ones) the first that fits into `width`.
    """
    shown = {name: nodes[name] for name in _fit(nodes, limit, _node_trouble)}
    restarts = any(node["restarts"] for node in nodes.values())
    table = _nodes_as(shown, _NODE_TITLES, _AGES, restarts, width)
    if not _fits(table, width):
        table = _nodes_as(shown, _NODE_TITLES, (), restarts, width)
    if not _fits(table, width):
        table = _nodes_as(shown, _NODE_TITLES_SHORT, (), restarts, width)
    return _count_rest(table, len(nodes) - len(shown), "nodes")


def _nodes_as(
    shown: Mapping[str, Mapping[str, Any]],
    titles: Sequence[str],
    ages: Sequence[tuple[str, str]],
    restarts: bool,
    width: int,
) -> Table:
    *basic, last = titles
    numbers = [*basic, *(title for title, _ in ages), *([last] if restarts else [])]
    whole = titles is _NODE_TITLES
    table = _table("node", "state", numbers, width, roomy=whole, whole_names=whole)
    for name, node in shown.items():
        more = [duration(node[key]) for _, key in ages] + ([count(node["restarts"])] if restarts else [])
        table.add_row(*_node_cells(name, node), *more)
    return table


def _fits(table: Table, width: int) -> bool:
    return Console(width=10_000).measure(table).maximum <= width


def stream_table(streams: Mapping[str, Mapping[str, Any]], limit: int, width: int) -> Table:
    """The streams: those from outside with the state of their source and what was lost there."""
    shown = _fit(streams, limit, _stream_trouble)
    numbers = ("rate Hz", "samples", "age", "gaps", "lost", "rejected")
    table = _table("stream", "source", numbers, width, roomy=width >= _WIDE, whole_names=True)
    for name in shown:
        stream = streams[name]
        state = stream["source_state"]
        source = Text(NONE if state is None else state, style="green" if state == "connected" else "")
        if state in ("lost", "refused"):
            source.stylize("bold red")
        losses = [NONE] * 3 if state is None else [_losses(stream[key]) for key in ("gaps", "lost", "rejected")]
        made = rate(stream["rate"]), count(stream["produced"]), duration(stream.get("age"))
        table.add_row(Text(name), source, *made, *losses)
    return _count_rest(table, len(streams) - len(shown), "streams")


def _table(name: str, state: str, numbers: Sequence[str], width: int, *, roomy: bool, whole_names: bool) -> Table:
    # A divider of the box is a space already; where there is room it gets one more.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1 if roomy else 0, 0, 0), pad_edge=False, show_edge=False)
    # Names give way before numbers do: of columns that do not fit, rich shortens those first that may wrap. A node's
    # name has no blanks, so it never does; a stream's may, but its table is narrow.
    table.add_column(name, overflow="ellipsis", no_wrap=whole_names, min_width=8, max_width=_widest_name(width))
    table.add_column(state, no_wrap=True)
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _widest_name(width: int) -> int:
    return max(12, width // 5)


def _headline(status: Mapping[str, Any], hint: str) -> Text:
    state = status["state"]
    return Text.assemble(
        (status["graph"], "bold"),
        "  ",
        (state, "green" if state == "running" else "yellow"),
        f"  {clock_time(status['uptime'])}  {status['transport']}  run {status['run']}  ",
        (hint if state == "running" else "", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _node_cells(name: str, node: Mapping[str, Any]) -> list[RenderableType]:
    state = Text(node["state"], style=_STATE_STYLES.get(node["state"], ""))
    if node["stale"]:
        state = Text("stale", style="bold yellow")
    return [
        Text(name),
        state,
        asked_rate(node),
        rate(node["rate"]),
        duration(node["loop_mean"]),
        duration(node["loop_p99"]),
        _losses(node["overruns"]),
        _losses(node["skipped"]),
        _losses(node["exceptions"] + node["bad_outputs"], "red"),
        _losses(node["dropped"], "red"),
        duration(node["age"]),
    ]


def _losses(number: int, style: str = "yellow") -> Text:
    return Text(count(number), style=style if number else "dim")


def _node_trouble(node: Mapping[str, Any]) -> bool:
    return bool(node["stale"] or node["state"] not in ("running", "stopped") or node["error"] or node["dropped"])


def _stream_trouble(stream: Mapping[str, Any]) -> bool:
    return stream["source_state"] not in (None, "connected") or bool(stream["lost"] or stream["rejected"])


def _fit(things: Mapping[str, Mapping[str, Any]], limit: int, trouble: Any) -> list[str]:
    if len(things) <= limit:
        return list(things)
    urgent = sorted(things, key=lambda name: not trouble(things[name]))[:limit]
    return [name for name in things if name in urgent]


def _count_rest(table: Table, hidden: int, what: str) -> Table:
    if hidden:
        table.caption = f"… and {hidden} more {what}; --json shows all"
        table.caption_justify = "left"
    return table


def _log_line(line: str) -> Text:
    style = next((style for mark, style in _LEVEL_STYLES if f": {mark}" in line), "")
    return Text(line, style=style, no_wrap=True, overflow="ellipsis")
