"""An LSL outlet in a process of its own: sines at whole frequencies, sent in real time once somebody listens."""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray

CHANNELS = 9
RATE = 128.0
FREQUENCIES = (2.0, 6.0, 10.0, 20.0, 50.0)
"""Hz, of which each second holds whole periods, far apart: so that a second's spectrum does not depend on its phase."""


def sines(samples: int) -> NDArray[np.float64]:
    """``(samples, channels)``; each channel has other amplitudes."""
    time_ = np.arange(samples)[:, None, None] / RATE
    amplitudes = 1.0 + np.arange(CHANNELS)[:, None] * 0.5 + np.arange(len(FREQUENCIES))
    phases = np.arange(CHANNELS)[:, None] * 0.3
    waves = amplitudes * np.sin(2 * np.pi * np.array(FREQUENCIES) * time_ + phases)
    return np.asarray(waves.sum(-1))


def main(name: str, seconds: float) -> None:
    """Send, stamped evenly; stay for as long as standard input is open."""
    import pylsl

    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "EEG", CHANNELS, RATE, "float32", f"{name}-tests"))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if not outlet.wait_for_consumers(60):
        return
    data = sines(int(seconds * RATE)).astype(np.float32)
    start, sent = pylsl.local_clock(), 0
    while sent < len(data):
        due = min(len(data), int((pylsl.local_clock() - start) * RATE))
        if due > sent:
            outlet.push_chunk(data[sent:due].tolist(), start + due / RATE)
            sent = due
        time.sleep(0.01)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
