"""Taps: they see what flows, and nobody on the stream can tell that they are there."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rena_graph.errors import TransportError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import EdgeColumn
from rena_graph.transport.mapping import map_segment
from rena_graph.transport.tap import RingTap, Seen, Tap, open_tap

from .stage import Stage, numbered, stamps, until


def seen_until(tap: Tap, total: int) -> list[Seen]:
    looks: list[Seen] = []

    def enough() -> bool:
        looks.append(tap.read())
        return sum(len(look.timestamps) + look.missed for look in looks) >= total

    until(enough)
    return looks


def test_a_tap_sees_every_sample_once_and_in_order_with_its_chunks(stage: Stage) -> None:
    port = stage.port()
    writer, _ = stage.pair(port)
    sent = 0

    def publish(count: int = 5) -> None:
        nonlocal sent
        writer.publish(numbered(sent, count), stamps(sent, count))
        sent += count

    with open_tap(port) as tap:
        until(lambda: _published_and_seen(publish, tap))
        seen_until(tap, 0)
        until(lambda: not len(tap.read().timestamps))
        begin = sent
        for _ in range(20):
            publish()
        looks = seen_until(tap, sent - begin)
        data = np.concatenate([look.data for look in looks])[:, 0]
        chunks = [chunk for look in looks for chunk in look.chunks]
        assert data.tolist()[-100:] == list(range(begin, sent))
        np.testing.assert_array_equal(np.concatenate([look.timestamps for look in looks])[-100:], stamps(begin, 100))
        assert [chunk.count for chunk in chunks[-20:]] == [5] * 20
        assert all(a.published <= b.published for a, b in pairwise(chunks))
        assert not tap.ended
        writer.close()
        until(lambda: len(tap.read().timestamps) == 0 and tap.ended)


def _published_and_seen(publish: Callable[[], object], tap: Tap) -> bool:
    publish()
    return len(tap.read().timestamps) > 0


def test_nobody_can_tell_that_a_tap_is_there(stage: Stage) -> None:
    port = stage.port()
    writer, reader = stage.pair(port)
    before = stage.path.read_bytes()
    with open_tap(port) as tap:
        assert stage.path.read_bytes() == before
        if stage.transport == "ring":
            head = Path(port.address).read_bytes()
            tap.read()
            assert Path(port.address).read_bytes() == head
        writer.publish(numbered(0, 10), stamps(0, 10))
        stage.settle(reader, 10)
        assert stage.edge(EdgeColumn.DELIVERED) == 0
        assert reader.pending() == 10


def test_a_blocking_writer_does_not_wait_for_a_tap(stage: Stage) -> None:
    port = stage.port(capacity=64)
    writer, reader = stage.pair(port, "block")
    with open_tap(port):  # which never looks
        for first in range(0, 640, 16):
            writer.publish(numbered(first, 16), stamps(first, 16))
            stage.settle(reader, first + 16)
            reader.peek()
            assert reader.commit(16)
    assert stage.dropped() == {}


def test_a_tap_on_a_ring_cannot_write_there(ring_stage: Stage) -> None:
    port = ring_stage.port()
    segment = map_segment(Path(port.address), port.spec, port.capacity, writable=False, header_writable=False)
    with pytest.raises(TypeError, match="read-only"):
        segment.words[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        segment.data[0] = 1


def test_what_went_by_is_counted(ring_stage: Stage) -> None:
    port = ring_stage.port(capacity=64)
    writer = ring_stage.writer(port)
    with RingTap(port) as tap:
        for first in range(0, 1000, 10):
            writer.publish(numbered(first, 10), stamps(first, 10))
        seen = tap.read()
        assert 0 < len(seen.timestamps) < 1000
        assert seen.missed + len(seen.timestamps) == 1000
        assert seen.data[-1, 0] == 999
        assert tap.read().missed == 0


def test_what_is_there_already_can_be_seen_too(ring_stage: Stage) -> None:
    port = ring_stage.port(capacity=1024)
    writer = ring_stage.writer(port)
    writer.publish(numbered(0, 100), stamps(0, 100))
    with RingTap(port, newest=3) as tap, RingTap(port, newest=10_000) as all_of_it:
        assert tap.read().data[:, 0].tolist() == [97, 98, 99]
        assert len(all_of_it.read(limit=40).data) == 40
        assert len(all_of_it.read().data) == 60


def test_text(stage: Stage) -> None:
    port = stage.port(StreamSpec("markers", 1, "string"))
    writer = stage.writer(port)
    text = np.array([["größe"], ["µ"]], object)
    with open_tap(port) as tap:
        seen: list[Seen] = []

        def arrived() -> bool:
            writer.publish(text, stamps(0, 2))
            seen.append(tap.read())
            return len(seen[-1].data) > 0

        until(arrived)
        assert seen[-1].data[:2, 0].tolist() == ["größe", "µ"]


def test_a_successor_s_samples_are_seen_too(stage: Stage) -> None:
    port = stage.port()
    first = stage.writer(port)
    with open_tap(port) as tap:
        until(lambda: _published_and_seen(lambda: first.publish(numbered(0, 1), stamps(0, 1)), tap))
        first.close()
        second = stage.writer(port, epoch=1)

        def successor_seen() -> bool:
            second.publish(numbered(7, 1), stamps(7, 1))
            # What the first one published, and its end, may still be on the way.
            return 7 in tap.read().data

        until(successor_seen)
        assert not tap.ended


def test_a_stream_that_is_not_there_is_refused(ring_stage: Stage) -> None:
    port = ring_stage.port()
    Path(port.address).unlink()
    with pytest.raises(TransportError, match="cannot open the segment"):
        open_tap(port)
    Path(port.address).touch()
