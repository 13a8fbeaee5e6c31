"""Runs one of the package's scripts in a ``ScriptHarness`` on made-up data and prints what it sent, as JSON.

A process of its own: such scripts import helper modules of the package, which has to be on the path then.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rena_graph.streams.spec import StreamSpec
from rena_graph.testing import ScriptHarness

EEG, MARKERS, GAZE = "Example-BioSemi-Midline", "Example-EventMarker", "Example-Eyetracking"
CHANNELS = ("FPz", "AFz", "Fz", "FCz", "Cz", "CPz", "Pz", "POz", "Oz")
START, EEG_RATE, MARKER_RATE, GAZE_RATE = 1000.0, 128.0, 75.0, 200.0
EVENT, LATENCY = 256, 38
"""Sample of the EEG at which an event stands, and samples behind it at which the response comes."""


def erp(script: Path) -> ScriptHarness:
    """Two kinds of event, with a response of another size on Cz behind each."""
    node = {
        "inputs": [EEG, MARKERS], "run_frequency": 10, "buffer_duration": 10,
        "outputs": {"ERPs": {"channels": 2}}, "params": {"ChannelToPlot": "Cz", "PlotAverage": True},
    }  # fmt: skip
    specs = {
        EEG: StreamSpec(EEG, len(CHANNELS), "float32", EEG_RATE, CHANNELS),
        MARKERS: StreamSpec(MARKERS, 1, "float32", MARKER_RATE, ("DTN",)),
    }
    eeg = np.zeros((640, len(CHANNELS)))
    eeg[EVENT + LATENCY, CHANNELS.index("Cz")] = 5.0
    eeg[EVENT + 128 + LATENCY, CHANNELS.index("Cz")] = 9.0
    markers = np.zeros((375, 1))
    markers[150], markers[225] = 1, 2
    harness = ScriptHarness(script, node, specs)
    harness.init()
    harness.feed(EEG, eeg, START + np.arange(len(eeg)) / EEG_RATE)
    harness.feed(MARKERS, markers, START + np.arange(len(markers)) / MARKER_RATE)
    return harness


def gaze(script: Path) -> ScriptHarness:
    """A gaze that rests, with a short gap in it, jumps aside, and rests again."""
    node = {
        "inputs": [GAZE], "run_frequency": 10, "buffer_duration": 10,
        "outputs": {"gap_filled_xyz": {"channels": 3}, "fixations": {"channels": 1}},
        "params": {"idt_window_size": 0.175, "dispersion_threshold_degree": 0.5},
    }  # fmt: skip
    samples = np.zeros((400, 4))
    samples[:, 2], samples[:, 3] = 1.0, 2.0
    samples[200:, 0] = 0.3
    samples[50:55] = 0.0
    harness = ScriptHarness(script, node, {GAZE: StreamSpec(GAZE, 4, "float32", GAZE_RATE)})
    harness.init()
    harness.feed(GAZE, samples, START + np.arange(len(samples)) / GAZE_RATE)
    return harness


SCENES: dict[str, Callable[[Path], ScriptHarness]] = {"erp": erp, "gaze": gaze}


def main(scene: str, script: str) -> None:
    """Run it for one loop; the script's own words go to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        harness = SCENES[scene](Path(script))
        error = None
        try:
            harness.loop()
        except Exception as raised:  # noqa: BLE001 - whatever the script raises is told
            error = f"{type(raised).__name__}: {raised}"
        sent = {name: data.tolist() for name, (data, _) in harness.outputs.items()}
        harness.cleanup()
    sys.stdout.write(json.dumps({"sent": sent, "error": error}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
