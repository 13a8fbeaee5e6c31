"""What a loop does between data and data is counted, not timed: it is the same whatever the buffers and the readers."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

import rena_graph
from rena_graph.errors import OutputRefused
from rena_graph.graph.document import InputDef, NodeDef
from rena_graph.runtime.clock import SystemClock
from rena_graph.runtime.node.loop import NodeLoop, release_edges
from rena_graph.runtime.node.pacer import ClockPacer
from rena_graph.runtime.node.parts import NodeParts
from rena_graph.runtime.setup import InputSetup, NodeSetup, OutputSetup
from rena_graph.script import RenaScript
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport import fast
from rena_graph.transport.board import Board, EdgeColumn, NodeColumn, StreamColumn
from rena_graph.transport.interface import EdgeOptions, StreamPort
from rena_graph.transport.links import create_stream, remove_stream

CALLS_OUT, CALLS_IN = (3, 5) if fast.usable else (24, 33)
"""Python functions that a loop of a producer and of a consumer may call: each costs microseconds after a sleep."""
SAMPLES, CHANNELS, RATE = 10, 32, 1000.0


class Producer(RenaScript):
    def init(self) -> None:
        self.message = np.zeros((SAMPLES, CHANNELS))

    def loop(self) -> None:
        self.outputs["X"] = self.message


class Consumer(RenaScript):
    def loop(self) -> None:
        self.data, self.stamps = self.inputs["X"]


class Loud:
    def loop_failed(self, error: BaseException, loops: int) -> bool:
        raise error

    def output_refused(self, error: OutputRefused) -> None:
        raise error

    def not_finite(self, text: str, *, fails: bool) -> None:
        raise AssertionError(text)


class Hop:
    """A producer and its consumers on a real ring and board, in this process."""

    def __init__(self, folder: Path, window: float, readers: int) -> None:
        self.board = Board.create(folder / "board", streams=1, edges=readers, nodes=1 + readers)
        spec = StreamSpec("X", CHANNELS, "float64", RATE)
        capacity = int(RATE * (window + 1))
        self.port = StreamPort(spec, "ring", str(folder / "ring"), capacity, 0, tuple(range(readers)))
        create_stream(self.port)
        self.clock = SystemClock()
        self.folder = folder
        edges = [self._edge(i) for i in range(readers)]
        self.consumers = [self._parts(1 + i, Consumer, window, (edge,), ()) for i, edge in enumerate(edges)]
        self.producer = self._parts(0, Producer, window, (), (OutputSetup("X", self.port),))
        self.producer.script.init()
        self.out = self.producer.loop(Loud(), lambda: None)
        self.out._pacer = ClockPacer(100.0, self.clock.now())  # as run() begins
        self.into = [parts.loop(Loud(), lambda: None) for parts in self.consumers]

    def _edge(self, index: int) -> InputSetup:
        return InputSetup(self.port, EdgeOptions(index), InputDef(stream="X"), None, self.port.spec)

    def _parts(
        self,
        index: int,
        script: type[RenaScript],
        window: float,
        inputs: tuple[InputSetup, ...],
        outputs: tuple[OutputSetup, ...],
    ) -> NodeParts:
        definition = NodeDef(
            script="s.py", trigger="data" if inputs else "clock", run_frequency=100, buffer_duration=window,
            inputs=[edge.definition for edge in inputs],
        )  # fmt: skip
        setup = NodeSetup(
            run="r", graph="g", name=f"n{index}", epoch=0, index=index, script="s.py", folder=str(self.folder),
            definition=definition, inputs=inputs, outputs=outputs, board="", commands="", events="", console="",
            runtime_dir="",
        )  # fmt: skip
        return NodeParts(setup, script, self.board, self.clock)

    def step(self, loop: NodeLoop) -> None:
        """One loop, as the node's own loop makes it once it is due."""
        loop._one_loop(self.clock.now(), self.clock.now_ns())

    def close(self) -> None:
        for parts in (self.producer, *self.consumers):
            release_edges(parts.feeds)
            parts.close()
        remove_stream(self.port)


@contextmanager
def hop(folder: Path, window: float = 1.0, readers: int = 1) -> Iterator[Hop]:
    folder.mkdir()
    made = Hop(folder, window, readers)
    for _ in range(int(RATE * (window + 2)) // SAMPLES):  # the ring is full, and so are the windows
        made.step(made.out)
        for loop in made.into:
            made.step(loop)
    yield made
    made.close()


def calls_of(work: Callable[[], None]) -> tuple[int, int]:
    """Python functions and C functions that `work` calls."""
    counted: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        counted[event] += 1

    before = sys.getprofile()
    gc.disable()  # who looks after collections, as Hypothesis does, is called in the middle of whatever runs then
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return counted["call"] - 1, counted["c_call"]  # `work` itself is not counted, nor is the end of the profiling


def usual(loop: NodeLoop, made: Hop, other: Callable[[], None]) -> tuple[int, int]:
    """What most loops call: now and then a window moves to another array."""
    seen: Counter[tuple[int, int]] = Counter()
    for _ in range(20):
        other()
        seen[calls_of(lambda: made.step(loop))] += 1
    return seen.most_common(1)[0][0]


def test_a_loop_s_calls_do_not_depend_on_the_length_of_the_window(tmp_path: Path) -> None:
    counts = []
    for window in (0.1, 1.0, 20.0):
        with hop(tmp_path / str(window), window) as made:
            into = made.into[0]
            counts.append(usual(into, made, lambda made=made: made.step(made.out)))  # type: ignore[misc]
    assert len(set(counts)) == 1, counts
    assert counts[0][0] <= CALLS_IN


def test_a_producer_s_calls_do_not_depend_on_its_readers(tmp_path: Path) -> None:
    counts = []
    for readers in (1, 2, 8):
        with hop(tmp_path / str(readers), 1.0, readers) as made:

            def take(made: Hop = made) -> None:
                for loop in made.into:
                    made.step(loop)

            counts.append(usual(made.out, made, take))
    assert len(set(counts)) == 1, counts
    assert counts[0][0] <= CALLS_OUT


@pytest.mark.parametrize("readers", [1, 3])
def test_loops_leave_nothing_behind_in_memory(readers: int, tmp_path: Path) -> None:
    with hop(tmp_path / "h", 0.1, readers) as made:
        # Two laps of the windows' arrays before each look, so that both looks find the same ones.
        def laps(count: int) -> None:
            for _ in range(count * 20):
                made.step(made.out)
                for loop in made.into:
                    made.step(loop)

        grown = []
        tracemalloc.start()
        try:
            laps(3)
            for _ in range(3):
                before = held_by_our_code()
                laps(30)
                grown.append(held_by_our_code() - before)
        finally:
            tracemalloc.stop()
        # What leaks does so in each of the three; what is made once, and looks like it, in one of them.
        assert min(grown) < 4096, f"{grown} bytes more after 600 loops each"


def held_by_our_code() -> int:
    """Bytes that the package's lines hold: Ray's threads, and what other tests left, take memory too."""
    gc.collect()
    ours = tracemalloc.Filter(True, str(Path(rena_graph.__file__).parent / "*"))
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([ours]).traces)


def test_stamps_that_had_to_catch_up_with_the_clock_are_counted_on_the_board(tmp_path: Path) -> None:
    with hop(tmp_path / "h") as made:
        row = made.board.stream(0).ints
        before = row[StreamColumn.REANCHORED]
        made.producer.outputs.go_on({"X": made.clock.now() - 1.0})
        for _ in range(2):
            made.step(made.out)
        assert row[StreamColumn.REANCHORED] == before + 1
        made.producer.outputs.go_on({"X": made.clock.now()})
        made.step(made.out)
        assert row[StreamColumn.REANCHORED] == before + 1


def test_what_is_counted_after_the_outputs_are_out_is_counted(tmp_path: Path) -> None:
    with hop(tmp_path / "h") as made:
        edge = made.board.edge(0).ints
        commits = made.board.node(1).ints
        before, committed = edge[EdgeColumn.DELIVERED], commits[NodeColumn.COMMITS]
        made.step(made.out)
        made.step(made.into[0])
        assert edge[EdgeColumn.DELIVERED] == before + SAMPLES
        assert edge[EdgeColumn.POSITION] == made.out._giving.writers[0]._sequence  # type: ignore[attr-defined]
        assert commits[NodeColumn.COMMITS] == committed + 1
        assert made.board.edge(0).floats[EdgeColumn.LAST_TIMESTAMP] == made.consumers[0].script.inputs["X"][1][-1]
