"""Looks at a stream of another host: what arrives is what a tap there sees, a bounded part of it at a time."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest

from rena_graph.errors import TransportError, UsageError
from rena_graph.runtime import far_looks
from rena_graph.runtime.far_looks import MOST_BYTES, look_at
from rena_graph.runtime.launch import far_tap
from rena_graph.runtime.launch.far_tap import FarTap
from rena_graph.streams.spec import StreamSpec
from rena_graph.testing import FakeClock
from rena_graph.transport.interface import StreamPort

from .stage import Stage, numbered, stamps

FAR = 7200.0
"""Graph time less the clock of the host that is looked at."""


class Desk:
    """Asks the host agent, as the coordinator does; what is asked and answered travels as JSON."""

    def __init__(self, port: StreamPort | None) -> None:
        self.port = port
        self.asked: list[dict[str, Any]] = []

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        if self.port is None:
            return {"host": "gpu", "look": None}
        wanted = {"position": None, "limit": 1_000_000, **json.loads(json.dumps(request))}
        answer = look_at(self.port, "s", wanted, FakeClock(time.monotonic() + FAR))
        if "refused" in answer:
            raise UsageError(answer["refused"])
        return {"host": "gpu", "look": json.loads(json.dumps(answer))}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int64", "uint8"])
def test_what_is_seen_is_what_was_published_bit_for_bit(ring_stage: Stage, dtype: str) -> None:
    port = ring_stage.port(StreamSpec("s", 3, dtype, 1000.0))
    writer, _ = ring_stage.pair(port)
    writer.publish(numbered(0, 4, 3, dtype), stamps(0, 4))
    with FarTap(Desk(port).ask, port.spec) as tap:
        assert not len(tap.read().timestamps), "what was there before"
        sent = numbered(4, 7, 3, dtype)
        if dtype.startswith("float"):
            sent[0, 0], sent[1, 1], sent[2, 2] = np.nan, np.inf, np.pi
        writer.publish(sent[:3], stamps(4, 3))
        writer.publish(sent[3:], stamps(7, 4))
        seen = tap.read(5)
        rest = tap.read()
        data = np.concatenate([seen.data, rest.data])
        assert (data.dtype, len(seen.timestamps)) == (np.dtype(dtype), 5)
        np.testing.assert_array_equal(data, sent)
        np.testing.assert_array_equal(np.concatenate([seen.timestamps, rest.timestamps]), stamps(4, 7))
        assert [(chunk.first, chunk.count) for chunk in (*seen.chunks, *rest.chunks)] == [(4, 3), (7, 4), (7, 4)]
        assert seen.chunks[0].published == pytest.approx(time.monotonic() + FAR, abs=30), "in graph time"
        assert not tap.ended
        writer.close()
        assert not len(tap.read().timestamps)
        assert tap.ended


def test_text_arrives_as_text(ring_stage: Stage) -> None:
    port = ring_stage.port(StreamSpec("s", 2, "string"))
    writer, _ = ring_stage.pair(port)
    texts = np.array([["on", "é\n"], ["", "off"]], object)
    writer.publish(texts, stamps(0, 2))
    with FarTap(Desk(port).ask, port.spec, newest=5) as tap:
        seen = tap.read()
    assert seen.data.tolist() == texts.tolist()
    assert seen.missed == 0


def test_more_than_a_look_may_bring_is_left_out_and_counted(ring_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(far_looks, "MOST_BYTES", 10 * (8 + 8))
    port = ring_stage.port()
    writer, _ = ring_stage.pair(port)
    with FarTap(Desk(port).ask, port.spec) as tap, FarTap(Desk(port).ask, port.spec, values=False) as bare:
        tap.read()
        bare.read()
        writer.publish(numbered(0, 25), stamps(0, 25))
        seen = tap.read()
        assert (seen.data[:, 0].tolist(), seen.missed) == (list(range(15, 25)), 15)
        flow = bare.read()
        assert (len(flow.timestamps), len(flow.data), flow.missed) == (20, 0, 5), "stamps alone are smaller"
        for first in range(25, 5025, 100):  # and several laps of the ring
            writer.publish(numbered(first, 100), stamps(first, 100))
        seen = tap.read()
        assert seen.data[:, 0].tolist() == list(range(5015, 5025))
        assert seen.missed == 5000 - 10


def test_a_sample_that_is_too_wide_is_refused_but_measured(ring_stage: Stage) -> None:
    port = ring_stage.port(StreamSpec("s", MOST_BYTES, "uint8", 30.0), capacity=8)
    writer, _ = ring_stage.pair(port)
    with pytest.raises(UsageError, match=r"sample of it has 262,152 bytes.*stream hz"):
        FarTap(Desk(port).ask, port.spec)
    with FarTap(Desk(port).ask, port.spec, values=False) as tap:
        tap.read()
        writer.publish(np.zeros((2, MOST_BYTES), np.uint8), stamps(0, 2))
        assert tap.read().timestamps.tolist() == stamps(0, 2).tolist()


def test_a_stream_that_is_not_there_is_refused() -> None:
    assert "'s' is not there" in look_at(None, "s", {}, FakeClock(0.0))["refused"]


def test_a_host_that_does_not_answer_is_waited_for_a_while(ring_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    port = ring_stage.port()
    writer, _ = ring_stage.pair(port)
    desk = Desk(port)
    with FarTap(desk.ask, port.spec) as tap:
        tap.read()
        desk.port = None
        writer.publish(numbered(0, 3), stamps(0, 3))
        assert (len(tap.read().timestamps), tap.ended) == (0, False)
        desk.port = port
        assert tap.read().data[:, 0].tolist() == [0, 1, 2], "it goes on where it stopped"
        desk.port = None
        monkeypatch.setattr(far_tap, "PATIENCE", 0.0)
        with pytest.raises(TransportError, match="its host, gpu, has not answered"):
            tap.read()
