"""The ECG example against what cardiologists wrote: are these the beats, and is this the heart rate?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rena_graph.cli.showcase.taps import Sample

__all__ = ["Comparison", "beat_times", "compare", "ecg_lines"]

TOLERANCE = 0.075
"""Seconds that a found beat may be off an annotated one; half of what ANSI/AAMI EC57 allows."""
CANDIDATES = 20
"""The first beat that was found is one of so many annotated ones: the detector learns before it speaks."""


@dataclass(frozen=True)
class Comparison:
    """What was found against the annotation, over the stretch from the first to the last beat that was found.

    Parameters
    ----------
    annotated, found, matched : int
        Beats in the annotation, beats found, and pairs of them within :data:`TOLERANCE`.
    rate, annotated_rate : float
        Mean heart rate in beats per minute by each.
    """

    annotated: int
    found: int
    matched: int
    rate: float
    annotated_rate: float


def beat_times(intervals: Sequence[Sample]) -> NDArray[np.float64]:
    """Times in seconds of all beats, from RR intervals in ms, each stamped with the beat that ends it."""
    ends = [sample.time for sample in intervals]
    starts = [sample.time - sample.values[0] / 1000 for sample in intervals]
    times = np.sort(np.asarray([*starts, *ends], dtype=np.float64))
    # An interval's start is the end of the one before: the same beat twice, but for rounding.
    return times[np.diff(times, prepend=-np.inf) > TOLERANCE]


def compare(beats: NDArray[np.float64], annotated: NDArray[np.float64]) -> Comparison | None:
    """Lay `beats` (seconds, from any zero) over the `annotated` ones (seconds in the recording) where they fit best.

    None where there are fewer than three beats, which fit nearly anywhere.
    """
    if len(beats) < 3:
        return None
    shifts = beats[0] - annotated[:CANDIDATES]
    matches = [_matched(beats - shift, annotated) for shift in shifts]
    shift = shifts[int(np.argmax(matches))]
    played = beats - shift
    stretch = annotated[(annotated >= played[0] - TOLERANCE) & (annotated <= played[-1] + TOLERANCE)]
    return Comparison(len(stretch), len(beats), max(matches), _rate(played), _rate(stretch))


def ecg_lines(intervals: Sequence[Sample], recording: Path) -> list[str]:
    """What the ECG example showed, in plain words; no lines where it ran too briefly to tell."""
    with np.load(recording) as archive:
        annotated = archive["r_peaks"] / float(archive["rate"])
    result = compare(beat_times(intervals), annotated)
    if result is None:
        return []
    missed, extra = result.annotated - result.matched, result.found - result.matched
    verdict = "all of them" if not missed else f"{result.matched} of them"
    return [
        f"In the stretch that was played, cardiologists marked {result.annotated} beats; the graph found {verdict}, "
        f"and {extra or 'none'} that they did not mark.",
        f"Its heart rate is {result.rate:.1f} beats per minute, theirs {result.annotated_rate:.1f}.",
    ]


def _matched(times: NDArray[np.float64], annotated: NDArray[np.float64]) -> int:
    """Beats of `times` that have an annotated one of their own nearby."""
    right = np.searchsorted(annotated, times).clip(1, len(annotated) - 1)
    nearest = np.where(times - annotated[right - 1] < annotated[right] - times, right - 1, right)
    near = np.abs(annotated[nearest] - times) <= TOLERANCE
    return len(np.unique(nearest[near]))


def _rate(times: NDArray[np.float64]) -> float:
    return 60.0 * (len(times) - 1) / float(times[-1] - times[0]) if len(times) > 1 else float("nan")
