"""The node loop alone: a clock that the test owns, and parts that do as they are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rena_graph.errors import OutputRefused
from rena_graph.graph.document import NodeDef
from rena_graph.runtime.node.loop import NodeLoop
from rena_graph.script import RenaScript, ScriptContext
from rena_graph.streams.finite import OnNan
from rena_graph.streams.inputs import Inputs
from rena_graph.streams.outputs import OutputPort, Outputs
from rena_graph.streams.params import Params
from rena_graph.streams.spec import StreamSpec
from rena_graph.testing import FakeClock
from rena_graph.transport.board import Board, NodeColumn


class Counting(RenaScript):
    """Sends its loop's number, and fails or takes long where it is told to."""

    seconds: dict[int, float]
    fails: set[int]
    gives: dict[int, float]

    def init(self) -> None:
        self.count = 0
        self.seconds = {}
        self.fails = set()
        self.gives = {}
        self.clock: Any = None

    def loop(self) -> None:
        self.count += 1
        self.outputs["n"] = self.gives.get(self.count, float(self.count))
        self.clock.advance(self.seconds.get(self.count, 0.001))
        if self.count in self.fails:
            raise ValueError(f"loop {self.count}")


class Bench:
    """A node loop with everything around it in the test's hand."""

    def __init__(self, tmp_path: Path, on_nan: OnNan = "pass", **definition: Any) -> None:
        self.clock = FakeClock(1000.0)
        self.board = Board.create(tmp_path / "board", streams=1, edges=0, nodes=1)
        self.row = self.board.node(0)
        self.stream = self.board.stream(0)
        self.left_out: list[tuple[str, bool]] = []
        self.outputs = Outputs([OutputPort("n", StreamSpec("n", 1, "float32"), on_nan)], node="x")
        context = ScriptContext(Inputs([]), self.outputs, Params(), self.clock.now)
        self.script = Counting(context=context)
        self.script.init()
        self.script.clock = self.clock
        self.sent: list[float] = []
        self.refusing: set[float] = set()
        self.refused: list[OutputRefused] = []
        self.errors: list[BaseException] = []
        self.go_on = True
        self.until = 0
        self.waits = 0
        self.orders: dict[int, list[Callable[[], None]]] = {}
        """What is asked of the loop, by the number of loops after which."""
        self.loop = NodeLoop(
            script=self.script,
            definition=NodeDef.model_validate({"script": "x.py", "run_frequency": 10, **definition}),
            inputs=self.script.inputs,
            feeds=[],
            outputs=self.outputs,
            streams=[self.stream],
            writers=[self],  # type: ignore[list-item]  # it has publish(), which is all that is used
            waiter=self,  # type: ignore[arg-type]  # likewise wait()
            row=self.row,
            clock=self.clock,
            report=self,
            before_loop=self._before,
        )

    def _before(self) -> None:
        for order in self.orders.pop(self.script.count, ()):
            order()
        if self.script.count >= self.until or self.waits > 100:
            self.loop.stopped = True

    def publish(self, data: Any, stamps: Any, origin: float) -> int:
        if data[0, 0] in self.refusing:
            raise OutputRefused("too long")
        self.sent.append(float(data[0, 0]))
        return 0

    def wait(self, deadline: float, on_data: bool) -> None:
        self.waits += 1
        self.clock.advance_to(deadline)

    def loop_failed(self, error: BaseException, loops: int) -> bool:
        self.errors.append(error)
        return self.go_on

    def output_refused(self, error: OutputRefused) -> None:
        self.refused.append(error)

    def not_finite(self, text: str, *, fails: bool) -> None:
        self.left_out.append((text, fails))

    def run(self, loops: int, origin: float | None = None, phase: float = 0.0) -> None:
        self.until = loops
        self.loop.stopped = False
        self.loop.run(self.clock.now(), origin, phase)

    def counter(self, column: NodeColumn) -> int:
        return int(self.row.ints[column])


def test_loops_come_on_the_grid_and_are_counted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(11)
    assert bench.sent == list(range(1, 12))
    assert np.isclose(bench.clock.now(), 1001.001)
    assert bench.counter(NodeColumn.LOOPS) == 11
    assert bench.counter(NodeColumn.SKIPPED) == 0
    assert bench.counter(NodeColumn.LOOP_NS) == 11 * 1_000_000


def test_a_long_loop_is_an_overrun_and_its_ticks_are_skipped(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.script.seconds[2] = 0.55
    bench.run(4)
    assert bench.counter(NodeColumn.OVERRUNS) == 1
    assert bench.counter(NodeColumn.SKIPPED) == 4
    assert bench.counter(NodeColumn.LOOP_NS_MAX) == 550_000_000


def test_what_was_set_before_an_error_is_sent_and_the_loop_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.script.fails = {2}
    bench.run(3)
    assert bench.sent == [1.0, 2.0, 3.0]
    assert [str(e) for e in bench.errors] == ["loop 2"]
    assert bench.counter(NodeColumn.EXCEPTIONS) == 1


def test_an_error_may_end_the_node(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.script.fails = {2}
    bench.go_on = False
    bench.run(10)
    assert bench.sent == [1.0, 2.0]


def test_what_the_transport_refuses_is_reported_and_the_loop_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.refusing = {2.0}
    bench.run(3)
    assert bench.sent == [1.0, 3.0]
    assert len(bench.refused) == bench.counter(NodeColumn.BAD_OUTPUTS) == 1


def test_a_new_rate_holds_from_the_next_deadline_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.loop.set_frequency(100.0)
    before = bench.clock.now()
    bench.run(11)
    assert bench.clock.now() - before <= 10 / 100 + 0.1
    assert bench.row.floats[NodeColumn.FREQUENCY] == 100.0


def test_a_restarted_node_falls_into_the_grid(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.clock.advance(5.237)
    bench.run(3, 1000.0, 0.02)
    assert np.isclose(bench.clock.now(), 1005.421), "late for the tick of .22, then .32 and .42"
    assert bench.counter(NodeColumn.SKIPPED) == 0
    assert bench.row.floats[NodeColumn.ORIGIN] == 1000.0
    assert bench.row.floats[NodeColumn.PHASE] == 0.02


def test_a_phase_is_moved_without_a_skipped_tick(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.orders[5] = [lambda: bench.loop.set_phase(0.03)]
    bench.run(11)
    assert np.isclose(bench.clock.now(), 1001.031)
    assert bench.counter(NodeColumn.SKIPPED) == 0
    assert bench.row.floats[NodeColumn.PHASE] == 0.03


def test_single_steps_are_made_at_once_and_meet_no_deadline(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def pause() -> None:
        bench.loop.paused = True
        bench.loop.step(3)

    bench.orders[2] = [pause]
    bench.until = 100
    bench.loop.run(bench.clock.now())
    assert bench.script.count == 5, "two on the clock, three single ones, and then it waits until the test gives up"
    assert bench.counter(NodeColumn.STEPS_LEFT) == 0
    lateness = sum(bench.row.histogram(1))
    assert lateness == 2, "only what is due on the clock can be late"
    bench.orders[5] = [bench.loop.resume]
    bench.waits, bench.until = 0, 7
    bench.loop.stopped = False
    bench.loop._pacer.join(bench.clock.now())
    before = bench.counter(NodeColumn.SKIPPED)
    bench.loop.run(bench.clock.now())
    assert bench.counter(NodeColumn.SKIPPED) == before, "what passed in a pause was not skipped"


def test_only_a_paused_node_makes_single_steps(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.loop.step(3)
    assert bench.counter(NodeColumn.STEPS_LEFT) == 0


def test_draining_without_inputs_ends_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.until = 10**9
    bench.loop.drain(5.0)
    bench.loop.run(bench.clock.now())
    assert bench.sent == []
