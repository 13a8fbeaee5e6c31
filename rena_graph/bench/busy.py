"""BUSY: whether a node is on time while other programs want all of the machine, beside a loop as any program has it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
from numpy.typing import NDArray

from rena_graph.bench.figures import Figure
from rena_graph.bench.rows import Bench
from rena_graph.bench.ticking import Ticking, tick_side_by_side

__all__ = ["busy_programs", "lateness", "measure"]

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


def lateness(times: NDArray[np.float64], frequency: float) -> NDArray[np.float64]:
    """Microseconds from each tick's deadline to the tick; `times` in seconds from the first deadline."""
    late: NDArray[np.float64] = (times - np.floor(times * frequency + 1e-9) / frequency) * 1e6
    return late


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    programs = len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) + 1
    tasks = [
        Ticking("node", FREQUENCY, seconds, work=WORK),
        Ticking("ordinary", FREQUENCY, seconds, phase=0.5, work=WORK),
    ]
    late: list[list[NDArray[np.float64]]] = []
    ticks: list[list[float]] = []
    with busy_programs(programs):
        for k in range(bench.rounds):
            bench.say(f"250 Hz beside {programs} busy programs: round {k + 1} of {bench.rounds}")
            taken = tick_side_by_side(tasks)
            late.append([lateness(times, FREQUENCY) for times in taken])
            ticks.append([float(task.ticks - len(times)) for task, times in zip(tasks, taken, strict=True)])
    figures = []
    for percent in (50, 99):
        node, ordinary = (tuple(float(np.percentile(of[k], percent)) for of in late) for k in (0, 1))
        figures.append(Figure(f"late p{percent}", "µs", node, "ordinary loop", ordinary))
    node, ordinary = (tuple(of[k] for of in ticks) for k in (0, 1))
    return [*figures, Figure("skipped", "ticks", node, "ordinary loop", ordinary, counted=True)]
