"""A Butterworth low, high or band pass, as PhysioLabXR has them."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, lfilter

from rena_graph import RenaScript


class Butterworth(RenaScript):
    """From the input ``in`` to the output ``out``, with the input's timestamps.

    Parameters: `band` (lowpass, highpass or bandpass), its `edges` (Hz; one, of a band pass two), `order`, for samples
    at `rate` Hz, on `channels` (indices; all where empty). A change of one of them begins the filter anew.
    """

    def init(self) -> None:
        """Nothing is known yet: the filter is made by the first samples."""
        self.settings: tuple[object, ...] = ()

    def loop(self) -> None:
        """Filter what is new."""
        data, timestamps = self.inputs.new("in")
        if not len(timestamps):
            return
        channels = self.params["channels"] or slice(None)
        band, edges, order, rate = (self.params[name] for name in ("band", "edges", "order", "rate"))
        settings = (band, str(edges), order, rate, str(channels))
        if settings != self.settings:
            cutoff = edges if band == "bandpass" else edges[0]
            # As transfer function, not in second-order sections: the original's results, also where those are unstable.
            self.b, self.a = butter(order, cutoff, btype=band, fs=rate)
            self.state = np.zeros((len(self.a) - 1, data[:, channels].shape[1]))
            self.settings = settings
        filtered = np.array(data)
        filtered[:, channels], self.state = lfilter(self.b, self.a, data[:, channels], axis=0, zi=self.state)
        self.set_output("out", filtered, timestamps)
