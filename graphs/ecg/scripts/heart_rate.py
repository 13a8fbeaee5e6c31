"""From R peaks to RR intervals (ms) and heart rate (beats per minute)."""

from __future__ import annotations

import numpy as np

from rena_graph import RenaScript

PLAUSIBLE = (300.0, 2000.0)  # ms; 200 down to 30 beats per minute. Outside of it a peak was missed, or was none


class HeartRate(RenaScript):
    """For each beat the interval that it ends and the mean rate of the last few, both at the beat's own time."""

    def init(self) -> None:
        self.previous: float | None = None  # time of the last beat
        self.intervals: list[float] = []  # ms; the newest last

    def loop(self) -> None:
        if "R-peaks" not in self.inputs:
            return
        intervals, rates, times = [], [], []
        for time in self.inputs.get_timestamps("R-peaks"):
            interval = self.interval_ended_by(time)
            if interval is not None:
                self.intervals = [*self.intervals, interval][-self.params["beats"] :]
                intervals.append(interval)
                rates.append(60_000 / np.mean(self.intervals))
                times.append(time)
        if times:
            self.set_output("RR", intervals, timestamp=times)
            self.set_output("Heart-rate", rates, timestamp=times)
        self.inputs.clear_buffer()

    def interval_ended_by(self, time: float) -> float | None:
        """Milliseconds since the beat before; None where that is no RR interval."""
        previous, self.previous = self.previous, time
        if previous is None:
            return None
        interval = (time - previous) * 1000
        if PLAUSIBLE[0] <= interval <= PLAUSIBLE[1]:
            return interval
        print(f"{interval:.0f} ms between two beats: left out")
        return None

    def save_state(self) -> dict:
        return {"previous": self.previous, "intervals": self.intervals}

    def load_state(self, state: dict) -> None:
        self.previous, self.intervals = state["previous"], state["intervals"]
