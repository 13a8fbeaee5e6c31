"""Notes when each message arrived; the first thing that ``loop()`` does is to look at the clock."""

import time

import numpy as np

from rena_graph import RenaScript
from rena_graph.bench.payload import HEADER_BYTES


class Consumer(RenaScript):
    """Keeps sequence number, time sent and time of arrival of every message, and saves them at the end."""

    def init(self) -> None:
        """Memory for all of them."""
        self._name = self.input_names[0]
        self._times = np.zeros((self.params["messages"], 3), np.int64)
        self._received = 0
        self._samples = self.params["samples"]
        itemsize = np.dtype(self.get_stream_info(self._name, "DataType")).itemsize
        self._head = HEADER_BYTES // itemsize

    def loop(self) -> None:
        """All messages that are new, usually one."""
        now = time.perf_counter_ns()
        if self._name not in self.inputs:  # on the clock it may run before anything came
            return
        data, _ = self.inputs.new(self._name)
        for first in range(0, len(data), self._samples):
            number, sent = data[first : first + self._samples].reshape(-1)[: self._head].view(np.int64)
            self._times[self._received] = number, sent, now
            self._received += 1

    def cleanup(self) -> None:
        """Leave the result for the starter."""
        np.save(self.params["path"], self._times[: self._received])
