"""An LSL client that knows nothing of rena_graph: connects to what it is told of, and keeps all that comes.

Its one argument is a JSON object: ``predicate`` (XPath), ``outlets`` (how many to wait for), ``clocksync``,
``recover``, ``mark`` and ``count`` (samples of each outlet, ``mark`` may be null), ``again`` (whether the first channel
counts), ``path`` (where it saves, as NPZ). It says, a line each: what it is connected to, as JSON; ``marked`` when each
outlet has given `mark` samples; ``again`` when one counts from the beginning again; ``saved`` when each has given
`count`, or its standard input has ended.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import numpy as np
import pylsl

POLL = 0.005  # s
PATIENCE = 60.0  # s to find all outlets
QUIET = 1.0  # s without a sample after which no more is on its way from an outlet that is still there
LINGER = 2.0  # s after the end of the input in which what was sent until then has surely come


class Listener:
    """One outlet, and what it has sent."""

    def __init__(self, info: Any, clocksync: bool, recover: bool) -> None:
        flags = pylsl.proc_clocksync if clocksync else pylsl.proc_none
        self.inlet: Any = pylsl.StreamInlet(info, recover=recover, processing_flags=flags)
        self.info = self.inlet.info(PATIENCE)
        self.inlet.open_stream(PATIENCE)
        self.samples: list[list[Any]] = []
        self.stamps: list[float] = []
        self.ran_back = False

    def read(self) -> int:
        """Take what is there; how much it was."""
        if self.inlet is None:
            return 0
        try:
            samples, stamps = self.inlet.pull_chunk(timeout=0.0, max_samples=4096)
        except pylsl.util.LostError:
            self.inlet = None
            return 0
        if samples and self.samples and samples[-1][0] < self.samples[-1][0]:
            self.ran_back = True
        self.samples += samples
        self.stamps += stamps
        return len(stamps)

    def describe(self) -> dict[str, Any]:
        """What the outlet says of itself."""
        info = self.info
        return {
            "name": info.name(),
            "type": info.type(),
            "channels": info.channel_count(),
            "rate": info.nominal_srate(),
            "format": info.channel_format(),
            "source_id": info.source_id(),
            "labels": info.get_channel_labels(),
            "units": info.get_channel_units(),
        }


def say(line: str) -> None:
    """One line to whoever started this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def resolve(predicate: str, number: int) -> list[Any]:
    """The outlets, ordered by their source_id."""
    found = pylsl.resolve_bypred(predicate, number, PATIENCE)
    if len(found) < number:
        sys.exit(f"{len(found)} of {number} outlets with {predicate} appeared")
    return sorted(found, key=lambda info: str(info.source_id()))


def wait_for_end(over: threading.Event) -> None:
    """Set `over` when the standard input ends."""
    sys.stdin.read()
    over.set()


def listen(listeners: list[Listener], mark: int | None, count: int, again: bool) -> None:
    """Read until there is enough of each, or the standard input has ended."""
    over = threading.Event()
    threading.Thread(target=wait_for_end, args=(over,), daemon=True).start()
    heard = asked = time.monotonic()
    while True:
        new = sum([listener.read() for listener in listeners])
        least = min(len(listener.stamps) for listener in listeners)
        if mark is not None and least >= mark:
            mark = None
            say("marked")
        if again and any(listener.ran_back for listener in listeners):
            again = False
            say("again")
        now = time.monotonic()
        if not over.is_set():
            asked = now
        if new or not over.is_set():
            heard = now
        gone = all(listener.inlet is None for listener in listeners)
        drained = not new and (gone or now - heard > QUIET)
        if least >= count or (over.is_set() and (drained or now - asked > LINGER)):
            return
        if not new:
            time.sleep(POLL)


def main(config: dict[str, Any]) -> None:
    """Connect, listen, save."""
    found = resolve(config["predicate"], config["outlets"])
    listeners = [Listener(info, config["clocksync"], config["recover"]) for info in found]
    say(json.dumps([listener.describe() for listener in listeners]))
    listen(listeners, config["mark"], config["count"], config["again"])
    arrays: dict[str, Any] = {}
    for i, listener in enumerate(listeners):
        arrays[f"data_{i}"] = np.array(listener.samples)
        arrays[f"stamps_{i}"] = np.array(listener.stamps)
    np.savez(config["path"], **arrays)
    say("saved")


main(json.loads(sys.argv[1]))
