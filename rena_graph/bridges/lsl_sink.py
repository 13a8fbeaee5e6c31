"""A stream of the graph as an LSL outlet."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rena_graph.bridges.base import Clock, SinkBridge
from rena_graph.bridges.clocks import offset_between
from rena_graph.bridges.lsl_format import FORMAT_CODES, MOST_LABELS, check_dtype, lsl_unit
from rena_graph.bridges.lsl_library import load_pylsl
from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.document import LslSink
from rena_graph.streams.spec import StreamSpec

__all__ = ["LslSinkBridge", "source_id"]

_LINGER = 0.3
"""Seconds between the last push and the outlet's end: liblsl then throws away what its clients have not got."""

_QUEUE_BYTES = 256 << 20
_QUEUE_SECONDS = 360


def source_id(graph: str, stream: str, instance: str | None) -> str:
    """The same at each start of a graph, so that clients find their stream again; different for two instances."""
    return f"rena_graph:{graph}:{stream}" + (f":{instance}" if instance else "")


class LslSinkBridge(SinkBridge):
    """Pushes a stream to an LSL outlet, each sample with its own timestamp on this host's LSL clock.

    Parameters
    ----------
    spec, clock
        See :class:`SinkBridge`.
    sink : LslSink
        Name (the stream's where left out) and type.
    graph, instance : str
        See :func:`source_id`.

    Raises
    ------
    StreamFormatError
        LSL cannot carry the stream's dtype.
    """

    refusals: ClassVar[tuple[type[Exception], ...]] = (RuntimeError, ValueError, TypeError)

    def __init__(
        self, spec: StreamSpec, sink: LslSink, clock: Clock, *, graph: str, instance: str | None = None
    ) -> None:
        super().__init__(spec, clock)
        check_dtype(spec.name, spec.dtype)
        self._pylsl = load_pylsl()
        self.name = sink.name or spec.name
        self.type = sink.type
        self.source_id = source_id(graph, spec.name, instance)
        self._outlet: Any = None
        self._pushed = float("-inf")

    def prepare(self) -> None:
        """Make the outlet: others find it from now on."""
        if self._outlet is not None:
            return
        try:
            self._outlet = self._pylsl.StreamOutlet(self._info(), chunk_size=0, max_buffered=_queue(self.spec))
        except RuntimeError as error:
            raise EnvironmentRefused(
                f"stream {self.spec.name!r}: no LSL outlet {self.name!r} can be made: {error}. "
                "`rena-graph doctor` checks whether LSL works on this machine"
            ) from error

    def send(self, data: NDArray[Any], timestamps: NDArray[np.float64]) -> None:
        """Push one chunk."""
        self.prepare()
        # Nothing on the coordinator's host, whose clock graph time is; elsewhere it changes all the time, a little.
        stamps = (timestamps + offset_between(self._pylsl.local_clock, self.clock)).tolist()
        self._outlet.push_chunk(data.tolist() if self.spec.is_string else data, stamps)
        self._pushed = self._monotonic()

    def close(self) -> None:
        """Take the outlet off the network, after its clients had a moment to get the last samples."""
        if self._outlet is None:
            return
        left = self._pushed + _LINGER - self._monotonic()
        if left > 0 and self._outlet.have_consumers():
            threading.Event().wait(left)
        self._outlet = None

    def _info(self) -> Any:
        spec = self.spec
        info = self._pylsl.StreamInfo(
            self.name, self.type, spec.channels, spec.rate, FORMAT_CODES[spec.dtype], self.source_id
        )
        description = info.desc()
        description.append_child_value("manufacturer", "rena_graph")
        if spec.channels <= MOST_LABELS and (spec.channel_names or spec.unit or self.type):
            channels = description.append_child("channels")
            for i in range(spec.channels):
                channel = channels.append_child("channel")
                if spec.channel_names:
                    channel.append_child_value("label", spec.channel_names[i])
                if spec.unit:
                    channel.append_child_value("unit", lsl_unit(spec.unit))
                if self.type:
                    channel.append_child_value("type", self.type)
        return info


def _queue(spec: StreamSpec) -> int:
    """``max_buffered``: what is kept for a slow client, in seconds, or hundreds of samples of an irregular stream."""
    samples = _QUEUE_BYTES // max(1, spec.sample_bytes)
    if spec.rate > 0:
        return int(min(max(1, samples / spec.rate), _QUEUE_SECONDS))
    return int(min(max(1, samples // 100), _QUEUE_SECONDS))
