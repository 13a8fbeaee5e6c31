"""Sends one message a loop; the last thing that ``loop()`` does is to write the time into it."""

import time

from rena_graph import RenaScript
from rena_graph.bench.payload import Payload, header_of


class Producer(RenaScript):
    """Gives the same array again and again, its header apart."""

    def init(self) -> None:
        """Make the message."""
        name, params = self.output_names[0], self.params
        channels, dtype = self.output_num_channels[name], self.get_stream_info(name, "DataType")
        payload = Payload(name, params["samples"], channels, dtype, self.run_frequency, params["messages"], 0)
        self._name = name
        self._left = payload.messages
        self._message = payload.make()
        self._header = header_of(self._message)
        self._header[0] = -1

    def loop(self) -> None:
        """One message, until all are sent."""
        if not self._left:
            return
        self._left -= 1
        self.outputs[self._name] = self._message
        header = self._header
        header[0] += 1
        header[1] = time.perf_counter_ns()
