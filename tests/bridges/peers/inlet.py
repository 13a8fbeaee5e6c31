"""An LSL client in a process of its own: connects, says what it found, collects samples."""

from __future__ import annotations

import json
import sys
import time

import pylsl


def say(line: str) -> None:
    """One line to whoever started this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


name, wanted, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
(found, *_) = pylsl.resolve_byprop("name", name, 1, 60)
inlet = pylsl.StreamInlet(found)
info = inlet.info(60)
inlet.open_stream(60)
say(
    json.dumps(
        {
            "name": info.name(),
            "type": info.type(),
            "channels": info.channel_count(),
            "rate": info.nominal_srate(),
            "format": info.channel_format(),
            "source_id": info.source_id(),
            "labels": info.get_channel_labels(),
            "units": info.get_channel_units(),
        }
    ),
)
samples: list[list[object]] = []
stamps: list[float] = []
deadline = time.monotonic() + seconds
while len(stamps) < wanted and time.monotonic() < deadline:
    chunk, times = inlet.pull_chunk(timeout=0.2)
    samples += chunk
    stamps += times
say(json.dumps({"samples": samples, "stamps": stamps}))
