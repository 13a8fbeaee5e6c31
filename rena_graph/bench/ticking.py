"""Two processes that keep a rate: a real node loop on the clock, and a bare loop that sleeps until absolute deadlines.

Run as a program this module is one of the two: it says ``ready``, is told when the first tick is, and gives the times
at which its ticks came.
"""

from __future__ import annotations

import gc
import io
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rena_graph.errors import EnvironmentRefused, OutputRefused
from rena_graph.script import RenaScript
from rena_graph.transport.punctual import be_punctual

__all__ = ["Ticking", "tick_side_by_side"]

Times = NDArray[np.float64]
_LEAD = 0.5
"""Seconds from the go-ahead to the first tick."""


@dataclass(frozen=True)
class Ticking:
    """One loop to run.

    Parameters
    ----------
    kind : {'node', 'bare', 'ordinary'}
        Which: a node's loop, a bare one, or a bare one that asks the system for nothing.
    frequency : float
        Hz.
    seconds : float
        How long.
    phase : float
        Periods after the common start at which its first tick is, so that two loops do not want to wake at once.
    stall : float
        Seconds that the tick in the middle takes; 0 for none.
    work : float
        Seconds for which each tick computes.
    """

    kind: str
    frequency: float
    seconds: float
    phase: float = 0.0
    stall: float = 0.0
    work: float = 0.0

    @property
    def ticks(self) -> int:
        """How many there are, if none is skipped."""
        return max(1, round(self.seconds * self.frequency))


class Ticker(RenaScript):
    """Notes when each of its loops began."""

    task: Ticking
    last = math.inf
    """Time from which on a tick is the last one."""
    stop: Callable[[], None]

    def init(self) -> None:
        """Memory for all of them."""
        self.times: Times = np.zeros(self.task.ticks + 1)
        self.count = 0
        self._stall_at = self.task.ticks // 2 if self.task.stall else -1

    def loop(self) -> None:
        """One tick."""
        self.times[self.count] = now = time.monotonic()
        self.count += 1
        if now >= self.last:
            self.stop()
        if self.count == self._stall_at:
            time.sleep(self.task.stall)
        _compute_until(now + self.task.work)


class _Loud:
    """What goes wrong in a tick ends the measurement."""

    def loop_failed(self, error: BaseException, loops: int) -> bool:
        raise error

    def output_refused(self, error: OutputRefused) -> None:
        raise error

    def not_finite(self, text: str, *, fails: bool) -> None:
        raise AssertionError(text)


def _run_node(task: Ticking, folder: Path) -> Times:
    """The node loop as a node's process runs it, without the actor around it."""
    from rena_graph.graph.document import NodeDef
    from rena_graph.runtime.clock import SystemClock
    from rena_graph.runtime.node.parts import NodeParts
    from rena_graph.runtime.setup import NodeSetup
    from rena_graph.transport.board import Board

    Ticker.task = task
    definition = NodeDef(script="ticker.py", run_frequency=task.frequency)
    setup = NodeSetup(
        run="bench", graph="bench", name="ticker", epoch=0, index=0, script="ticker.py", folder=str(folder),
        definition=definition, inputs=(), outputs=(), board=str(folder / "board"), commands="", events="", console="",
        runtime_dir=str(folder),
    )  # fmt: skip
    clock = SystemClock()
    with Board.create(folder / "board", streams=0, edges=0, nodes=1) as board:
        parts = NodeParts(setup, Ticker, board, clock)
        loop = parts.loop(_Loud(), lambda: None)
        ticker = parts.script
        assert isinstance(ticker, Ticker)
        ticker.init()
        ticker.stop = partial(setattr, loop, "stopped", True)
        gc.collect()
        gc.freeze()
        be_punctual()
        start = _first_tick(task)
        ticker.last = start + (task.ticks - 1.5) / task.frequency
        loop.run(start)
        parts.close()
        return ticker.times[: ticker.count] - start


def _run_bare(task: Ticking, _: Path) -> Times:
    """The least that keeps a rate from Python."""
    times = np.zeros(task.ticks + 1)
    clock, sleep, frequency = time.monotonic, time.sleep, task.frequency
    stall_at = task.ticks // 2 if task.stall else -1
    gc.disable()
    if task.kind == "bare":
        be_punctual()
    start = _first_tick(task)
    count = tick = 0
    while tick < task.ticks:
        wait = start + tick / frequency - clock()
        if wait > 0:
            sleep(wait)
        now = times[count] = clock()
        count += 1
        tick = max(tick, math.floor((now - start) * frequency + 1e-9)) + 1
        if count == stall_at:
            sleep(task.stall)
        _compute_until(now + task.work)
    return times[:count] - start


def _compute_until(end: float) -> None:
    while time.monotonic() < end:
        pass


def _first_tick(task: Ticking) -> float:
    """Say that all is ready, and hear when it begins."""
    sys.stdout.buffer.write(b"ready\n")
    sys.stdout.buffer.flush()
    return float(sys.stdin.readline()) + task.phase / task.frequency


def tick_side_by_side(tasks: Sequence[Ticking]) -> list[Times]:
    """Run these loops at the same time, each in a process of its own.

    Returns
    -------
    list of ndarray of float64
        For each, when its ticks came, in seconds from its first deadline.

    Raises
    ------
    EnvironmentRefused
        One of the processes died.
    """
    with ExitStack() as stack:
        processes = [stack.enter_context(_process(task)) for task in tasks]
        for process in processes:
            stack.callback(process.kill)
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                raise EnvironmentRefused(f"a loop of the benchmark died (status {process.wait()})")
        start = time.monotonic() + _LEAD
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{start!r}\n".encode())
            process.stdin.flush()
        taken = [process.communicate()[0] for process in processes]
        if any(process.returncode for process in processes):
            raise EnvironmentRefused(f"a loop of the benchmark died ({[p.returncode for p in processes]})")
    return [np.load(io.BytesIO(each), allow_pickle=False) for each in taken]


def _process(task: Ticking) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rena_graph.bench.ticking", json.dumps(asdict(task))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _main(given: str) -> None:
    task = Ticking(**json.loads(given))
    with tempfile.TemporaryDirectory(prefix="rena-graph-bench-") as folder:
        times = (_run_node if task.kind == "node" else _run_bare)(task, Path(folder))
    np.save(sys.stdout.buffer, times)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main(sys.argv[1])
