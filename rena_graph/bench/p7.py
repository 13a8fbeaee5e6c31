"""P7: how well a node on the clock keeps its rate, beside a bare loop that does nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rena_graph.bench.figures import Figure
from rena_graph.bench.rows import Bench
from rena_graph.bench.ticking import Ticking, tick_side_by_side

__all__ = ["Pace", "measure", "most_in_ten_periods"]

TOGETHER = (1000.0, 250.0, 60.0, 1.0)
"""Measured at the same time, each beside its bare loop, so that all takes a quarter as long; that matters to no
comparison, since node and bare loop have the same neighbours."""
APART = 1.0 / 12_000.0
"""Seconds by which each pair is later than the one before: so its deadlines are as far from those of the fastest node
as from those of that one's bare loop, and never at the same time as either."""
SECONDS, QUICK_SECONDS = 30.0, 3.0
AT_MOST = 1.3
GRID_PPM = 10.0
"""0.001 %, in millionths."""
GRID_SECONDS = 10.0
"""Shortest run in which that much is more than the jitter of waking up."""
STALL_FREQUENCY, STALL_SECONDS, STALL = 250.0, 2.0, 0.5
MOST_IN_TEN = 11.0
"""Loops that begin within ten periods where each is late by less than one; a burst is more."""


@dataclass(frozen=True)
class Pace:
    """How one loop kept its rate.

    Attributes
    ----------
    grid_ppm : float
        How far the rate at which ticks come is off the one asked for, in millionths; NaN for fewer than two ticks.
    skipped : int
        Deadlines at which no tick came.
    late_p50, late_p99 : float
        Microseconds from a tick's deadline to the tick.
    """

    grid_ppm: float
    skipped: int
    late_p50: float
    late_p99: float

    @classmethod
    def of(cls, times: NDArray[np.float64], frequency: float) -> Pace:
        """From the times of the ticks, in seconds from the first deadline."""
        ticks = np.floor(times * frequency + 1e-9).astype(np.int64)
        p50, p99 = np.percentile(times - ticks / frequency, (50, 99)) * 1e6
        skipped = int(ticks[-1]) + 1 - len(np.unique(ticks))
        return cls(_grid_ppm(times, ticks, frequency), skipped, float(p50), float(p99))


def _grid_ppm(times: NDArray[np.float64], ticks: NDArray[np.int64], frequency: float) -> float:
    """From pairs of ticks half the run apart, the middle of them: single late ones do not count."""
    half = len(times) // 2
    if not half:
        return math.nan
    reached = (ticks[half:] - ticks[:-half]) / (times[half:] - times[:-half])
    return abs(float(np.median(reached)) / frequency - 1) * 1e6


def most_in_ten_periods(times: NDArray[np.float64], frequency: float) -> int:
    """The largest number of ticks that came within ten periods."""
    ends = np.searchsorted(times, times + 10 / frequency - 1e-9, side="left")
    return int((ends - np.arange(len(times))).max())


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    ours: dict[float, list[Pace]] = {}
    bare: dict[float, list[Pace]] = {}
    rates = ", ".join(f"{hz:g}" for hz in TOGETHER)
    for k in range(bench.rounds):
        bench.say(f"pacing at {rates} Hz: round {k + 1} of {bench.rounds}")
        tasks = [task for place, hz in enumerate(TOGETHER) for task in _pair(hz, seconds, place)]
        times = iter(tick_side_by_side(tasks))
        for frequency in TOGETHER:
            ours.setdefault(frequency, []).append(Pace.of(next(times), frequency))
            bare.setdefault(frequency, []).append(Pace.of(next(times), frequency))
    grid = GRID_PPM if seconds >= GRID_SECONDS else None
    figures = [figure for hz in sorted(ours) for figure in _figures(f"{hz:g} Hz", ours[hz], bare[hz], grid)]
    return [*figures, _stall(bench)]


def _pair(frequency: float, seconds: float, place: int) -> list[Ticking]:
    """A node and its bare loop, half a period later; both later still by the pair's place among the pairs."""
    later = APART * place * frequency
    return [
        Ticking("node", frequency, seconds, phase=later),
        Ticking("bare", frequency, seconds, phase=0.5 + later),
    ]


def _figures(what: str, ours: list[Pace], bare: list[Pace], grid_ppm: float | None) -> list[Figure]:
    return [
        Figure(f"{what}, grid off by", "ppm", tuple(pace.grid_ppm for pace in ours), at_most=grid_ppm),
        Figure(
            f"{what}, skipped",
            "ticks",
            tuple(float(pace.skipped) for pace in ours),
            "bare loop",
            tuple(float(pace.skipped) for pace in bare),
            AT_MOST,
            counted=True,
        ),
        Figure(
            f"{what}, late p99",
            "µs",
            tuple(pace.late_p99 for pace in ours),
            "bare loop",
            tuple(pace.late_p99 for pace in bare),
            AT_MOST,
        ),
    ]


def _stall(bench: Bench) -> Figure:
    bench.say(f"a stall of {STALL:g} s")
    most = []
    for _ in range(bench.rounds):
        (times,) = tick_side_by_side([Ticking("node", STALL_FREQUENCY, STALL_SECONDS, stall=STALL)])
        most.append(float(most_in_ten_periods(times, STALL_FREQUENCY)))
    what = f"{STALL_FREQUENCY:g} Hz, stalled {STALL:g} s, most in ten periods"
    return Figure(what, "loops", tuple(most), at_most=MOST_IN_TEN)
