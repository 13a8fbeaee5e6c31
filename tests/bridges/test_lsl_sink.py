"""The LSL outlet, as an independent client in another process sees it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rena_graph.bridges.lsl_format import lsl_unit
from rena_graph.bridges.lsl_sink import LslSinkBridge, source_id
from rena_graph.errors import StreamFormatError
from rena_graph.graph.checks.formats import same_unit
from rena_graph.graph.document import LslSink
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import EdgeColumn

pytestmark = pytest.mark.lsl


def test_metadata_and_samples_arrive_as_they_are(
    peer: Callable[..., Any], draining: Callable[..., Any], unique: str
) -> None:
    spec = StreamSpec("HR", 2, "float64", 50.0, ("bpm", "rr"), "1/min")
    sink = draining(LslSinkBridge(spec, LslSink(name=unique, type="HR"), time.monotonic, graph="g"), spec)
    client = peer("inlet.py", unique, "500", "60")
    found = json.loads(client.line())
    assert found == {
        "name": unique, "type": "HR", "channels": 2, "rate": 50.0, "format": 2, "source_id": "rena_graph:g:HR",
        "labels": ["bpm", "rr"], "units": ["1/min", "1/min"],
    }  # fmt: skip
    start = time.monotonic()
    data = np.arange(1000, dtype=np.float64).reshape(500, 2)
    stamps = start + np.arange(500) / 50
    for first in range(0, 500, 7):
        sink.stream.writer.publish(data[first : first + 7], stamps[first : first + 7])
    # Stopped at once: what is pending is sent first, and the client gets it before the outlet goes.
    sink.stop()
    got = json.loads(client.line())
    np.testing.assert_array_equal(got["samples"], data)
    np.testing.assert_allclose(got["stamps"], stamps, atol=1e-9)
    assert sink.reader.row.ints[EdgeColumn.DELIVERED] == 500


def test_text(peer: Callable[..., Any], draining: Callable[..., Any], unique: str) -> None:
    spec = StreamSpec("Markers", 2, "string")
    sink = draining(LslSinkBridge(spec, LslSink(name=unique), time.monotonic, graph="g"), spec)
    client = peer("inlet.py", unique, "2", "60")
    assert json.loads(client.line())["rate"] == 0
    words = np.array([["a", "über"], ["", "c"]], dtype=object)
    sink.stream.writer.publish(words, np.array([1.0, 2.0]))
    assert json.loads(client.line())["samples"] == words.tolist()


def test_timestamps_are_those_of_this_hosts_lsl_clock(
    peer: Callable[..., Any], draining: Callable[..., Any], unique: str
) -> None:
    def graph_time() -> float:
        return time.monotonic() + 5000.0

    spec = StreamSpec("S", 1)
    sink = draining(LslSinkBridge(spec, LslSink(name=unique), graph_time, graph="g"), spec)
    client = peer("inlet.py", unique, "1", "60")
    client.line()
    now = time.monotonic()
    sink.stream.writer.publish(np.zeros((1, 1), np.float32), np.array([now + 5000.0]))
    assert json.loads(client.line())["stamps"][0] == pytest.approx(now, abs=0.05)


def test_what_lsl_cannot_carry_is_refused() -> None:
    with pytest.raises(StreamFormatError, match="carries no uint16"):
        LslSinkBridge(StreamSpec("S", 1, "uint16"), LslSink(), time.monotonic, graph="g")


@pytest.mark.parametrize(
    ("unit", "sent"), [("µV", "microvolts"), ("uV", "microvolts"), ("mV", "millivolts"), ("°", "°")]
)
def test_volts_are_spelled_out_as_clients_know_them(unit: str, sent: str) -> None:
    assert lsl_unit(unit) == sent
    assert same_unit(unit, sent), "our own graphs take it for the same"


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "float32", "float64"])
def test_every_dtype_arrives_bit_for_bit(
    dtype: str, peer: Callable[..., Any], draining: Callable[..., Any], unique: str
) -> None:
    spec = StreamSpec("S", 1, dtype, 0.0)
    sink = draining(LslSinkBridge(spec, LslSink(name=unique, type="X"), time.monotonic, graph="g"), spec)
    client = peer("inlet.py", unique, "2", "60")
    assert json.loads(client.line())["labels"] is None, "nobody gave any"
    numbers = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    ends = np.array([[numbers.min], [numbers.max]], dtype=dtype)
    sink.stream.writer.publish(ends, np.array([1.0, 2.0]))
    assert json.loads(client.line())["samples"] == ends.tolist()


def test_two_instances_have_two_source_ids() -> None:
    assert source_id("g", "S", None) == "rena_graph:g:S"
    assert source_id("g", "S", "left") == "rena_graph:g:S:left"


def test_closing_twice_and_without_a_run(unique: str) -> None:
    bridge = LslSinkBridge(StreamSpec("S", 1), LslSink(name=unique), time.monotonic, graph="g")
    bridge.close()
    bridge.prepare()
    bridge.close()
    bridge.close()
