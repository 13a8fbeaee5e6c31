"""Takes one frequency out of a stream, as PhysioLabXR's notch filter does."""

from __future__ import annotations

import numpy as np
from scipy.signal import iirnotch, lfilter

from rena_graph import RenaScript


class Notch(RenaScript):
    """From the input ``in`` to the output ``out``, with the input's timestamps.

    Parameters: `frequency` (Hz) and the quality factor `quality`, for samples at `rate` Hz, on `channels` (indices;
    all where empty). A change of one of them begins the filter anew.
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
        settings = (self.params["frequency"], self.params["quality"], self.params["rate"], str(channels))
        if settings != self.settings:
            self.b, self.a = iirnotch(self.params["frequency"], self.params["quality"], fs=self.params["rate"])
            self.state = np.zeros((len(self.b) - 1, data[:, channels].shape[1]))
            self.settings = settings
        filtered = np.array(data)
        filtered[:, channels], self.state = lfilter(self.b, self.a, data[:, channels], axis=0, zi=self.state)
        self.set_output("out", filtered, timestamps)
