"""One number from 0 to 1 to feed back to a participant: how much alpha there is, of alpha and theta together."""

from __future__ import annotations

import numpy as np

from rena_graph import RenaScript

THETA, ALPHA = 0, 1  # the order of the bands in Band-power
BANDS = 3


class Feedback(RenaScript):
    """``Band-power`` in, ``Feedback`` out: smoothed with a time constant of `smoothing` seconds."""

    def init(self) -> None:
        self.value: float | None = None
        self.time = 0.0

    def loop(self) -> None:
        if "Band-power" not in self.inputs:
            return
        for powers, time in zip(*self.inputs["Band-power"], strict=True):
            self.update(relative_alpha(powers), time)
        self.set_output("Feedback", self.value, timestamp=self.time)
        self.inputs.clear_buffer()

    def update(self, value: float, time: float) -> None:
        """Move towards `value`, the farther the more time has passed."""
        if self.value is None:
            self.value = value
        else:
            weight = 1 - np.exp(-(time - self.time) / self.params["smoothing"])
            self.value += weight * (value - self.value)
        self.time = time

    def save_state(self) -> dict:
        return {"value": self.value, "time": self.time}

    def load_state(self, state: dict) -> None:
        self.value, self.time = state["value"], state["time"]


def relative_alpha(powers: np.ndarray) -> float:
    """Alpha's share of alpha and theta, summed over channels; 0.5 where there is neither."""
    bands = np.reshape(powers, (BANDS, -1)).sum(axis=1)
    both = bands[ALPHA] + bands[THETA]
    return float(bands[ALPHA] / both) if both > 0 else 0.5
