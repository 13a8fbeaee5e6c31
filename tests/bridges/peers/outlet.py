"""An LSL outlet in a process of its own, told over stdin what to do. It knows nothing of rena_graph."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import pylsl


def say(line: str) -> None:
    """One line to whoever started this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


config: dict[str, Any] = json.loads(sys.argv[1])
info = pylsl.StreamInfo(
    config["name"], config.get("type", "EEG"), config["channels"], config["rate"], config["format"], config["source_id"]
)
if "labels" in config:
    channels = info.desc().append_child("channels")
    for label in config["labels"]:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", config["unit"])
outlet = pylsl.StreamOutlet(info)
quiet = threading.Event()


def count() -> None:
    """The sample index in every channel, at the nominal rate, stamped evenly."""
    start, period, index = pylsl.local_clock(), 1.0 / config["rate"], 0
    while not quiet.is_set():
        outlet.push_sample([index] * config["channels"], start + index * period)
        index += 1
        quiet.wait(max(0.0, start + index * period - time.monotonic()))


say("ready")
for line in sys.stdin:
    command = json.loads(line)
    if "wait" in command:
        assert outlet.wait_for_consumers(command["wait"])
    elif "count" in command:
        threading.Thread(target=count).start()
    elif "push" in command:
        shift = pylsl.local_clock()
        outlet.push_chunk(command["push"], [shift + stamp for stamp in command["stamps"]])
    elif "raw" in command:
        outlet.push_chunk(command["raw"], command["stamps"])
    say("done")
quiet.set()
