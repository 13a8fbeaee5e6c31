"""``rena-graph streams``: the LSL streams that answer on the network now."""

from __future__ import annotations

import time
from typing import Any

import click

from rena_graph.cli.options import SECONDS, finite, json_option
from rena_graph.cli.output import columns, talk, write_json, write_line
from rena_graph.cli.view.lines import clean
from rena_graph.cli.view.numbers import rate

__all__ = ["command", "found_streams", "stream_lines"]

_FORMATS = ("undefined", "float32", "float64", "string", "int32", "int16", "int8", "int64")
"""LSL's channel formats by their number."""

_HEADER = ("name", "type", "channels", "rate Hz", "format", "host", "source_id")


def found_streams(wait: float) -> list[dict[str, Any]]:
    """Every stream that answered within `wait` seconds, by name and host: what LSL says of it, as plain values.

    ``rate`` is in Hz, 0 for irregular streams; ``format`` is one of the graph's dtypes.

    Raises
    ------
    MissingExtra
        pylsl or liblsl is missing.
    """
    from rena_graph.bridges.lsl_search import Search

    search = Search(None)
    time.sleep(wait)
    found = search.results()
    search.close()
    streams = [
        {
            "name": info.name(),
            "type": info.type(),
            "channels": info.channel_count(),
            "rate": info.nominal_srate(),
            "format": _FORMATS[info.channel_format()],
            "host": info.hostname(),
            "source_id": info.source_id(),
            "uid": info.uid(),
        }
        for info in found
    ]
    return sorted(streams, key=lambda stream: (stream["name"], stream["host"], stream["uid"]))


def stream_lines(streams: list[dict[str, Any]]) -> list[str]:
    """A table for people. A name is the outlet's own choice, so control characters are written out."""
    rows = [
        (
            clean(stream["name"]),
            clean(stream["type"]) or "–",
            str(stream["channels"]),
            rate(stream["rate"]) if stream["rate"] else "irregular",
            stream["format"],
            clean(stream["host"]),
            clean(stream["source_id"]) or "– (clients cannot recover it)",
        )
        for stream in streams
    ]
    return columns(rows, _HEADER) if rows else []


@click.command("streams")
@click.option("--wait", type=SECONDS, callback=finite, default=1.0, show_default=True,
              help="Seconds to wait for answers; more on a slow or crowded network.")  # fmt: skip
@json_option("As a JSON list, with each outlet's uid.")
def command(wait: float, as_json: bool) -> None:
    """List the LSL streams on the network now.

    A graph takes one in with {"from": {"lsl": {"name": ...}}}. Streams of other machines are found where multicast
    reaches; `rena-graph doctor` checks that LSL works on this one.
    """
    streams = found_streams(wait)
    if as_json:
        write_json(streams)
        return
    for line in stream_lines(streams):
        write_line(line)
    if not streams:
        talk(f"no LSL stream answered within {wait:g} s; --wait 5 waits longer, `rena-graph doctor` checks LSL")
