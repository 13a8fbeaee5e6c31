"""MNE-LSL's ``PlayerLSL``: plays a recording of a counter, again and again, until its input ends.

Its one argument is a JSON object: ``name``, ``source_id``, ``rate``, ``labels``, ``samples`` (of the recording).
"""

from __future__ import annotations

import json
import sys

import mne
import numpy as np
from mne_lsl import set_log_level
from mne_lsl.player import PlayerLSL

config = json.loads(sys.argv[1])
set_log_level("ERROR")
count = np.arange(config["samples"], dtype=np.float64)
data = np.stack([count + channel * 10_000 for channel in range(len(config["labels"]))])
raw = mne.io.RawArray(data, mne.create_info(config["labels"], config["rate"], "eeg"), verbose="ERROR")
player = PlayerLSL(raw, chunk_size=10, name=config["name"], source_id=config["source_id"])
player.start()
sys.stdout.write("plays\n")
sys.stdout.flush()
sys.stdin.read()
player.stop()
