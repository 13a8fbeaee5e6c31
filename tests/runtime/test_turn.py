"""A loop's turn in the compiled kernel against the Python that it speeds up: the same loops leave the same behind."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rena_graph import kernel
from rena_graph.errors import OutputRefused
from rena_graph.graph.document import InputDef, NodeDef
from rena_graph.runtime.clock import SystemClock
from rena_graph.runtime.node.loop import NodeLoop, release_edges
from rena_graph.runtime.node.pacer import ClockPacer, DataPacer
from rena_graph.runtime.node.parts import NodeParts
from rena_graph.runtime.setup import InputSetup, NodeSetup, OutputSetup
from rena_graph.script import RenaScript
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport import fast
from rena_graph.transport.board import Board, NodeColumn
from rena_graph.transport.geometry import RECORD_BYTES
from rena_graph.transport.interface import EdgeOptions, StreamPort
from rena_graph.transport.links import create_stream, open_writer, remove_stream

pytestmark = pytest.mark.skipif(not fast.usable, reason=f"needs a C compiler: {kernel.missing}")
CHANNELS, CAPACITY, RATE = 64, 16, 100.0
COUNTED = [
    NodeColumn.LOOPS, NodeColumn.SKIPPED, NodeColumn.EXCEPTIONS, NodeColumn.BAD_OUTPUTS, NodeColumn.DISCARDED,
    NodeColumn.COMMITS, NodeColumn.LOOP_STARTED_NS,
]  # fmt: skip
"""What does not depend on how long a loop took."""


class Doing(RenaScript):
    """Does with its inputs and outputs what it is told to, and notes what it saw."""

    world: World
    what = "pass"

    def loop(self) -> None:
        self.seen = [(name, *(part.tobytes() for part in pair)) for name, pair in self.inputs.buffer.items()]
        self.count = self.loop_info.number, self.loop_info.started, self.loop_info.previous
        data = self.inputs.new("In")[0] if "In" in self.inputs else np.empty((0, CHANNELS))
        match self.what:
            case "pass" if len(data):
                self.outputs["Out"] = data
            case "list":
                self.outputs["Out"] = [1.0] * CHANNELS
            case "bad":
                self.outputs["Out"] = [1.0, 2.0]
            case "unknown":
                self.outputs["Uot"] = data
            case "clear":
                self.inputs.clear_buffer()
            case "lapped":
                self.outputs["Out"] = [2.0] * CHANNELS
                self.world.feed(CAPACITY)
            case "fail":
                self.outputs["Out"] = [3.0] * CHANNELS
                raise ValueError("as it was told")


class World:
    """A node between two streams."""

    def __init__(self, folder: Path, compiled: bool, access: Any, trigger: Any, on_nan: Any) -> None:
        self.board = Board.create(folder / f"{compiled}.board", streams=2, edges=1, nodes=1)
        self.ports = [
            StreamPort(
                StreamSpec(name, CHANNELS, "float64", RATE), "ring", str(folder / f"{compiled}{name}"), CAPACITY, i, e
            )
            for i, (name, e) in enumerate([("In", (0,)), ("Out", ())])
        ]
        for port in self.ports:
            create_stream(port)
        self.writer = open_writer(self.ports[0], self.board, 0)
        given = InputDef(stream="In", access=access, on_nan=on_nan)
        definition = NodeDef(script="s.py", trigger=trigger, run_frequency=RATE, buffer_duration=0.05, inputs=[given])
        setup = NodeSetup(
            run="r", graph="g", name="n", epoch=0, index=0, script="s.py", folder=str(folder), definition=definition,
            inputs=(InputSetup(self.ports[0], EdgeOptions(0), given, None, self.ports[0].spec),),
            outputs=(OutputSetup("Out", self.ports[1]),), board="", commands="", events="", console="", runtime_dir="",
        )  # fmt: skip
        self.parts = NodeParts(setup, Doing, self.board, SystemClock())
        self.script = self.parts.script
        assert isinstance(self.script, Doing)
        self.script.world = self
        self.said: list[str] = []
        self.fed = 0
        self.loop: NodeLoop = self.parts.loop(self, lambda: None)
        self.loop._pacer = ClockPacer(RATE, 1000.0) if trigger == "clock" else DataPacer(RATE)
        assert self.loop._turn is not None
        if not compiled:
            self.loop._turn = None

    def feed(self, count: int) -> None:
        """The next samples come, of which every seventh is not finite."""
        numbers = np.arange(self.fed, self.fed + count, dtype=np.float64)
        data = np.repeat(np.where(numbers % 7 == 6, np.nan, numbers)[:, None], CHANNELS, axis=1)
        self.writer.publish(data, 1000.0 + numbers / RATE, 999.0)
        self.fed += count

    def step(self, now: float, what: str) -> None:
        assert isinstance(self.script, Doing)
        self.script.what = what
        self.loop._one_loop(now, self.loop._now_ns())

    def loop_failed(self, error: BaseException, loops: int) -> bool:
        self.said.append(f"{error} {loops}")
        return True

    def output_refused(self, error: OutputRefused) -> None:
        self.said.append(str(error))

    def not_finite(self, text: str, *, fails: bool) -> None:
        self.said.append(text)

    def left_behind(self) -> list[Any]:
        """All that others see, but for what depends on how long things took."""
        node = self.board.node(0)
        records = self.parts.writers[0]._segment.records  # type: ignore[attr-defined]
        made = [
            bytes(records[at : at + 16]) + bytes(records[at + 24 : at + RECORD_BYTES])
            for at in range(0, len(records), RECORD_BYTES)
        ]
        out = self.board.stream(1).ints.tolist()
        counted = [node.ints[column] for column in COUNTED]
        counts = [sum(node.histogram(k)) for k in range(5)] + list(node.histogram(1)) + list(node.histogram(2))
        feed = self.parts.feeds[0]
        data = self.parts.writers[0]._segment.data.tobytes()  # type: ignore[attr-defined]
        held = feed.newest_timestamp, feed.port.pair is None, dict(self.parts.outputs), self.loop._pacer.deadline
        script = getattr(self.script, "seen", None), getattr(self.script, "count", None)
        return [
            self.board.edge(0).ints.tolist(), out[:4], counted, counts, made, data, held, script, self.said,
            node.floats[NodeColumn.AGE],
        ]  # fmt: skip

    def close(self) -> None:
        release_edges(self.parts.feeds)
        self.parts.close()
        self.writer.close()
        for port in self.ports:
            remove_stream(port)
        self.board.close()


whats = st.sampled_from(["pass", "pass", "nothing", "list", "bad", "unknown", "clear", "lapped", "fail"])


@given(
    access=st.sampled_from(["copy", "view"]),
    trigger=st.sampled_from(["data", "clock"]),
    on_nan=st.sampled_from(["pass", "drop"]),
    steps=st.lists(st.tuples(st.integers(0, 8), st.floats(0.0, 0.05), whats, st.booleans()), max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_loops_leave_the_same_behind(
    access: str, trigger: str, on_nan: str, steps: list[tuple[int, float, str, bool]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        on_nan = "pass" if access == "view" else on_nan
        worlds = [World(Path(folder), compiled, access, trigger, on_nan) for compiled in (False, True)]
        now = 1000.0
        for count, later, what, paused in steps:
            now += later
            for world in worlds:
                world.loop.paused = paused
                if count:
                    world.feed(count)
                world.step(now, what)
            one, other = (world.left_behind() for world in worlds)
            np.testing.assert_equal(one, other)
        for world in worlds:
            world.close()


def test_a_turn_is_due_with_its_data_and_not_before_its_time(tmp_path: Path) -> None:
    world = World(tmp_path, True, "copy", "data", "pass")
    turn, readers = world.loop._turn, world.loop._trigger.readers
    assert turn is not None
    assert turn.due(world.loop._pacer, readers) is None  # the first wait for data returns at once
    world.feed(1)
    due = turn.due(world.loop._pacer, readers)
    assert due is not None
    assert world.board.node(0).ints[NodeColumn.BEAT_NS] == due[1]
    world.loop._pacer.deadline = math.inf
    world.parts.waiter.doorbell.ring()
    assert turn.due(world.loop._pacer, readers) is None
    world.close()
