"""Finds the R peaks of an ECG while it is being recorded, after Pan and Tompkins (1985).

J. Pan and W. J. Tompkins, "A real-time QRS detection algorithm", IEEE Transactions on Biomedical Engineering,
BME-32(3), 230-236, 1985, doi:10.1109/TBME.1985.325532. The steps are theirs: band-pass, derivative, square, moving
window, adaptive threshold, refractory period, search-back. The filters are not: theirs are integer filters for 200 Hz,
these are FIR filters made for the rate at hand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rena_graph import RenaScript

PASS_BAND = (5.0, 15.0)  # Hz; most of a QRS complex's energy
FILTER_LENGTH = 0.25  # s; of the band-pass
INTEGRATION = 0.15  # s; about the longest QRS complex
CONFIRM = 0.1  # s; a bump counts once nothing higher has come for so long
REFINE = 0.03  # s; the R peak is the ECG's extreme so close to the filtered ECG's
REFRACTORY = 0.2  # s; no heart beats twice within it
T_WAVE = 0.36  # s; what comes sooner, and less than half as steep as the last beat, is its T wave
LEARNING = 2.0  # s; holds at least one beat
MISSED = 1.66  # mean RR intervals without a beat: look again, with half the threshold
LOST = 4.0  # s without a beat: learn anew


class Beat(NamedTuple):
    """One R peak: the time stamp of its sample (s), and the ECG there."""

    time: float
    amplitude: float


class Bump(NamedTuple):
    """A maximum of the integrated signal: perhaps a beat."""

    index: int
    height: float
    slope: float
    beat: Beat


class Fir:
    """A FIR filter that goes on where the last block ended. Before the first sample the signal was constant."""

    def __init__(self, kernel: np.ndarray) -> None:
        self.kernel = kernel
        self.past: np.ndarray | None = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Filter the next block ``(samples,)``; gives as many samples."""
        if self.past is None:
            self.past = np.full(len(self.kernel) - 1, x[0])
        x = np.concatenate([self.past, x])
        self.past = x[len(x) - len(self.past) :]
        return np.convolve(x, self.kernel, mode="valid")


def band_pass(low: float, high: float, half: int, rate: float) -> np.ndarray:
    """Windowed-sinc band-pass of ``2 * half + 1`` taps. Delays by `half` samples; removes a constant exactly."""
    n = np.arange(-half, half + 1)
    kernel = 2 / rate * (high * np.sinc(2 * high / rate * n) - low * np.sinc(2 * low / rate * n)) * np.hamming(len(n))
    return kernel - kernel.mean()


class Bumps:
    """From ECG samples to bumps: band-pass, derivative, square, moving window, local maxima."""

    def __init__(self, rate: float) -> None:
        self.delay = round(FILTER_LENGTH * rate / 2)
        self.window = round(INTEGRATION * rate)
        self.confirm = round(CONFIRM * rate)
        self.refine = max(1, round(REFINE * rate))
        self.filter = Fir(band_pass(*PASS_BAND, self.delay, rate))
        self.derive = Fir(np.array([2.0, 1.0, 0.0, -1.0, -2.0]) * rate / 10)
        self.integrate = Fir(np.full(self.window, 1.0 / self.window))
        # The rows of the latest samples: stamp, ECG, filtered, derivative, integrated. Decisions look this far back.
        self.recent = np.empty((5, 0))
        self.reach = self.window + self.delay + self.refine + 2 * self.confirm + 2
        self.count = 0

    def feed(self, ecg: np.ndarray, timestamps: np.ndarray) -> list[Bump]:
        """Take the next samples ``(samples,)``; give the bumps that they complete."""
        filtered = self.filter(ecg)
        slope = self.derive(filtered)
        new = np.stack([timestamps, ecg, filtered, slope, self.integrate(slope**2)])
        self.recent = np.concatenate([self.recent[:, -self.reach :], new], axis=1)
        self.count += len(ecg)
        return [self._bump(i) for i in self._maxima(len(ecg))]

    def _maxima(self, new: int) -> np.ndarray:
        """Where `recent` has a maximum of the integrated signal that the last `new` samples confirm."""
        height, width = self.recent[4], 2 * self.confirm + 1
        first = max(0, len(height) - new - width + 1)
        if len(height) < first + width:
            return np.empty(0, dtype=int)
        around = np.lib.stride_tricks.sliding_window_view(height[first:], width)
        middle = around[:, self.confirm]
        before, after = around[:, : self.confirm].max(axis=1), around[:, self.confirm + 1 :].max(axis=1)
        return first + self.confirm + np.flatnonzero((middle > before) & (middle >= after))

    def _bump(self, i: int) -> Bump:
        stamps, ecg, filtered, slope, height = self.recent
        start = max(0, i - self.window)
        top = start + int(np.abs(filtered[start : i + 1]).argmax())
        first = max(0, top - self.delay - self.refine)
        upright = ecg[first : top - self.delay + self.refine + 1] * np.sign(filtered[top])
        peak = first + int(upright.argmax())
        index = self.count - len(height) + i
        return Bump(index, height[i], np.abs(slope[start : i + 1]).max(), Beat(stamps[peak], ecg[peak]))


class RPeakDetector:
    """From bumps to beats. What it finds does not depend on how the samples are cut into blocks.

    Parameters
    ----------
    rate : float
        Of the ECG, in Hz.
    threshold : float
        Where between the mean height of noise (0) and that of beats (1) a bump begins to count as a beat.
    """

    def __init__(self, rate: float, threshold: float = 0.25) -> None:
        self.rate = rate
        self.threshold = threshold
        self.bumps = Bumps(rate)
        self.signal = self.noise = 0.0  # mean heights, each following its last eight or so
        self.learn_at = LEARNING * rate
        self.last: Bump | None = None
        self.intervals: list[float] = []  # s; the latest RR intervals
        self.rejected: list[Bump] = []  # since the last beat

    def feed(self, ecg: np.ndarray, timestamps: np.ndarray) -> list[Beat]:
        """Take the next samples ``(samples,)``; give the beats that are certain now, in order."""
        beats: list[Beat] = []
        for bump in self.bumps.feed(ecg, timestamps):
            beats += self._catch_up(bump.index + self.bumps.confirm)
            beats += self._judge(bump)
        return beats + self._catch_up(self.bumps.count - 1)

    def _level(self) -> float:
        return self.noise + self.threshold * (self.signal - self.noise)

    def _judge(self, bump: Bump) -> list[Beat]:
        gap = self._since_last(bump.index)
        if gap < REFRACTORY:
            return []
        if self.signal and bump.height > self._level() and not self._is_t_wave(bump):
            return [self._accept(bump, weight=0.125)]
        self.noise += 0.125 * (bump.height - self.noise)
        self.rejected.append(bump)
        return []

    def _catch_up(self, now: int) -> list[Beat]:
        """What is due by sample `now` because no beat came: look back for a missed one, or learn anew."""
        beats: list[Beat] = []
        while self.intervals and self._since_last(now) > min(LOST, MISSED * float(np.mean(self.intervals))):
            missed = [b for b in self.rejected if b.height > self._level() / 2 and not self._is_t_wave(b)]
            if not missed:
                break
            beats.append(self._accept(max(missed, key=lambda b: b.height), weight=0.25))
        while now >= self.learn_at:
            self.learn_at += LEARNING * self.rate
            beats += self._learn()
        return beats

    def _learn(self) -> list[Beat]:
        bumps, self.rejected = self.rejected, []
        self.signal, self.noise = max((b.height for b in bumps), default=0.0), 0.0
        return [beat for bump in bumps for beat in self._judge(bump)]

    def _accept(self, bump: Bump, weight: float) -> Beat:
        gap = self._since_last(bump.index)
        if gap < LOST:
            self.intervals = [*self.intervals[-7:], gap]
        self.signal += weight * (bump.height - self.signal)
        self.learn_at = bump.index + LOST * self.rate
        self.last = bump
        self.rejected = [b for b in self.rejected if self._since_last(b.index) >= REFRACTORY]
        return bump.beat

    def _since_last(self, index: int) -> float:
        return (index - self.last.index) / self.rate if self.last else np.inf

    def _is_t_wave(self, bump: Bump) -> bool:
        return self.last is not None and self._since_last(bump.index) < T_WAVE and bump.slope < self.last.slope / 2


class RPeaks(RenaScript):
    """ECG in, one sample for each R peak out: the ECG's value there, stamped with the peak's own time."""

    def init(self) -> None:
        self.rate = float(self.get_stream_info("ECG", "NominalSamplingRate"))
        self.detector = RPeakDetector(self.rate)

    def loop(self) -> None:
        if "ECG" not in self.inputs:
            return
        ecg, timestamps = self.inputs["ECG"]
        self.detector.threshold = self.params["threshold"]
        beats = self.detector.feed(ecg[:, self.params["channel"]], timestamps)
        if beats:
            self.set_output("R-peaks", [[b.amplitude] for b in beats], timestamp=[b.time for b in beats])
        self.inputs.clear_buffer()
