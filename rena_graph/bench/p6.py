"""P6: what a loop pays for its input window, from the arrival of new samples to the script's view of all of them.

Measured in a process of its own that does nothing else, without pacing: the cost of the work, not of waking up.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from rena_graph.bench.figures import Figure
from rena_graph.bench.peers.installed import find_interpreter, what_is_missing
from rena_graph.bench.rows import Bench
from rena_graph.errors import EnvironmentRefused
from rena_graph.streams.fast_window import FastWindow
from rena_graph.streams.input_port import InputPort
from rena_graph.streams.inputs import Inputs
from rena_graph.streams.spec import StreamSpec

__all__ = ["CHANNELS", "PEER", "RATE", "SAMPLES", "measure", "time_window"]

PEER = Path(__file__).parent / "peers" / "physiolabxr_buffer.py"
"""What its environment runs."""

CHANNELS, RATE, SAMPLES = 64, 2048.0, 34
"""Channels, Hz, and new samples a loop, at 60 loops a second."""
DURATIONS = (1.0, 10.0, 60.0)
COMPARED = 10.0
"""Seconds of window at which the peer is compared with."""
FLAT = 1.5
"""The mean at 60 s over that at 1 s that still passes as flat: caches are not, whatever the algorithm."""
AT_MOST = 1 / 50
LAPS = 3
"""How often a window's arrays are replaced while it is measured."""


def time_window(duration: float, loops: int) -> dict[str, float]:
    """Append and look, again and again.

    Parameters
    ----------
    duration : float
        Seconds that the window holds; it is full when the measurement begins.
    loops : int
        At least so many, and enough to replace the window's arrays :data:`LAPS` times.

    Returns
    -------
    dict
        ``mean``, ``p99`` and ``longest`` in microseconds; ``memcpy``, the mean of copying the new samples alone.
    """
    spec = StreamSpec("EEG", CHANNELS, "float32", RATE)
    window = spec.window(duration, 0)
    buffer = FastWindow(spec, window)
    inputs = Inputs([InputPort("EEG", buffer)])
    data = np.random.default_rng(0).standard_normal((SAMPLES, CHANNELS)).astype(np.float32)
    stamps = np.arange(SAMPLES) / RATE
    for _ in range(-(-window // SAMPLES)):
        buffer.append(data, stamps)
        inputs.begin_loop()
    loops = max(loops, LAPS * window // SAMPLES)
    took = np.zeros(loops, np.int64)
    clock = time.perf_counter_ns
    gc.disable()
    for k in range(loops):
        began = clock()
        buffer.append(data, stamps)
        inputs.begin_loop()
        seen, _ = inputs["EEG"]
        took[k] = clock() - began
    assert len(seen) == window
    gc.enable()
    return {**summary(took), "memcpy": _time_memcpy(data, loops)}


def _time_memcpy(data: np.ndarray[Any, Any], loops: int) -> float:
    target = np.zeros_like(data)
    began = time.perf_counter_ns()
    for _ in range(loops):
        target[:] = data
    return (time.perf_counter_ns() - began) / loops / 1e3


def summary(nanoseconds: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, float]:
    """Mean, p99 and longest, in microseconds."""
    return {
        "mean": float(nanoseconds.mean()) / 1e3,
        "p99": float(np.percentile(nanoseconds, 99)) / 1e3,
        "longest": float(nanoseconds.max()) / 1e3,
    }


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    loops = 1000 if bench.quick else 5000
    peer = find_interpreter("physiolabxr", bench.peers)
    ours: dict[float, list[dict[str, float]]] = {duration: [] for duration in DURATIONS}
    theirs: list[dict[str, float]] = []
    for k in range(bench.rounds):
        bench.say(f"input window: round {k + 1} of {bench.rounds}")
        for duration in DURATIONS if k % 2 == 0 else reversed(DURATIONS):
            ours[duration].append(_in_process([sys.executable, "-m", "rena_graph.bench.p6"], duration, loops))
        if peer is not None:
            theirs.append(_in_process([str(peer), str(PEER)], COMPARED, loops // 10))
    return [*_own_figures(ours), _against_peer(ours[COMPARED], theirs, bench.peers)]


def _own_figures(ours: dict[float, list[dict[str, float]]]) -> list[Figure]:
    def values(duration: float, name: str) -> tuple[float, ...]:
        return tuple(each[name] for each in ours[duration])

    figures = []
    for duration in DURATIONS:
        what = f"{duration:g} s"
        figures += [
            Figure(f"{what}, mean", "µs", values(duration, "mean"), "one memcpy", values(duration, "memcpy")),
            Figure(f"{what}, p99", "µs", values(duration, "p99")),
            Figure(f"{what}, longest", "µs", values(duration, "longest")),
        ]
    first, last = DURATIONS[0], DURATIONS[-1]
    what = f"mean at {last:g} s, flat"
    return [*figures, Figure(what, "µs", values(last, "mean"), f"{first:g} s", values(first, "mean"), FLAT)]


def _against_peer(ours: list[dict[str, float]], theirs: list[dict[str, float]], peers: Path | None) -> Figure:
    return Figure(
        f"{COMPARED:g} s, mean",
        "µs",
        tuple(each["mean"] for each in ours),
        "PhysioLabXR",
        tuple(each["mean"] for each in theirs),
        AT_MOST,
        missing="" if theirs else what_is_missing("physiolabxr", peers),
    )


def _in_process(command: list[str], duration: float, loops: int) -> dict[str, float]:
    done = subprocess.run([*command, str(duration), str(loops)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentRefused(f"{Path(command[0]).name} could not measure the input window:\n{done.stderr}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    sys.stdout.write(json.dumps(time_window(float(sys.argv[1]), int(sys.argv[2]))))
