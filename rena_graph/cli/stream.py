"""``rena-graph stream``: looks at what flows through the streams of a running graph, without disturbing it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from rena_graph.cli.options import SECONDS, finite, json_option
from rena_graph.cli.output import columns, talk, write_json, write_line
from rena_graph.cli.runs import complete_streams, held, run_argument
from rena_graph.cli.view.numbers import NONE, count, duration, rate

if TYPE_CHECKING:
    from rena_graph.runtime.launch.handle import RunHandle
    from rena_graph.runtime.launch.stream_view import StreamView
    from rena_graph.transport.tap import Seen

__all__ = ["command"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_ALIVE = 0.5
"""Seconds between two looks at whether the run is still there."""
_PIECE = 10_000


def _stream_argument(function: _Function) -> _Function:
    return click.argument("stream", metavar="STREAM", shell_complete=complete_streams)(function)


@click.group("stream")
def command() -> None:
    """Look at what flows through a running graph's streams, without disturbing it.

    What is looked at here is in no ledger, and nothing waits for it.
    """


@command.command("list")
@run_argument()
@json_option("By name: format, producer or source, rate, samples, age in seconds.")
def list_streams(run: str, as_json: bool) -> None:
    """List the streams of RUN: format, who makes and takes each, its rate, the age of its newest sample."""
    with held(run) as handle:
        streams, status = handle.streams(), handle.status()
    takers: dict[str, list[str]] = {}
    for edge in status["edges"]:
        takers.setdefault(edge["stream"], []).append(edge["to"])
    found = {
        name: {
            **{key: value for key, value in facts.items() if key != "port"},
            "elsewhere": facts["port"]["address"] is None,
            "reached": status["streams"].get(name, {}).get("rate"),
            "samples": status["streams"].get(name, {}).get("produced", 0),
            "age": status["streams"].get(name, {}).get("age"),
            "source_state": status["streams"].get(name, {}).get("source_state"),
            "to": takers.get(name, []),
        }
        for name, facts in streams.items()
    }
    if as_json:
        write_json(found)
        return
    rows = [
        (
            name,
            f"{facts['channels']} × {facts['dtype']}",
            rate(facts["rate"]) if facts["rate"] else "irregular",
            rate(facts["reached"]),
            count(facts["samples"]),
            duration(facts["age"]),
            _from(facts),
            ", ".join(facts["to"]) or NONE,
        )
        for name, facts in found.items()
    ]
    for line in columns(rows, ("stream", "format", "nominal Hz", "reached", "samples", "age", "from", "to")):
        write_line(line)


def _from(facts: dict[str, Any]) -> str:
    made_by = facts["producer"] or f"{facts['source']} ({facts['source_state']})"
    return f"{made_by} on {facts['host']}" if facts["elsewhere"] else str(made_by)


@command.command("info")
@run_argument()
@_stream_argument
@json_option("As JSON.")
def show_info(run: str, stream: str, as_json: bool) -> None:
    """Show all of one stream: format, who makes and takes it, the ledger of each edge, its newest sample."""
    from rena_graph.cli.view.stream_info import info_lines

    with held(run) as handle:
        info = handle.stream(stream).info()
    if as_json:
        write_json(info)
        return
    for line in info_lines(info):
        write_line(line)


@command.command("hz")
@run_argument()
@_stream_argument
@click.option("--window", metavar="SECONDS", type=SECONDS, callback=finite, default=2.0, show_default=True,
              help="How long the figures look back.")  # fmt: skip
@click.option("--count", "-n", metavar="N", type=click.IntRange(1), help="End after so many lines, one a second.")
@json_option("A JSON line a second, times in seconds.")
def measure(run: str, stream: str, window: float, count: int | None, as_json: bool) -> None:
    """Measure how STREAM flows: the rate reached, chunks, the jitter of arrival and of timestamps.

    Arrival is when a chunk became visible on this machine, or on the stream's own where nobody here takes it. Ctrl-C
    ends it.
    """
    from rena_graph.cli.view.flow import FlowMeter, flow_lines

    with held(run) as handle, suppress(KeyboardInterrupt):
        meter = FlowMeter(window, time.monotonic())
        due, shown = time.monotonic() + 1.0, 0
        for seen in _looks(handle, handle.stream(stream), values=False):
            meter.add(seen)
            if time.monotonic() < due:
                continue
            due += 1.0
            figures = meter.figures(time.monotonic())
            if as_json:
                write_json({"stream": stream, **figures}, compact=True)
            else:
                for line in flow_lines(figures, header=shown % 20 == 0):
                    write_line(line)
            shown += 1
            if shown == count:
                return


@command.command("echo")
@run_argument()
@_stream_argument
@click.option("--count", "-n", metavar="N", type=click.IntRange(1), help="End after so many samples.")
@click.option("--channels", metavar="LIST", help="Only these: names, numbers from 0, spans, as in Fz,Cz,4-7.")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV with a header, all channels.")
@json_option("A JSON line a sample: timestamp (graph time, seconds) and values.")
def echo(run: str, stream: str, count: int | None, channels: str | None, as_csv: bool, as_json: bool) -> None:
    """Print the samples of STREAM as they come, each with its timestamp in graph time.

    Of wide streams the first and the last channels are printed, unless --channels, --csv or --json is given. What was
    too fast to be printed is counted, and said on stderr. Ctrl-C ends it.
    """
    from rena_graph.cli.view.samples import SampleLines, chosen_channels
    from rena_graph.errors import UsageError

    if as_csv and as_json:
        raise UsageError("--csv and --json both want stdout: leave one out")
    form: Literal["text", "csv", "json"] = "csv" if as_csv else "json" if as_json else "text"
    with held(run) as handle:
        view = handle.stream(stream)
        lines = SampleLines(view.spec, chosen_channels(channels, view.spec), form)
        head = lines.head()
        if head is not None:
            write_line(head)
        left = count
        with suppress(KeyboardInterrupt):
            for seen in _looks(handle, view):
                if seen.missed:
                    talk(f"{seen.missed:,} samples went by unseen")
                stamps, data = seen.timestamps[:left].tolist(), seen.data[:left].tolist()
                if stamps:
                    write_line("\n".join(lines.line(t, sample) for t, sample in zip(stamps, data, strict=True)))
                if left is not None:
                    left -= len(stamps)
                    if left <= 0:
                        return


def _looks(handle: RunHandle, view: StreamView, *, values: bool = True) -> Iterator[Seen]:
    """What a tap sees, again and again, until the stream or the run has ended."""
    from rena_graph.errors import RunLost

    look_at_run = time.monotonic() + _ALIVE
    with view.tap(values=values) as tap:
        while True:
            try:
                seen = tap.read(_PIECE)
            except RunLost:  # a stream of another host cannot be looked at without it
                if not handle.ended and handle.session_pid is not None:
                    raise
                talk("the run has ended")
                return
            yield seen
            if len(seen.timestamps) >= _PIECE:
                continue
            if tap.ended:
                talk("the stream has ended")
                return
            if time.monotonic() > look_at_run:
                if handle.ended:
                    talk("the run has ended")
                    return
                look_at_run = time.monotonic() + _ALIVE
            time.sleep(view.look_every)
