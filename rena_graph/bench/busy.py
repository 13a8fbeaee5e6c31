"""BUSY: whether a node is on time while other programs want all of the machine, beside a loop as any program has it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rena_graph.bench.figures import Figure
from rena_graph.bench.p7 import Pace
from rena_graph.bench.rows import Bench
from rena_graph.bench.ticking import Ticking, tick_side_by_side
from rena_graph.runtime.host.load import cores

__all__ = ["busy_programs", "measure"]

FREQUENCY = 250.0
WORK = 3e-4
"""Seconds for which each loop computes: one that only looks at the time is let in by any kernel."""
SECONDS, QUICK_SECONDS = 5.0, 2.0
_PROGRAM = "import os, sys; parent = int(sys.argv[1])\nwhile os.getppid() == parent: sum(range(100_000))"
"""Computes until whoever started it, whose number it is given, has ended, however that was."""


@contextmanager
def busy_programs(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many programs that compute without a pause, while the context lasts."""
    command = [sys.executable, "-c", _PROGRAM, str(os.getpid())]
    with ExitStack() as stack:
        programs = []
        for _ in range(count):
            program = stack.enter_context(subprocess.Popen(command))
            stack.callback(program.kill)
            programs.append(program)
        yield programs


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    programs = cores() + 1
    tasks = [
        Ticking("node", FREQUENCY, seconds, work=WORK),
        Ticking("ordinary", FREQUENCY, seconds, phase=0.5, work=WORK),
    ]
    node: list[Pace] = []
    ordinary: list[Pace] = []
    with busy_programs(programs):
        for k in range(bench.rounds):
            bench.say(f"250 Hz beside {programs} busy programs: round {k + 1} of {bench.rounds}")
            for paces, times in zip((node, ordinary), tick_side_by_side(tasks), strict=True):
                paces.append(Pace.of(times, FREQUENCY))

    def figure(what: str, unit: str, of: Callable[[Pace], float], *, counted: bool = False) -> Figure:
        return Figure(what, unit, tuple(map(of, node)), "ordinary loop", tuple(map(of, ordinary)), counted=counted)

    return [
        figure("late p50", "µs", lambda pace: pace.late_p50),
        figure("late p99", "µs", lambda pace: pace.late_p99),
        figure("skipped", "ticks", lambda pace: float(pace.skipped), counted=True),
    ]
