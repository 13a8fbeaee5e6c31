"""Takes the slowly changing part out of a stream, as PhysioLabXR's clutter removal does."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from rena_graph import RenaScript


class ClutterRemoval(RenaScript):
    """From the input ``in`` to the output ``out``, with the input's timestamps.

    The clutter is an exponential average that begins with the first sample: with each one, `ratio` of it stays, and
    ``1 - ratio`` comes from the sample. Parameters: `ratio`, and `channels` (indices; all where empty). A change of one
    of them begins anew.
    """

    def init(self) -> None:
        """Nothing is known yet: the clutter begins with the first sample."""
        self.settings: tuple[object, ...] = ()

    def loop(self) -> None:
        """Subtract the clutter from what is new."""
        data, timestamps = self.inputs.new("in")
        if not len(timestamps):
            return
        channels = self.params["channels"] or slice(None)
        ratio = self.params["ratio"]
        samples = data[:, channels].astype(np.float64)
        if (ratio, str(channels)) != self.settings:
            self.state = ratio * samples[:1]
            self.settings = (ratio, str(channels))
        clutter, self.state = lfilter([1 - ratio], [1, -ratio], samples, axis=0, zi=self.state)
        cleaned = np.array(data)
        cleaned[:, channels] = samples - clutter
        self.set_output("out", cleaned, timestamps)
