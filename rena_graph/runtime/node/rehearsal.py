"""Going through a loop's motions without effect, so that its code and data are in the caches when it counts.

After some milliseconds of sleep each Python function on a chunk's way costs ten times what it costs when it has just
run. A node that is awake before its data comes (``spin``) uses the time to run them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.errors import OutputRefused
from rena_graph.runtime.node.feed import Feed
from rena_graph.streams.outputs import Outputs
from rena_graph.transport.interface import StreamWriter

__all__ = ["Rehearsal"]


class Rehearsal:
    """What a loop does around its script, as far as that can be undone or has no effect. The script is not called.

    Parameters
    ----------
    feeds : sequence of Feed
        Of the node.
    outputs : Outputs
        Of the node, which is left alone: what is collected here is another's.
    writers : sequence of StreamWriter
        One an output; they are given nothing to publish.
    clock : callable
        Seconds of graph time.
    """

    def __init__(
        self, feeds: Sequence[Feed], outputs: Outputs, writers: Sequence[StreamWriter], clock: Callable[[], float]
    ) -> None:
        self._feeds = tuple(feeds)
        self._clock = clock
        self._ports = tuple(port for port in outputs.ports if not port.spec.is_string)
        self._stand_in = Outputs(self._ports)
        self._values: list[NDArray[Any]] = [
            np.zeros((1, port.spec.channels), port.spec.numpy_dtype) for port in self._ports
        ]
        self._publishers = tuple(writer.publish for writer in writers if not writer.spec.is_string)
        self._no_stamps = np.empty(0)

    def __call__(self) -> None:
        """Once, when nobody waits."""
        for feed in self._feeds:
            feed.rehearse()
        outputs = self._stand_in
        for port, value in zip(self._ports, self._values, strict=True):
            outputs[port.name] = value
        for index, value, _ in outputs.collect(self._clock(), _never):
            self._publishers[index](value[:0], self._no_stamps)


def _never(refusal: OutputRefused) -> None:
    raise refusal
