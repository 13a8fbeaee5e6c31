"""The clock of a host that is not the coordinator's: measured over a real socket, shared on the board."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zmq

from rena_graph.errors import EnvironmentRefused, RenaGraphError
from rena_graph.runtime.hosts import probe
from rena_graph.runtime.hosts.host_clock import AgentClock, NodeClock, clock_facts, node_clock
from rena_graph.runtime.hosts.offset import Estimate
from rena_graph.runtime.hosts.probe import ClockProbe
from rena_graph.runtime.node.parts import NodeParts
from rena_graph.script import RenaScript
from rena_graph.transport.board import Board
from rena_graph.transport.crossing.keys import KeyPair
from rena_graph.transport.crossing.receiver import Receiver
from rena_graph.transport.waiter import RingWaiter
from tests.runtime.lives import Lives

AHEAD = 7200.0
LATE = 30.0
"""Seconds that may pass between two looks at a clock on a busy machine."""


def _fail(what: str, error: RenaGraphError) -> None:
    raise AssertionError(f"{what}: {error}")


def test_the_agents_clock_is_that_of_the_host_it_asks_and_the_nodes_read_it(tmp_path: Path) -> None:
    mine, theirs = KeyPair.make(), KeyPair.make()
    here, there = zmq.Context(), zmq.Context()
    receiver = Receiver(
        there, "tcp://127.0.0.1:*", [], theirs, {mine.public: "w"}, lambda: time.monotonic() + AHEAD, _fail
    )
    receiver.start()
    clock = AgentClock()
    asking = ClockProbe(here, receiver.endpoint, (mine, theirs.public), clock)
    try:
        asking.wait()
        with Board.create(tmp_path / "board", streams=0, edges=0, nodes=0) as board:
            clock.share(board.clock)
            node = NodeClock(board.clock)
            assert node.now() == pytest.approx(time.monotonic() + AHEAD, abs=LATE)
            assert clock.now() == pytest.approx(node.now(), abs=LATE)
            facts = clock_facts(board.clock, time.monotonic())
            assert facts is not None
            assert facts["offset"] == pytest.approx(AHEAD, abs=facts["uncertainty"] + 1e-4)
            assert facts["round_trip"] > 0
            assert node.now_ns() == pytest.approx(time.monotonic_ns(), abs=10e9), "durations are the host's own"
            del node
    finally:
        asking.close()
        receiver.close()
        here.term()
        there.term()


def test_a_host_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_LIMIT", 0.3)
    context = zmq.Context()
    asking = ClockProbe(context, "tcp://127.0.0.1:9", (KeyPair.make(), KeyPair.make().public), AgentClock())
    try:
        with pytest.raises(EnvironmentRefused, match=r"127\.0\.0\.1:9"):
            asking.wait()
    finally:
        asking.close()
        context.term()


def test_a_waiter_sleeps_until_a_moment_of_graph_time() -> None:
    clock = AgentClock()
    clock.aim(Estimate(0.0, AHEAD, 0.0, 0.0, 0.0))
    waiter = RingWaiter([], clock.now)
    deadline = clock.now() + 0.05
    while clock.now() < deadline:
        before = time.monotonic()
        waiter.wait(deadline, False)
        assert time.monotonic() - before < LATE
    assert clock.now() >= deadline
    waiter.close()


def test_an_agent_that_died_over_the_line_holds_up_no_node_and_the_next_goes_on_with_it(tmp_path: Path) -> None:
    clock = AgentClock()
    with Board.create(tmp_path / "board", streams=0, edges=0, nodes=0) as board:
        clock.share(board.clock)
        node = NodeClock(board.clock)
        assert node.now() == pytest.approx(time.monotonic(), abs=LATE), "its own time before there is an estimate"
        assert clock_facts(board.clock, time.monotonic()) is None
        for _ in range(3):
            clock.aim(Estimate(0.0, AHEAD, 0.0, 1e-4, 2e-4))
        assert node.now() == pytest.approx(time.monotonic() + AHEAD, abs=LATE)
        # The next line is half written: the one before counts.
        triple = 1 if (board.clock.ints[0] + 1) % 2 == 0 else 4
        board.clock.floats[triple] = -1e9
        assert node.now() == pytest.approx(time.monotonic() + AHEAD, abs=LATE)
        assert NodeClock(board.clock).now() == pytest.approx(time.monotonic() + AHEAD, abs=LATE)
        successor = AgentClock()
        successor.share(board.clock)
        before = successor.now()
        # What it finds out is 50 ms less: time does not run back, nor jump.
        successor.aim(Estimate(0.0, AHEAD - 0.05, 0.0, 1e-4, 2e-4))
        assert before <= successor.now() <= before + 10
        facts = clock_facts(board.clock, time.monotonic())
        assert facts is not None
        assert facts["uncertainty"] == pytest.approx(0.05, abs=1e-3)
        del node


class Ticking(RenaScript):
    """Notes when its loops began."""

    def init(self) -> None:
        self.began: list[float] = []

    def loop(self) -> None:
        self.began.append(self.local_clock())


class Quiet:
    def loop_failed(self, error: BaseException, loops: int) -> bool:
        raise error

    def output_refused(self, error: BaseException) -> None:
        raise error

    def not_finite(self, text: str, *, fails: bool) -> None:
        raise AssertionError(text, fails)


def test_a_node_away_from_the_coordinator_is_paced_in_graph_time(tmp_path: Path) -> None:
    with Lives(tmp_path, trigger="clock", run_frequency=200) as lives:
        lives.epoch = 0
        setup = lives.setup()
        assert node_clock(setup).now is time.monotonic
        agent = AgentClock()
        agent.share(lives.board.clock)
        agent.aim(Estimate(0.0, AHEAD, 0.0, 1e-4, 2e-4))
        clock = node_clock(replace(setup, own_clock=False))
        parts = NodeParts(setup, Ticking, lives.board, clock)
        script = parts.script
        assert isinstance(script, Ticking)

        def before_loop() -> None:
            if len(script.began) >= 20:
                loop.drain(0.0)

        loop = parts.loop(Quiet(), before_loop)
        script.init()
        origin = agent.now()
        loop.run(origin, origin)
        ticks = (np.array(script.began) - origin) * 200
        assert np.all(ticks >= np.arange(len(ticks)) - 1e-6), "no loop before its tick"
        assert np.all(np.diff(np.floor(ticks + 1e-6)) >= 1), "one loop a tick"
        parts.close()


def test_a_leap_is_said(caplog: pytest.LogCaptureFixture) -> None:
    clock = AgentClock()
    clock.aim(Estimate(0.0, 100.0, 0.0, 1e-4, 2e-4))
    assert not caplog.text
    clock.aim(Estimate(0.0, 160.0, 0.0, 1e-4, 2e-4))
    assert "60.000 s late: was it suspended?" in caplog.text
