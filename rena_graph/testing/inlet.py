"""One input of a script under test: takes a test's arrays, and hands them on by a node's own rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rena_graph.errors import OutputRefused, UsageError
from rena_graph.runtime.node.feed import Feed
from rena_graph.runtime.node.parts import make_port
from rena_graph.runtime.setup import InputSetup
from rena_graph.script import Conventions
from rena_graph.streams.convert import to_samples, to_stamps
from rena_graph.streams.stamps import DefaultStamps
from rena_graph.testing.clock import FakeClock
from rena_graph.testing.memory import MemoryStream
from rena_graph.transport.board import EdgeColumn

__all__ = ["Inlet"]

_DROPPED = tuple(column for column in EdgeColumn if column.name.startswith("DROPPED_"))


class Inlet:
    """A stream in memory, with a node's :class:`~rena_graph.runtime.node.feed.Feed` at its end.

    Parameters
    ----------
    setup : InputSetup
        The edge, as a node is told of it.
    buffer_duration : float
        Seconds that the window holds.
    conventions : Conventions
        How the script is handed its data.
    clock : FakeClock
        For samples that are fed without timestamps.
    """

    def __init__(self, setup: InputSetup, buffer_duration: float, conventions: Conventions, clock: FakeClock) -> None:
        self.name = setup.definition.name
        self.spec = setup.port.spec
        self._clock = clock
        policy = setup.definition.policy
        port = make_port(setup, buffer_duration, conventions)
        self._stream = MemoryStream(self.spec, setup.port.capacity, clock.now)
        # Nobody writes while a loop runs, so that there is nobody to wait: "block" is "fifo" here.
        reader = self._stream.reader("latest" if policy == "latest" else "fifo")
        self._row = reader.row
        self.feed_in = Feed(setup, reader, port, reader.row)
        self._irregular = DefaultStamps(0.0)
        self._last: float | None = None

    def feed(self, data: object, timestamps: object = None) -> None:
        """Let samples arrive: the next loop sees them.

        Parameters
        ----------
        data : array-like, shape (samples, channels)
            Or one sample ``(channels,)``; of a stream of one channel also ``(samples,)``.
        timestamps : array-like or float, optional
            One per sample, or that of the newest. Where left out each is 1/rate after the one before, the first now;
            of an irregular stream all are now.

        Raises
        ------
        UsageError
            The stream cannot carry this.
        """
        try:
            samples = np.array(to_samples(data, self.spec, "samples_first"))
            count = len(samples)
            if not count:
                return
            stamps = self._stamps(count) if timestamps is None else to_stamps(timestamps, count, self.spec.rate)
        except OutputRefused as refusal:
            raise UsageError(f"what was fed to input {self.name!r} does not fit: {refusal}") from refusal
        self._last = float(stamps[-1])
        self._irregular.note(self._last)
        self._stream.writer.publish(samples, stamps)

    def _stamps(self, count: int) -> NDArray[np.float64]:
        now, rate = self._clock.now(), self.spec.rate
        if rate == 0:
            return self._irregular.stamp(count, now)
        # Never anchored anew, as a node's own stamps are: a source is as late as its test feeds it.
        first = now if self._last is None else self._last + 1 / rate
        return first + np.arange(count) / rate

    @property
    def pending(self) -> int:
        """Samples that no loop has seen yet."""
        return self.feed_in.reader.pending()

    @property
    def dropped(self) -> int:
        """Samples that no loop saw or will see."""
        return sum(self._row.ints[column] for column in _DROPPED)

    @property
    def lost(self) -> int:
        """Those of them that the graph did not ask to be passed over (policy ``latest``, ``on_nan``)."""
        meant = (EdgeColumn.DROPPED_LATEST, EdgeColumn.DROPPED_NAN)
        return self.dropped - sum(self._row.ints[column] for column in meant)

    def why_lost(self) -> str:
        """What to tell the test's author about :attr:`lost`."""
        return (
            f"{self.lost} samples fed to input {self.name!r} left its window of {self.feed_in.port.buffer.window} "
            f"before a loop could see them; feed less between two loops, use play(), or, where it is meant, allow_loss"
        )
