"""What a demo showed, in plain words, and the values that it shows while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rena_graph.cli.display import Display
from rena_graph.cli.showcase.ecg import ecg_lines
from rena_graph.cli.showcase.taps import Point, Sample, Taps
from rena_graph.cli.view.numbers import count, rate
from rena_graph.graph.model import Graph

__all__ = ["ValuesDisplay", "value_text", "what_it_showed"]

SHOW_EVERY = 1.0
"""Seconds between two lines of one stream's values."""
MAX_VALUES = 6


class ValuesDisplay:
    """A display that also shows the newest values of the streams that the demo listens to, as lines of their nodes.

    Parameters
    ----------
    display : Display
        What draws.
    taps : Taps
        What listens.
    points : list of Point
        At what.
    unix : callable
        Seconds since 1970.
    """

    def __init__(self, display: Display, taps: Taps, points: Sequence[Point], unix: Callable[[], float]) -> None:
        self._display = display
        self._taps = taps
        self._points = points
        self._unix = unix
        self._shown: dict[str, tuple[float, Sample]] = {}
        self.period = display.period
        self.last: Mapping[str, Any] | None = None
        """The last status of the run, once it has ended."""

    def progress(self, text: str) -> None:
        """See :class:`Display`."""
        self._display.progress(text)

    def say(self, text: str) -> None:
        """See :class:`Display`."""
        self._display.say(text)

    def messages(self, records: Sequence[Mapping[str, Any]]) -> None:
        """The run's own records, and one for each stream that has a new value."""
        self._display.messages([*records, *self._values()])

    def status(self, status: Mapping[str, Any]) -> None:
        """See :class:`Display`."""
        self._display.status(status)

    def finish(self, status: Mapping[str, Any], code: int, folder: Path, failure: str | None) -> None:
        """See :class:`Display`."""
        self.last = status
        self._display.finish(status, code, folder, failure)

    def close(self) -> None:
        """See :class:`Display`."""
        self._display.close()

    def _values(self) -> list[dict[str, Any]]:
        now = self._unix()
        records = []
        for point in self._points:
            heard = self._taps.samples[point.stream]
            newest = heard[-1] if heard else None
            shown_at, shown = self._shown.get(point.stream, (0.0, None))
            if newest is None or newest is shown or now - shown_at < SHOW_EVERY:
                continue
            self._shown[point.stream] = now, newest
            text = f"{point.stream} = {value_text(newest, point.unit)}"
            records.append({"time": now, "node": point.node, "level": "print", "text": text})
        return records


def value_text(sample: Sample, unit: str | None) -> str:
    """A sample's values in one short line."""
    values = [f"{value:.4g}" for value in sample.values[:MAX_VALUES]]
    if len(sample.values) > MAX_VALUES:
        values.append("…")
    return f"{', '.join(values)}{' ' + unit if unit else ''}"


def what_it_showed(graph: Graph, status: Mapping[str, Any], taps: Taps, points: Sequence[Point]) -> list[str]:
    """What the demo showed, as lines: what went in, what each script did, what came out, and whether it is right."""
    lines = [_went_in(graph)]
    for name in graph.order:
        node = status["nodes"][name]
        script = Path(graph.nodes[name].script).name
        reached = f", {rate(node['rate'])} times a second at the end" if node["rate"] else ""
        lines.append(f"{script} ran as a process of its own: {count(node['loops'])} loops{reached}.")
    heard = [(point, len(taps.samples[point.stream])) for point in points]
    if heard:
        parts = ", ".join(f"{count(number)} of {point.stream}" for point, number in heard)
        lines.append(f"A client outside of the graph received, over ZMQ, these samples: {parts}.")
    for stream in graph.external:
        recording = stream.source.source.recording if stream.source is not None else None
        if recording is not None and "RR" in taps.samples:
            lines += ecg_lines(taps.samples["RR"], graph.recording_path(stream.name))
    return lines


def _went_in(graph: Graph) -> str:
    parts = []
    for stream in graph.external:
        assert stream.source is not None
        kind = {"recording": "a recording, played as if it were live", "simulate": "made up on the spot"}
        parts.append(f"{stream.name} ({kind.get(stream.source.source.kind, stream.source.source.kind)})")
    return f"Into the graph went {', '.join(parts)}." if parts else "Nothing went into the graph from outside."
