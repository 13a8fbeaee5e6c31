"""Band-pass filter for any number of channels that goes on from loop to loop: Butterworth, causal, nothing lost."""

from __future__ import annotations

import numpy as np

from rena_graph import RenaScript

try:
    from scipy import signal
except ImportError as error:
    raise ImportError('this script filters with SciPy: pip install "rena-graph[signal]"') from error

ORDER = 4


class BandPass:
    """The filter and its state: what it gives does not depend on how the samples are cut into blocks."""

    def __init__(self, low: float, high: float, rate: float) -> None:
        self.band = (low, high)
        self.sections = signal.butter(ORDER, self.band, btype="bandpass", fs=rate, output="sos")
        self.state: np.ndarray | None = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Filter the next block ``(samples, channels)``."""
        if self.state is None:
            # As if each channel had always been at its first value: an electrode's offset of some mV would ring for
            # seconds otherwise.
            self.state = signal.sosfilt_zi(self.sections)[:, :, np.newaxis] * x[0]
        y, self.state = signal.sosfilt(self.sections, x, axis=0, zi=self.state)
        return y


class EegBandPass(RenaScript):
    """``EEG`` in, ``EEG-filtered`` out: every sample, with its own time stamp."""

    def init(self) -> None:
        self.rate = float(self.get_stream_info("EEG", "NominalSamplingRate"))
        self.band_pass = BandPass(self.params["low"], self.params["high"], self.rate)

    def loop(self) -> None:
        if "EEG" not in self.inputs:
            return
        band = (self.params["low"], self.params["high"])
        if band != self.band_pass.band:
            self.band_pass = BandPass(*band, self.rate)
            print(f"passing {band[0]:g} to {band[1]:g} Hz from here on")
        eeg, timestamps = self.inputs["EEG"]
        self.set_output("EEG-filtered", self.band_pass(eeg), timestamp=timestamps)
        self.inputs.clear_buffer()

    def save_state(self) -> dict:
        """So that a node that was killed filters on as if nothing had happened."""
        return {"band": self.band_pass.band, "state": self.band_pass.state}

    def load_state(self, state: dict) -> None:
        self.band_pass = BandPass(*state["band"], self.rate)
        self.band_pass.state = state["state"]
