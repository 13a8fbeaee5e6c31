"""MNE-LSL's ``StreamLSL`` on an outlet: says what it makes of it, takes so many samples, and saves them.

Its one argument is a JSON object: ``name``, ``source_id``, ``samples``, ``path`` (an NPZ file).
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from mne_lsl import set_log_level
from mne_lsl.stream import StreamLSL

PATIENCE = 60.0  # s


def say(line: str) -> None:
    """One line to whoever started this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


config = json.loads(sys.argv[1])
set_log_level("WARNING")
stream = StreamLSL(bufsize=30, name=config["name"], source_id=config["source_id"])
stream.connect(acquisition_delay=0.05, processing_flags=None, timeout=PATIENCE)
say(
    json.dumps(
        {
            "names": stream.ch_names,
            "types": stream.get_channel_types(),
            "units": [int(unit) for _, unit in stream.get_channel_units()] if stream.info["sfreq"] else [],
            "rate": stream.info["sfreq"],
            "dtype": np.dtype(stream.dtype).name,
            "type": stream.stype,
            "source_id": stream.source_id,
        }
    )
)
deadline = time.monotonic() + PATIENCE
while stream.n_new_samples < config["samples"] and time.monotonic() < deadline:
    time.sleep(0.05)
wanted = min(stream.n_new_samples, config["samples"])
data, stamps = stream.get_data()
filled = stamps > 0  # what has not come yet is zero
np.savez(config["path"], data=data[:, filled], stamps=stamps[filled])
stream.disconnect()
say("saved")
