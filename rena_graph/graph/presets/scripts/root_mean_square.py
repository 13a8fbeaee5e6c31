"""The root mean square of the last samples, as PhysioLabXR has it."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rena_graph import RenaScript


class RootMeanSquare(RenaScript):
    """From the input ``in`` to the output ``out``, one value for each sample, with the input's timestamps.

    Parameters: `window` (milliseconds) for samples at `rate` Hz, on `channels` (indices; all where empty). Before the
    first sample there were zeros. A change of one of them begins anew.
    """

    def init(self) -> None:
        """Nothing is known yet: the window is made by the first samples."""
        self.settings: tuple[object, ...] = ()

    def loop(self) -> None:
        """Look back over the window from each new sample."""
        data, timestamps = self.inputs.new("in")
        if not len(timestamps):
            return
        channels = self.params["channels"] or slice(None)
        settings = (self.params["window"], self.params["rate"], str(channels))
        if settings != self.settings:
            self.size = round(self.params["rate"] * self.params["window"] * 0.001)
            self.squares = np.zeros((self.size - 1, data[:, channels].shape[1]))
            self.settings = settings
        squares = np.concatenate([self.squares, np.square(data[:, channels], dtype=np.float64)])
        values = np.array(data)
        # Summed anew for each sample: a running sum would keep the rounding error of every large value.
        values[:, channels] = np.sqrt(sliding_window_view(squares, self.size, axis=0).sum(-1) / self.size)
        self.squares = squares[len(timestamps) :]
        self.set_output("out", values, timestamps)
