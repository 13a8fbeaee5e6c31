"""The nodes of :mod:`timeflux_chain`, which timeflux loads by name. Runs in timeflux's environment."""

from __future__ import annotations

import numpy as np
import pandas as pd
from timeflux.core.exceptions import WorkerInterrupt
from timeflux.core.node import Node
from workload import Sink, Task, stamp

_TAIL = 2.0
"""Seconds that the source goes on after its last message."""


class Source(Node):
    """One message a tick of its graph."""

    def __init__(self) -> None:
        self._task = task = Task.of_environment()
        self._message = task.message()
        self._stamps = pd.date_range("2020-01-01", periods=task.samples, freq="1ms")
        ticks = task.rate or 2000.0
        self._wait, self._tail, self._sent = int(task.settle * ticks), int(_TAIL * ticks), 0

    def update(self) -> None:
        """One tick."""
        if self._wait:
            self._wait -= 1
        elif self._sent < self._task.messages:
            message = self._message.copy()
            stamp(message, self._sent)
            self._sent += 1
            self.o.data = pd.DataFrame(message, index=self._stamps)
            self.o.meta = {}
        elif self._tail:
            self._tail -= 1
        else:
            raise WorkerInterrupt("done")


class End(Node):
    """Notes what arrives: all since the last tick, in one piece."""

    def __init__(self) -> None:
        task = Task.of_environment()
        self._sink, self._samples = Sink(task), task.samples

    def update(self) -> None:
        """One tick."""
        if self.i.ready():
            values = self.i.data.to_numpy()
            for first in range(0, len(values), self._samples):
                self._sink.add(np.ascontiguousarray(values[first]))

    def terminate(self) -> None:
        """Leave the result."""
        self._sink.save()
