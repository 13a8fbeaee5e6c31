"""Samples of a stream as lines: for people, as CSV, as JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Literal

from rena_graph.cli.view.lines import clean
from rena_graph.errors import UsageError
from rena_graph.streams.spec import StreamSpec

__all__ = ["SampleLines", "chosen_channels"]

_SHOWN = 8
"""Channels that a line for people has, unless some were asked for by name."""
_TEXT = 60


def chosen_channels(asked: str | None, spec: StreamSpec) -> list[int] | None:
    """Indices for ``Fz,Cz,0,4-7``; None where nothing is asked.

    Raises
    ------
    UsageError
        There is no such channel.
    """
    if asked is None:
        return None
    chosen: list[int] = []
    for word in asked.split(","):
        word = word.strip()
        first, dash, last = word.partition("-")
        if word in spec.channel_names:
            chosen.append(spec.channel_names.index(word))
        elif word.isdecimal() and int(word) < spec.channels:
            chosen.append(int(word))
        elif dash and first.isdecimal() and last.isdecimal() and int(first) <= int(last) < spec.channels:
            chosen += range(int(first), int(last) + 1)
        else:
            near = get_close_matches(word, spec.channel_names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            named = f" or a name: {', '.join(spec.channel_names)}" if spec.channel_names else ""
            raise UsageError(
                f"stream {spec.name!r} has no channel {word!r}{hint}; a channel is a number from 0 to "
                f"{spec.channels - 1}{named}"
            )
    return chosen


class SampleLines:
    """Makes a line of each sample.

    Parameters
    ----------
    spec : StreamSpec
        The stream.
    channels : list of int | None
        Those that are shown; None for all, of which people see the first and the last few.
    form : {'text', 'csv', 'json'}
        What a line is.
    """

    def __init__(self, spec: StreamSpec, channels: list[int] | None, form: Literal["text", "csv", "json"]) -> None:
        self._form = form
        self._channels = list(range(spec.channels)) if channels is None else channels
        self._left_out = 0
        if form == "text" and channels is None and spec.channels > _SHOWN:
            self._left_out = spec.channels - _SHOWN
            self._channels = [*range(_SHOWN - 2), spec.channels - 2, spec.channels - 1]
        self._names = [spec.channel_names[i] if spec.channel_names else str(i) for i in self._channels]

    def head(self) -> str | None:
        """The line before the first; None where there is none."""
        if self._form == "json":
            return None
        if self._form == "csv":
            return _csv(["timestamp", *self._names])
        names = [f"{clean(name)[:10]:>11}" for name in self._names]
        return "".join([f"{'timestamp':>16}", *self._with_gap(names)])

    def _with_gap(self, cells: list[str]) -> list[str]:
        return [*cells[:-2], f"  … {self._left_out} more", *cells[-2:]] if self._left_out else cells

    def line(self, timestamp: float, sample: Sequence[Any]) -> str:
        """One sample; `sample` has all channels."""
        values = [sample[i] for i in self._channels]
        if self._form == "json":
            plain = [None if isinstance(v, float) and not math.isfinite(v) else v for v in values]
            return json.dumps({"timestamp": timestamp, "values": plain}, ensure_ascii=False)
        if self._form == "csv":
            return _csv([repr(timestamp), *values])
        return "".join([f"{timestamp:16.6f}", *self._with_gap([_cell(value) for value in values])])


def _cell(value: Any) -> str:
    if isinstance(value, str):
        text = clean(value).replace("\n", "\\n")
        return "  " + (text if len(text) <= _TEXT else text[: _TEXT - 1] + "…")
    return f"{value:>11.5g}" if isinstance(value, float) else f"{value!s:>11}"


def _csv(cells: Sequence[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(cells)
    return buffer.getvalue()
