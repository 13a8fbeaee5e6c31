"""What a peer's program is told and gives back: the messages of the hop rows. Runs without rena_graph.

A chain of processes: a source, ``hops - 1`` relays that hand on what they get, a sink. Each message is a float64 array
whose first 16 bytes are its sequence number and the monotonic nanoseconds at which it was handed to the framework.
"""

from __future__ import annotations

import json
import os
import time

import numpy as np

VARIABLE = "RENA_GRAPH_PEER_TASK"
"""The environment variable that hands the task, as JSON, to every process of a peer."""


class Task:
    """What to send, how often, through how many links, and where the sink leaves what it noted."""

    def __init__(self, text: str) -> None:
        given = json.loads(text)
        self.text = text
        self.samples: int = given["samples"]
        self.channels: int = given["channels"]
        self.rate: float = given["rate"]
        self.messages: int = given["messages"]
        self.hops: int = given["hops"]
        self.variant: str = given["variant"]
        self.settle: float = given["settle"]
        self.path: str = given["path"]

    @classmethod
    def of_environment(cls) -> Task:
        """The one that this process was given."""
        return cls(os.environ[VARIABLE])

    def message(self) -> np.ndarray:
        """Shape ``(samples, channels)``."""
        return np.random.default_rng(0).standard_normal((self.samples, self.channels))


def stamp(message: np.ndarray, number: int) -> None:
    """Write the header, the last thing before the message is handed over."""
    header = message.reshape(-1)[:2].view(np.int64)
    header[0] = number
    header[1] = time.perf_counter_ns()


class Sink:
    """Notes sequence number, time sent and time of arrival of every message."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._rows: list[tuple[int, int, int]] = []

    def add(self, message: np.ndarray) -> None:
        """One arrived."""
        now = time.perf_counter_ns()
        header = np.ascontiguousarray(message).reshape(-1)[:2].view(np.int64)
        self._rows.append((int(header[0]), int(header[1]), now))

    def save(self) -> None:
        """Leave the result, whole or not at all."""
        np.save(self._task.path + ".part.npy", np.array(self._rows, np.int64).reshape(-1, 3))
        os.replace(self._task.path + ".part.npy", self._task.path)


class Pacer:
    """Absolute deadlines; a rate of 0 is as fast as it goes."""

    def __init__(self, rate: float) -> None:
        self._period = int(1e9 / rate) if rate else 0
        self._next = time.perf_counter_ns()

    def delay(self) -> float:
        """Seconds until the next message is due."""
        if not self._period:
            return 0.0
        self._next += self._period
        return max(0.0, (self._next - time.perf_counter_ns()) / 1e9)
