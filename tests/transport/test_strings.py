"""Streams of text over both transports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rena_graph.errors import OutputRefused, UsageError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import StreamColumn

from .stage import Stage, stamps, take, until

MARKERS = StreamSpec("markers", 1, "string")


def _texts(*rows: Sequence[object]) -> NDArray[Any]:
    array = np.empty((len(rows), len(rows[0])), object)
    for i, row in enumerate(rows):
        array[i] = row
    return array


def test_text_arrives_as_it_was_sent(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port(StreamSpec("s", 2, "string")))
    rows: list[list[object]] = [["", "a"], ["größe µ ∞", "\x00null\x00"], ["🧠" * 50, "\udc80 alone"], ["", ""]]
    assert writer.publish(_texts(*rows), stamps(0, 4)) == 0
    stage.settle(reader, 4)
    data, times = reader.peek()
    assert data.dtype == object
    assert data.tolist() == rows
    assert {type(value) for value in data.ravel()} == {str}
    np.testing.assert_array_equal(times, stamps(0, 4))
    assert reader.commit(4)
    assert reader.window(2)[0].tolist() == rows[2:]
    assert stage.balanced()


def test_any_text_in_any_chunks(ring_stage: Stage) -> None:
    writer, reader = ring_stage.pair(ring_stage.port(MARKERS, 64))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.lists(st.text(st.characters(), max_size=30), min_size=1, max_size=40), max_size=8))
    def check(chunks: list[list[str]]) -> None:
        for chunk in chunks:
            assert writer.publish(_texts(*([value] for value in chunk)), stamps(0, len(chunk))) == reader.position
            assert take(reader)[0].ravel().tolist() == chunk

    check()


def test_the_heap_wraps_without_harm(stage: Stage) -> None:
    """Ten times what the heap holds passes through it."""
    writer, reader = stage.pair(stage.port(MARKERS, 64))
    for i in range(0, 1200, 3):
        rows: list[list[object]] = [[f"{j}:" + "x" * (9000 + j)] for j in range(i, i + 3)]
        writer.publish(_texts(*rows), stamps(i, 3))
        stage.settle(reader, i + 3)
        assert take(reader)[0].tolist() == rows
    assert stage.dropped() == {}


def test_text_that_was_overwritten_is_an_overrun(ring_stage: Stage) -> None:
    stage = ring_stage
    writer, reader = stage.pair(stage.port(MARKERS, 64))
    text = "y" * 100_000
    for i in range(25):
        writer.publish(_texts([f"{i}{text}"]), stamps(i, 1))
    # The slots of all 25 are whole, the text of the first ones is not.
    data, _ = take(reader)
    assert 0 < len(data) < 25
    assert data.ravel().tolist() == [f"{i}{text}" for i in range(25 - len(data), 25)]
    assert stage.dropped() == {"overrun": 25 - len(data)}
    assert stage.balanced()


def test_a_commit_notices_that_text_was_overwritten_meanwhile(ring_stage: Stage) -> None:
    stage = ring_stage
    writer, reader = stage.pair(stage.port(MARKERS, 64))
    writer.publish(_texts(["old"]), stamps(0, 1))
    assert reader.pending() == 1
    assert reader.peek()[0].tolist() == [["old"]]
    for i in range(1, 12):
        writer.publish(_texts(["z" * 100_000]), stamps(i, 1))
    assert not reader.commit(1)
    assert not reader.intact(0)
    assert "old" not in take(reader)[0].ravel()
    assert stage.balanced()


def test_peek_recovers_when_it_was_overtaken(ring_stage: Stage) -> None:
    stage = ring_stage
    writer, reader = stage.pair(stage.port(MARKERS, 64))
    writer.publish(_texts(["old"]), stamps(0, 1))
    assert reader.pending() == 1
    for i in range(1, 301):
        writer.publish(_texts([f"{i}"]), stamps(i, 1))
    data, times = reader.peek()
    assert len(data) > 0
    assert data.ravel().tolist() == [f"{i}" for i in range(301 - len(data), 301)]
    assert reader.commit(len(times))
    assert stage.balanced()


def test_too_long_a_text_is_refused_with_figures(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port(MARKERS, 64))
    with pytest.raises(OutputRefused, match=r"'markers': a sample has 600,000 bytes of text, at most 524,288 fit"):
        writer.publish(_texts(["fine"], ["w" * 600_000]), stamps(0, 2))
    assert stage.stream(StreamColumn.PRODUCED) == 0
    writer.publish(_texts(["w" * 524_288]), stamps(0, 1))
    stage.settle(reader, 1)
    assert len(take(reader)[0][0, 0]) == 524_288


def test_a_large_chunk_of_text_goes_in_pieces(stage: Stage) -> None:
    writer, reader = stage.pair(stage.port(MARKERS, 1024))
    rows: list[list[object]] = [[f"{i}" + "v" * 50_000] for i in range(15)]
    writer.publish(_texts(*rows), stamps(0, 15))
    until(lambda: reader.pending() == 15)
    assert take(reader)[0].tolist() == rows
    assert stage.stream(StreamColumn.CHUNKS) > 1


@pytest.mark.parametrize("value", [b"bytes", 1, None, 2.5, ["list"]])
def test_what_is_no_text_is_refused(stage: Stage, value: object) -> None:
    writer = stage.writer(stage.port(MARKERS))
    with pytest.raises(UsageError, match=f"'markers' carries text, got {type(value).__name__}"):
        writer.publish(_texts(["fine"], [value]), stamps(0, 2))
    assert stage.stream(StreamColumn.PRODUCED) == 0


def test_numbers_are_no_text(stage: Stage) -> None:
    writer = stage.writer(stage.port(MARKERS))
    with pytest.raises(UsageError, match="dtype object"):
        writer.publish(np.zeros((1, 1)), stamps(0, 1))


def test_nothing_to_take_is_an_empty_array(stage: Stage) -> None:
    _, reader = stage.pair(stage.port(StreamSpec("s", 3, "string")))
    data, times = reader.peek()
    assert (data.shape, data.dtype, times.shape) == ((0, 3), np.dtype(object), (0,))
    assert reader.window(5)[0].shape == (0, 3)
