"""How samples and flows are shown."""

from __future__ import annotations

import csv
import json
from typing import Any

import numpy as np
import pytest

from rena_graph.cli.view.flow import FlowMeter, flow_lines
from rena_graph.cli.view.samples import SampleLines, chosen_channels
from rena_graph.cli.view.stream_info import info_lines
from rena_graph.errors import UsageError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.interface import ChunkInfo
from rena_graph.transport.tap import Seen
from tests.cli.statuses import edge, external

EEG = StreamSpec("EEG", 12, "float32", 250.0, ("Fz", "Cz", *(f"E{i}" for i in range(10))))


def look(first: int, chunks: int, size: int = 10, missed: int = 0) -> Seen:
    """Chunks of `size` samples at 1000 Hz, published every 10 ms."""
    count = chunks * size
    infos = tuple(ChunkInfo(first + i * size, size, (first + i * size) / 1000, 0.0, 0) for i in range(chunks))
    return Seen(np.zeros((count, 1)), np.arange(first, first + count) / 1000, missed, infos)


def test_a_flow_is_measured_over_the_window_alone() -> None:
    meter = FlowMeter(0.5, began=0.0)
    meter.add(look(0, 100, missed=7))
    figures = meter.figures(1.0)
    assert figures["samples"] == 500
    assert figures["rate"] == pytest.approx(1000)
    assert figures["chunks_per_second"] == pytest.approx(100)
    assert figures["samples_per_chunk"] == 10
    assert figures["arrival_interval"] == pytest.approx(0.01)
    assert figures["arrival_jitter"] == pytest.approx(0, abs=1e-9)
    assert figures["stamp_rate"] == pytest.approx(1000)
    assert figures["stamp_longest"] == pytest.approx(0.001)
    assert figures["missed"] == 7
    head, line = flow_lines(figures, header=True)
    assert head.split()[:2] == ["rate", "Hz"]
    assert line.split()[:3] == ["1,000", "100.0", "10.0"]


def test_a_flow_of_nothing_has_no_figures() -> None:
    figures = FlowMeter(2.0, began=0.0).figures(1.0)
    assert figures["rate"] == 0
    assert figures["arrival_jitter"] is None
    assert figures["stamp_rate"] is None
    assert flow_lines(figures, header=False)[0].split().count("–") >= 6


def test_a_chunk_that_began_before_the_tap_counts_for_what_was_seen() -> None:
    meter = FlowMeter(2.0, began=0.0)
    seen = look(0, 1)
    meter.add(seen._replace(data=seen.data[4:], timestamps=seen.timestamps[4:]))
    assert meter.figures(1.0)["samples"] == 6


@pytest.mark.parametrize(
    ("asked", "chosen"), [(None, None), ("Cz", [1]), ("0,Cz, 4-6", [0, 1, 4, 5, 6]), ("11", [11]), ("E3,E2", [5, 4])]
)
def test_channels_by_name_number_and_span(asked: str | None, chosen: list[int] | None) -> None:
    assert chosen_channels(asked, EEG) == chosen


@pytest.mark.parametrize("asked", ["12", "4-12", "6-4", "", "cz", "-1"])
def test_a_channel_that_is_not_there(asked: str) -> None:
    with pytest.raises(UsageError, match="has no channel"):
        chosen_channels(asked, EEG)


def test_wide_streams_are_shortened_for_people_only() -> None:
    sample = [float(i) for i in range(12)]
    text = SampleLines(EEG, None, "text")
    assert text.line(1.5, sample).split() == ["1.500000", "0", "1", "2", "3", "4", "5", "…", "4", "more", "10", "11"]
    head = text.head()
    assert head is not None
    assert head.split() == ["timestamp", "Fz", "Cz", "E0", "E1", "E2", "E3", "…", "4", "more", "E8", "E9"]
    assert json.loads(SampleLines(EEG, None, "json").line(1.5, sample)) == {"timestamp": 1.5, "values": sample}
    assert len(next(csv.reader([SampleLines(EEG, None, "csv").line(1.5, sample)]))) == 13
    assert SampleLines(EEG, [1, 4], "text").line(1.5, sample).split() == ["1.500000", "1", "4"]


def test_text_and_odd_numbers() -> None:
    markers = StreamSpec("m", 1, "string")
    assert SampleLines(markers, None, "text").line(1.0, ["a\x1b[2J\nb"]) == "        1.000000  a\\x1b[2J\\nb"
    assert next(csv.reader([SampleLines(markers, None, "csv").line(1.0, ['say "x", y'])])) == ["1.0", 'say "x", y']
    assert SampleLines(markers, None, "json").head() is None
    numbers = StreamSpec("n", 2, "float64")
    assert json.loads(SampleLines(numbers, None, "json").line(1.0, [float("nan"), 2.0]))["values"] == [None, 2.0]


def test_info_shows_format_ends_and_ledger() -> None:
    facts: dict[str, Any] = {
        "stream": "ECG", "channels": 2, "dtype": "float32", "rate": 360.0, "unit": "mV", "channel_names": ["a", "b"],
        "producer": None, "source": "lsl", "transport": "ring", "kept_samples": 3600, "now": external(age=0.002),
        "host": "gpu", "elsewhere": False,
        "edges": [edge(dropped={"overrun": 5}, delivered=7195)],
    }  # fmt: skip
    lines = [" ".join(line.split()) for line in info_lines(facts)]
    assert "format 2 × float32 in mV" in lines
    assert "made by a source: lsl, connected" in lines
    assert "newest 2.0 ms old" in lines
    assert lines[-1] == "r_peaks 7,200 7,195 5 0 5 overwritten before they were read"
    assert info_lines({**facts, "edges": [], "producer": "n", "now": {}})[-1] == "nobody takes it"
    assert not [line for line in lines if "gpu" in line]
    elsewhere = [" ".join(line.split()) for line in info_lines({**facts, "elsewhere": True})]
    assert "on gpu, another host" in elsewhere
