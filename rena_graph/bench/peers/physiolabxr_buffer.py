"""Times PhysioLabXR's own input buffer on the workload of row P6. Runs in its environment, without rena_graph.

Usage: ``python physiolabxr_buffer.py SECONDS_OF_WINDOW LOOPS``; prints mean, p99 and longest in microseconds as JSON.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import warnings

import numpy as np

CHANNELS, RATE, SAMPLES = 64, 2048, 34


def main(duration: float, loops: int) -> None:
    """Append and look, again and again, on a window that is full."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about optional hardware that is not installed
        from physiolabxr.utils.buffers import DataBuffer
    window = int(duration * RATE)
    buffer = DataBuffer(stream_buffer_sizes={"EEG": window})
    chunk = {
        "stream_name": "EEG",
        "frames": np.random.default_rng(0).standard_normal((CHANNELS, SAMPLES)).astype(np.float32),
        "timestamps": np.arange(SAMPLES) / RATE,
    }
    buffer.update_buffer(
        {
            "stream_name": "EEG",
            "frames": np.zeros((CHANNELS, window), np.float32),
            "timestamps": np.arange(window) / RATE,
        }
    )
    took = np.zeros(loops, np.int64)
    gc.disable()
    for k in range(loops):
        began = time.perf_counter_ns()
        buffer.update_buffer(chunk)
        seen, _ = buffer.buffer["EEG"]
        took[k] = time.perf_counter_ns() - began
    if seen.shape != (CHANNELS, window):
        sys.exit(f"the window holds {seen.shape}, not {(CHANNELS, window)}")
    result = {"mean": took.mean() / 1e3, "p99": np.percentile(took, 99) / 1e3, "longest": took.max() / 1e3}
    sys.stdout.write(json.dumps({name: float(value) for name, value in result.items()}))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
