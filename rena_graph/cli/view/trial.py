"""What ``rena-graph run-script`` found, as lines of text."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from rena_graph.cli.output import columns
from rena_graph.cli.view.numbers import NONE, count, duration, rate

__all__ = ["trial_lines", "undeclared_lines"]

_HEADER = ("", "stream", "samples", "channels", "dtype", "rate Hz", "first", "last", "")


def trial_lines(report: Mapping[str, Any]) -> list[str]:
    """The report of a trial, for people."""
    loops = f"{count(report['loops'])} loop{'s' if report['loops'] != 1 else ''}"
    mean, p99, longest = (duration(report[key]) for key in ("loop_mean", "loop_p99", "loop_max"))
    lines = [
        f"{report['class']} in {report['script']}: {loops} at {rate(report['run_frequency'])} Hz; "
        f"mean {mean}, p99 {p99}, longest {longest}"
    ]
    if report["inputs"] or report["outputs"]:
        rows = [_row("in", name, stream) for name, stream in report["inputs"].items()]
        rows += [_row("out", name, stream) for name, stream in report["outputs"].items()]
        lines += columns(rows, _HEADER)
    lines += [f"{error['error']}: {_times(error)}" for error in report["errors"]]
    if report["printed_count"]:
        lines.append(f"printed {count(report['printed_count'])} line{'s' if report['printed_count'] != 1 else ''}")
    return lines + [f"wrote {path}" for path in report["saved"]]


def undeclared_lines(undeclared: Mapping[str, int | None]) -> list[str]:
    """How to declare the outputs that the script assigned and nobody declared."""
    if not undeclared:
        return []
    pairs = (f"{name}={channels or 'CHANNELS'}" for name, channels in undeclared.items())
    options = " ".join(f"--output {shlex.quote(pair)}" for pair in pairs)
    names = ", ".join(map(repr, undeclared))
    return [
        f"nothing was kept of {names}, which the script sends and nobody declared; add: {options}",
        "(channels are guessed from what it sent; a dtype and a rate may follow, as in 8:float32:250)",
    ]


def _row(way: str, name: str, stream: Mapping[str, Any]) -> tuple[str, ...]:
    notes = [f"{count(stream[key])} {words}" for key, words in _NOTES.items() if stream.get(key)]
    pace = "irregular" if not stream["rate"] else rate(stream["rate"])
    return (way, name, count(stream["samples"]), count(stream["channels"]), stream["dtype"], pace,
            _seconds(stream["first"]), _seconds(stream["last"]), ", ".join(notes))  # fmt: skip


_NOTES = {"dropped": "left the window before a loop saw them", "raised": "timestamps ran backwards and were raised"}


def _seconds(stamp: float | None) -> str:
    return NONE if stamp is None else f"{stamp:.3f} s"


def _times(error: Mapping[str, Any]) -> str:
    where = f"in loop {error['loop']}" if error["loop"] else "in init()"
    return where if error["count"] == 1 else f"{count(error['count'])} times, first {where}"
