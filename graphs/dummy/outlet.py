"""Sends the stream Dummy-8Chan over LSL, as an amplifier would: run it in a terminal of its own.

Channel 0 is the sample's index, so that whoever receives the stream can tell what was lost or came twice; channel k is
a sine of k Hz.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pylsl

CHANNELS = 8
RATE = 250.0  # Hz
LINGER = 0.5  # s; the outlet's end cuts off what is still on its way


def samples(first: int, count: int) -> np.ndarray:
    """The samples from index `first` on, ``(count, CHANNELS)`` float32."""
    index = np.arange(first, first + count, dtype=np.float64)[:, np.newaxis]
    data = np.sin(2 * np.pi * np.arange(CHANNELS) * index / RATE)
    data[:, 0] = index[:, 0]
    return data.astype(np.float32)


def make_outlet(name: str) -> pylsl.StreamOutlet:
    """An outlet with labels and units; its source id lets clients recover when this program is started again."""
    info = pylsl.StreamInfo(name, "EEG", CHANNELS, RATE, pylsl.cf_float32, source_id=f"rena-graph-outlet-{name}")
    channels = info.desc().append_child("channels")
    for k in range(CHANNELS):
        channel = channels.append_child("channel")
        channel.append_child_value("label", f"Ch{k}")
        channel.append_child_value("unit", "uV")
        channel.append_child_value("type", "EEG")
    return pylsl.StreamOutlet(info)


def send(outlet: pylsl.StreamOutlet, seconds: float) -> int:
    """Push sample i at start + i / RATE, however long each push takes; gives how many were pushed."""
    start = pylsl.local_clock()
    total = round(min(seconds * RATE, 1e15))
    sent = 0
    while sent < total:
        time.sleep(max(0.0, start + sent / RATE - pylsl.local_clock()))
        due = min(total, int((pylsl.local_clock() - start) * RATE) + 1)
        if due > sent:
            stamps = start + np.arange(sent, due) / RATE
            outlet.push_chunk(samples(sent, due - sent), stamps.tolist())
            sent = due
    return sent


def main() -> None:
    """Read the command line and send."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="Dummy-8Chan", help="name of the LSL stream (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="how long to send (default: until Ctrl-C)")
    parser.add_argument("--wait", action="store_true", help="send nothing until somebody listens")
    arguments = parser.parse_args()
    outlet = make_outlet(arguments.name)
    print(f"{arguments.name}: {CHANNELS} channels at {RATE:g} Hz", flush=True)
    try:
        while arguments.wait and not outlet.wait_for_consumers(1.0):
            pass
        sent = send(outlet, arguments.seconds)
    except KeyboardInterrupt:
        return
    time.sleep(LINGER)
    print(f"sent {sent} samples", flush=True)


if __name__ == "__main__":
    main()
