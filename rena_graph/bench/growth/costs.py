"""What the nodes of a running graph cost: processor time of each one's loop, looked at from outside, and its rate."""

from __future__ import annotations

import shutil
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.bench.cpu import cpu_seconds, main_thread_seconds, pid_of_actor
from rena_graph.bench.graph_run import running_graph

__all__ = ["Costs", "percentile", "run_costs"]

SETTLE = 0.7
"""Seconds after the start that are not counted."""


@dataclass(frozen=True)
class Costs:
    """Over the time between two looks at a run.

    Attributes
    ----------
    cpu : dict of str to float
        Of each node, microseconds of its main thread a loop.
    rate : dict of str to float
        Its loops a second.
    supervision : float
        Processor time of coordinator and host agent, all threads, in percent of a core.
    start : float
        Seconds from the launch to the first sample.
    """

    cpu: dict[str, float]
    rate: dict[str, float]
    supervision: float
    start: float

    def cpu_of(self, prefix: str) -> float:
        """Median over the nodes whose names begin so; NaN where there are none."""
        found = [value for name, value in self.cpu.items() if name.startswith(prefix)]
        return statistics.median(found) if found else float("nan")


def run_costs(document: dict[str, Any], seconds: float, address: str) -> Costs:
    """Run a graph and look at it twice, `seconds` apart."""
    from rena_graph.runtime.folders import runtime_dir

    began = time.monotonic()
    with running_graph(document, address) as run:
        start = time.monotonic() - began
        run.wait(SETTLE)
        folder = runtime_dir() / run.id
        frame = [pid_of_actor(folder, name) for name in ("CoordinatorActor", "AgentActor")]
        before, at, used = _look(run.status()), time.monotonic(), sum(map(cpu_seconds, frame))
        run.wait(seconds)
        after, took, used = _look(run.status()), time.monotonic() - at, sum(map(cpu_seconds, frame)) - used
    shutil.rmtree(run.folder, ignore_errors=True)
    loops = {name: after[name][0] - before[name][0] for name in before}
    return Costs(
        cpu={n: (after[n][1] - before[n][1]) / loops[n] * 1e6 for n in before if loops[n] > 0},
        rate={n: count / took for n, count in loops.items()},
        supervision=100 * used / took,
        start=start,
    )


def _look(status: dict[str, Any]) -> dict[str, tuple[int, float]]:
    return {name: (node["loops"], main_thread_seconds(node["pid"])) for name, node in status["nodes"].items()}


def percentile(times: NDArray[np.int64] | Path, percent: float, first: int) -> float:
    """Microseconds that messages from number `first` on were on their way; NaN where none came.

    Parameters
    ----------
    times : ndarray of int64, shape (received, 3), or Path
        Sequence number, and nanoseconds sent and arrived; or the file in which a consumer left them.
    """
    noted = np.load(times, allow_pickle=False) if isinstance(times, Path) else times
    counted = noted[noted[:, 0] >= first]
    return float(np.percentile(counted[:, 2] - counted[:, 1], percent)) / 1e3 if len(counted) else float("nan")
