"""ezmsg-lsl's inlet on an outlet: takes so many samples, and saves them with what it makes of the stream.

Its one argument is a JSON object: ``name``, ``samples``, ``path`` (an NPZ file).
"""

from __future__ import annotations

import json
import sys
from typing import Any

import ezmsg.core as ez
import numpy as np
import pylsl
from ezmsg.lsl.inlet import LSLInfo, LSLInletProducer, LSLInletSettings

config = json.loads(sys.argv[1])
ez.logger.setLevel("WARNING")  # it logs to stdout


def main() -> None:
    """Pull until there are enough."""
    settings = LSLInletSettings(info=LSLInfo(name=config["name"]), use_lsl_clock=True, processing_flags=pylsl.proc_none)
    producer = LSLInletProducer(settings=settings)
    pieces: list[Any] = []
    while sum(map(len, pieces)) < config["samples"]:
        message = producer()
        if message is not None and message.data.size:
            pieces.append(message.data)
            last = message
    channels = last.axes["ch"].data
    labels = channels["label"] if channels.dtype.names else channels
    rate = 1 / last.axes["time"].gain
    np.savez(config["path"], data=np.concatenate(pieces), labels=np.array(labels, dtype=str), rate=rate)
    sys.stdout.write(f"saved {last.key} {last.dims}\n")


main()
