"""Power of an EEG in some frequency bands, over a window that slides along with the signal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rena_graph import RenaScript


def band_powers(eeg: np.ndarray, rate: float, bands: Sequence[tuple[float, float]]) -> np.ndarray:
    """Power of each channel in each band, from one Hann-windowed periodogram.

    Parameters
    ----------
    eeg : array, shape (samples, channels)
    rate : float
        In Hz.
    bands : sequence of (low, high)
        In Hz; the upper edge is left to the next band.

    Returns
    -------
    array, shape (bands, channels)
        In the EEG's unit, squared.
    """
    window = np.hanning(len(eeg) + 1)[:-1, np.newaxis]  # periodic, as spectra want it
    spectrum = np.abs(np.fft.rfft((eeg - eeg.mean(axis=0)) * window, axis=0)) ** 2
    density = 2 * spectrum / (rate * (window**2).sum())  # one-sided: all but 0 Hz and rate / 2 counts twice
    frequencies = np.fft.rfftfreq(len(eeg), 1 / rate)
    inside = [(frequencies >= low) & (frequencies < high) for low, high in bands]
    return np.stack([density[band].sum(axis=0) for band in inside]) * frequencies[1]


class BandPower(RenaScript):
    """``EEG-filtered`` in; out, each loop, the powers of its last `window` seconds: band by band, all channels.

    The input is never cleared: the input buffer itself is the sliding window.
    """

    def init(self) -> None:
        self.rate = float(self.get_stream_info("EEG-filtered", "NominalSamplingRate"))
        self.end = -np.inf  # time of the newest sample in the last window

    def loop(self) -> None:
        if "EEG-filtered" not in self.inputs:
            return
        eeg, timestamps = self.inputs["EEG-filtered"]
        samples = round(self.params["window"] * self.rate)
        if len(eeg) < samples or timestamps[-1] <= self.end:
            return  # too little yet, or nothing new
        self.end = timestamps[-1]
        powers = band_powers(eeg[-samples:], self.rate, self.params["bands"])
        self.set_output("Band-power", powers.ravel(), timestamp=self.end)
