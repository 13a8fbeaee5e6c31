"""One connection to one LSL outlet: its samples as arrays, its timestamps in graph time."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.bridges.base import Clock
from rena_graph.bridges.clocks import offset_between
from rena_graph.bridges.lsl_library import load_pylsl
from rena_graph.bridges.lsl_watch import SmoothOffset
from rena_graph.streams.spec import StreamSpec

__all__ = ["LslInlet", "OutletGone"]

logger = logging.getLogger(__name__)

PULL_TIMEOUT = 0.2
"""Seconds that a pull waits for the first sample."""

_PATIENCE = 3.0
"""Seconds to wait for a connection, and for the first estimate of the clock."""

_STEP = 0.25
_CLOCK_INTERVAL = 1.0
_SAME_CLOCK = 1e-3
"""Seconds; an outlet of a host with our name whose clock seems this near has our clock, and needs no correction."""

_BUFFER_BYTES = 4 << 20
_QUEUE_BYTES = 64 << 20
_QUEUE_SECONDS = 60


class OutletGone(Exception):
    """The outlet cannot be reached, or went away; `unread` samples that had arrived can no longer be read."""

    def __init__(self, unread: int = 0) -> None:
        super().__init__(unread)
        self.unread = unread


class LslInlet:
    """Reads one outlet.

    liblsl's own recovery is off: while it runs, calls block, and it comes back only for the same format and source_id.
    Timestamps are corrected to this host's clock (liblsl's ``proc_clocksync``, done here so that a lost host cannot
    block a pull) and otherwise left as the sender gave them: dejittering would move the stamps of a device that really
    pauses, and could not be undone.

    Parameters
    ----------
    info : pylsl.StreamInfo
        A resolved stream.
    spec : StreamSpec
        Of the stream, in the outlet's format.
    clock : callable
        Graph time in seconds.
    """

    def __init__(self, info: Any, spec: StreamSpec, clock: Clock) -> None:
        pylsl = load_pylsl()
        self.uid: str = info.uid()
        self.source_id: str = info.source_id()
        self._pylsl = pylsl
        self._clock = clock
        self._same_host = info.hostname() == socket.gethostname()
        self._inlet: Any = pylsl.StreamInlet(info, max_buflen=_queue(spec), recover=False)
        rows = int(min(max(1, _BUFFER_BYTES // max(1, spec.sample_bytes)), 4096))
        self._rows = rows
        self._buffer: NDArray[Any] | None = None if spec.is_string else np.empty((rows, spec.channels), spec.dtype)
        self._nothing = np.empty((0, spec.channels), spec.numpy_dtype)
        self._offset: SmoothOffset | None = None
        self._waited = 0.0
        self._next_clock = 0.0

    def info(self, timeout: float) -> Any:
        """The full description, with labels and units.

        Raises
        ------
        OutletGone
            It did not answer in `timeout` seconds.
        """
        try:
            return self._reach(lambda: self._inlet.info(timeout))
        except self._pylsl.util.TimeoutError:
            raise OutletGone from None

    def open(self, stop: threading.Event) -> None:
        """Connect; samples are kept from now on.

        Raises
        ------
        OutletGone
            No connection within some seconds, or `stop` was set.
        """
        try:
            self._patiently(self._inlet.open_stream, stop)
        except self._pylsl.util.TimeoutError:
            raise OutletGone from None
        # Asking for the clock starts its measurement, which takes 0.6 s; samples wait in liblsl's queue meanwhile.
        self._estimate(0.0)

    def pull(self, timeout: float = PULL_TIMEOUT) -> tuple[NDArray[Any], NDArray[np.float64], int]:
        """What has arrived; waits for the first sample at most `timeout` seconds.

        Returns
        -------
        data : ndarray (samples, channels)
            A view that holds until the next pull.
        timestamps : ndarray (samples,)
            Graph time in seconds.
        rejected : int
            Samples of text that was not UTF-8.

        Raises
        ------
        OutletGone
            The connection broke.
        """
        if self._offset is None and not self._first_offset():
            return self._nothing, np.empty(0), 0
        try:
            data, stamps, rejected = self._pull(timeout)
        except self._pylsl.util.LostError:
            raise OutletGone(max(0, self._inlet.flush())) from None
        # Two parts: the sender's clock, measured over the network, is followed slowly. How this host's stands to graph
        # time is known exactly, and never jumps.
        to_graph = offset_between(self._clock, self._pylsl.local_clock)
        return data, np.array(stamps, np.float64) + (self._follow_clock() + to_graph), rejected

    def close(self) -> None:
        """Let go of the connection."""
        self._inlet = None

    def _pull(self, timeout: float) -> tuple[NDArray[Any], list[float], int]:
        if self._buffer is None:
            return self._pull_text(timeout)
        return self._pull_numbers(self._buffer, timeout)

    def _pull_numbers(self, buffer: NDArray[Any], timeout: float) -> tuple[NDArray[Any], list[float], int]:
        # A pull of many waits for all of them: so one is waited for, and the rest taken as they are there.
        _, stamps = self._inlet.pull_chunk(timeout=timeout, max_samples=1, dest_obj=buffer)
        if stamps and self._rows > 1:
            _, more = self._inlet.pull_chunk(timeout=0.0, max_samples=self._rows - 1, dest_obj=buffer[1:])
            stamps = [*stamps, *more]
        return buffer[: len(stamps)], stamps, 0

    def _pull_text(self, timeout: float) -> tuple[NDArray[Any], list[float], int]:
        samples: list[list[str]] = []
        stamps: list[float] = []
        rejected = 0
        while len(samples) < self._rows:
            try:
                # One at a time: what is not UTF-8 costs one sample, not all that came with it.
                sample, stamp = self._inlet.pull_sample(timeout=timeout)
            except UnicodeDecodeError:
                rejected += 1
                continue
            if sample is None:
                break
            samples.append(sample)
            stamps.append(stamp)
            timeout = 0.0
        data = np.empty((len(samples), self._nothing.shape[1]), object)
        for i, sample in enumerate(samples):
            data[i] = sample
        return data, stamps, rejected

    def _first_offset(self) -> bool:
        """Wait a little for the first estimate of the clock; after some seconds go on without one."""
        estimate = self._estimate(PULL_TIMEOUT)
        if estimate is None:
            self._waited += PULL_TIMEOUT
            if self._waited < _PATIENCE:
                return False
            logger.warning("the clock of the LSL outlet %r could not be measured; taken for ours", self.source_id)
        self._offset = SmoothOffset(self._to_local(estimate or 0.0))
        self._next_clock = self._clock() + _CLOCK_INTERVAL
        return True

    def _follow_clock(self) -> float:
        """Seconds to add to the outlet's timestamps to get this host's LSL time; measured anew once a second."""
        assert self._offset is not None
        now = self._clock()
        if now >= self._next_clock:
            self._next_clock = now + _CLOCK_INTERVAL
            estimate = self._estimate(0.0)
            if estimate is not None and self._offset.update(self._to_local(estimate)):
                logger.warning("the clock of the LSL outlet %r jumped; its timestamps follow", self.source_id)
        return self._offset.value

    def _estimate(self, timeout: float) -> float | None:
        """What to add to the sender's clock; liblsl measures in the background. None while there is no estimate."""
        try:
            return float(self._inlet.time_correction(timeout))
        except RuntimeError as error:
            logger.debug("no clock estimate for the LSL outlet %r: %s", self.source_id, error)
            return None

    def _to_local(self, estimate: float) -> float:
        """Seconds from the sender's clock to this host's."""
        return 0.0 if self._same_host and abs(estimate) < _SAME_CLOCK else estimate

    def _patiently(self, call: Callable[[float], Any], stop: threading.Event) -> Any:
        """Make a call that takes a timeout, in steps, so that `stop` is seen. The last step's timeout is passed on."""
        for _ in range(round(_PATIENCE / _STEP) - 1):
            if stop.is_set():
                raise OutletGone
            try:
                return self._reach(lambda: call(_STEP))
            except self._pylsl.util.TimeoutError:
                continue
        return self._reach(lambda: call(_STEP))

    def _reach(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except self._pylsl.util.TimeoutError:
            raise
        except RuntimeError as error:
            # Lost, or one of liblsl's internal errors: either way this connection is over.
            logger.debug("LSL outlet %r: %s", self.source_id, error)
            raise OutletGone from None


def _queue(spec: StreamSpec) -> int:
    """``max_buflen``: seconds of a regular stream, hundreds of samples of an irregular one; bounded in bytes too."""
    samples = _QUEUE_BYTES // max(1, spec.sample_bytes)
    if spec.rate > 0:
        return int(min(max(1, samples / spec.rate), _QUEUE_SECONDS))
    return int(min(max(1, samples // 100), 360))
