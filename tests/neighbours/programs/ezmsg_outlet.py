"""ezmsg-lsl's outlet: sends a counter, so many samples at a time, for as long as it is told to.

Its one argument is a JSON object: ``name``, ``rate``, ``labels``; each line of its input is a count of samples.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import pylsl
from ezmsg.lsl.outlet import LSLOutletSettings, OutletProcessor
from ezmsg.util.messages.axisarray import AxisArray

config = json.loads(sys.argv[1])
outlet = OutletProcessor(
    settings=LSLOutletSettings(stream_name=config["name"], stream_type="EEG", assume_lsl_clock=True)
)
sent, start = 0, pylsl.local_clock()


def send(count: int) -> None:
    """The next `count` samples; the very first message makes the outlet."""
    global sent
    index = np.arange(sent, sent + count, dtype=np.float32)
    message = AxisArray(
        np.stack([index, -index], axis=1),
        dims=["time", "ch"],
        axes={
            "time": AxisArray.TimeAxis(fs=config["rate"], offset=start + sent / config["rate"]),
            "ch": AxisArray.CoordinateAxis(data=np.array(config["labels"]), dims=["ch"]),
        },
        key=config["name"],
    )
    outlet(message)
    sent += count


for line in sys.stdin:
    send(int(line))
    sys.stdout.write("sent\n")
    sys.stdout.flush()
