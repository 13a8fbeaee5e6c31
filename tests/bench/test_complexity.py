"""What must not grow with the data is counted, not timed: functions called and bytes allocated, by length and width."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rena_graph.bridges.lsl_sink import LslSinkBridge
from rena_graph.bridges.timeline import Timeline
from rena_graph.bridges.zmq_wire import SampleCodec
from rena_graph.graph.document import LslSink
from rena_graph.streams.spec import StreamSpec
from rena_graph.testing.memory import memory_row
from rena_graph.transport.board import Board
from rena_graph.transport.crossing.messages import Data, pack, unpack
from rena_graph.transport.interface import ChunkInfo, EdgeOptions, StreamPort
from rena_graph.transport.links import create_stream, open_reader, open_writer, remove_stream
from rena_graph.transport.wire import Codec
from tests.bench import test_hot_path as hot_path
from tests.bench.test_hot_path import calls_of, hop, usual


def same(counts: list[Any]) -> bool:
    return len(set(counts)) == 1


# -- a node ------------------------------------------------------------------------------------------
def test_a_loop_allocates_nothing_that_depends_on_the_length_of_the_window(tmp_path: Path) -> None:
    most = []
    for window in (0.1, 1.0, 20.0):
        with hop(tmp_path / str(window), window) as made:
            peaks = []
            tracemalloc.start()
            try:
                for _ in range(20):
                    made.step(made.out)
                    before, _ = tracemalloc.get_traced_memory()
                    tracemalloc.reset_peak()
                    made.step(made.into[0])
                    peaks.append(tracemalloc.get_traced_memory()[1] - before)
            finally:
                tracemalloc.stop()
            # The least of them: another thread of this process may allocate meanwhile, but not in every loop.
            most.append(min(peaks))
    # A window of 20 s has 5 MB; a copy of it, or of any part that grows with it, would show.
    assert max(most) < 16_384, most


@pytest.mark.parametrize("side", ["producer", "consumer"])
def test_a_loop_s_calls_do_not_depend_on_the_number_of_channels(
    side: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for channels in (1, 32, 4096):
        monkeypatch.setattr(hot_path, "CHANNELS", channels)
        with hop(tmp_path / str(channels), 0.2) as made:
            first, second = (made.into[0], made.out) if side == "consumer" else (made.out, made.into[0])
            counts.append(usual(first, made, lambda made=made, second=second: made.step(second)))  # type: ignore[misc]
    assert same(counts), counts


def test_a_consumer_s_calls_do_not_depend_on_the_other_readers(tmp_path: Path) -> None:
    counts = []
    for readers in (1, 2, 8):
        with hop(tmp_path / str(readers), 1.0, readers) as made:

            def others(made: Any = made) -> None:
                made.step(made.out)
                for loop in made.into[1:]:
                    made.step(loop)

            counts.append(usual(made.into[0], made, others))
    assert same(counts), counts


# -- the ring ----------------------------------------------------------------------------------------
def test_ring_and_reader_call_the_same_whatever_they_hold_and_however_much_comes(tmp_path: Path) -> None:
    counts = [carried(tmp_path / str(k), *each) for k, each in enumerate([(1000, 10), (50_000, 10), (50_000, 1000)])]
    assert same(counts), counts


def carried(folder: Path, capacity: int, samples: int) -> tuple[int, int]:
    """Calls that a chunk takes through a ring which is full, so that room must be made."""
    folder.mkdir()
    spec = StreamSpec("S", 4, "float32", 1000.0)
    port = StreamPort(spec, "ring", str(folder / "ring"), capacity, 0, (0,))
    create_stream(port)
    try:
        with Board.create(folder / "board", streams=1, edges=1, nodes=0) as board:
            writer, reader = open_writer(port, board, 0), open_reader(port, EdgeOptions(0), board)
            data, stamps = np.zeros((samples, 4), np.float32), np.arange(float(samples))

            def carry() -> None:
                writer.publish(data, stamps)
                reader.peek(reader.pending())
                reader.commit(samples)

            for _ in range(2 * capacity // samples + 2):
                carry()
            # Now and then it looks anew how far readers are.
            counted = Counter(calls_of(carry) for _ in range(20)).most_common(1)[0][0]
            reader.close()
            writer.close()
    finally:
        remove_stream(port)
    return counted


# -- bridges and links -------------------------------------------------------------------------------
def calls_by_size(work: Callable[[int], Callable[[], None]], sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    counts = []
    for size in sizes:
        once = work(size)
        once()
        counts.append(calls_of(once))
    return counts


def test_a_long_chunk_s_stamps_are_cleaned_with_as_many_calls_as_a_longer_one_s() -> None:
    def work(size: int) -> Callable[[], None]:
        timeline, row = Timeline(1000.0), memory_row()
        at = [1000.0]

        def once() -> None:
            stamps = at[0] + np.arange(size) / 1000.0
            timeline.clean(stamps, at[0] + size / 1000.0, row)
            at[0] += size / 1000.0

        return once

    assert same(calls_by_size(work, (200, 2000, 20_000)))
    # A few are looked at one by one, in two functions.
    assert same([python for python, _ in calls_by_size(work, (2, 20, 100))])


def test_an_lsl_sink_s_calls_do_not_depend_on_samples_and_channels() -> None:
    def work(size: int) -> Callable[[], None]:
        bridge = LslSinkBridge(StreamSpec("S", size, "float32", 100.0), LslSink(), lambda: 1.0, graph="g")
        bridge._outlet = SimpleNamespace(push_chunk=lambda data, stamps: None, have_consumers=lambda: False)
        bridge._pylsl = SimpleNamespace(local_clock=lambda: 1.0)
        data, stamps = np.zeros((size, size), np.float32), np.arange(float(size))
        return lambda: bridge.send(data, stamps)

    assert same(calls_by_size(work, (1, 30, 1000)))


def test_zmq_samples_cost_the_same_each_whatever_their_number_and_width() -> None:
    def work(samples: int, channels: int) -> int:
        codec = SampleCodec(StreamSpec("S", channels, "float32", 100.0), "S")
        data, stamps = np.zeros((samples, channels), np.float32), [0.0] * samples
        return sum(calls_of(lambda: sum(len(part) for _, _, part in codec.encode(data, stamps))))  # type: ignore[arg-type]

    few, many, wide = work(10, 8), work(100, 8), work(100, 1000)
    assert many == wide
    assert (many - few) % 90 == 0
    assert (many - few) / 90 <= 5


def test_a_link_s_calls_do_not_depend_on_what_a_message_holds() -> None:
    def work(size: int) -> Callable[[], None]:
        spec = StreamSpec("S", size, "float32", 100.0)
        codec = Codec(spec)
        data, stamps = np.zeros((size, size), np.float32), np.arange(float(size))
        info = ChunkInfo(0, size, 0.0, 0.0, 0)

        def once() -> None:
            frames = [pack(Data("S", 1, 0)), *codec.encode(info, data, stamps)]
            unpack(frames)
            codec.decode([bytes(frames[1]), *(memoryview(frame).cast("B") for frame in frames[2:])])

        return once

    assert same(calls_by_size(work, (1, 30, 1000)))
