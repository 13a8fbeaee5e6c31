"""What a node's loop gives out: its outputs checked, stamped and sent, and what is wrong with them reported."""

from __future__ import annotations

from collections.abc import Sequence

from rena_graph.errors import OutputRefused
from rena_graph.runtime.node.compiled import SOME_LEFT, open_send, plain_senders
from rena_graph.runtime.node.loop_report import LoopReport
from rena_graph.streams.finite import NotFinite
from rena_graph.streams.outputs import Outputs
from rena_graph.transport.board import NodeColumn, Row, StreamColumn
from rena_graph.transport.interface import StreamWriter

__all__ = ["Giving"]


class Giving:
    """Sends a node's outputs.

    Parameters
    ----------
    outputs : Outputs
        What the script fills.
    writers : sequence of StreamWriter
        One an output port, in the order of `outputs.ports`.
    streams : sequence of Row
        The counters of these, likewise.
    row : Row
        The node's counters.
    report : LoopReport
        Told of what is refused.
    """

    def __init__(
        self, outputs: Outputs, writers: Sequence[StreamWriter], streams: Sequence[Row], row: Row, report: LoopReport
    ) -> None:
        self.outputs = outputs
        self.writers = tuple(writers)
        self.senders = plain_senders(outputs, self.writers)
        self._streams = tuple(streams)
        self._row = row
        self._report = report
        self._publishers = tuple(writer.publish for writer in writers)
        self._send = open_send(outputs, self.senders)
        self.failed = False
        """Whether the node is to end for what its script gave."""

    @property
    def stamps_ahead(self) -> bool:
        """Whether timestamps may be made beforehand: the kernel makes them where they go."""
        return self._send is None

    def publish(self, now: float, origin: float) -> bool:
        """Send what the script put into its outputs; whether there was anything.

        Parameters
        ----------
        now : float
            Graph time, in seconds.
        origin : float
            Of the oldest sample that they are made from; NaN where nothing is known of that.
        """
        sent = False
        if self._send is not None:
            done = self._send(now, origin)
            if done < SOME_LEFT:
                return bool(done)
            sent = done > SOME_LEFT
        return self.publish_rest(now, origin) or sent

    def publish_rest(self, now: float, origin: float) -> bool:
        """Send what the kernel leaves to Python; see :meth:`publish`."""
        sent = False
        for index, data, stamps in self.outputs.collect(now, self._refused, self._left_out):
            try:
                self._publishers[index](data, stamps, origin)
                sent = True
            except OutputRefused as refusal:
                self._refused(refusal)  # text that is too long for any ring is found out only here
        return sent

    def discard(self, now: float) -> None:
        """Send nothing of it: the input that it was made of was overtaken meanwhile."""
        self.outputs.collect(now, lambda _: None)  # what is discarded need not be right
        self._row.ints[NodeColumn.DISCARDED] += 1

    def _left_out(self, found: NotFinite) -> None:
        self._streams[found.index].add(StreamColumn.NOT_FINITE, found.count)
        self.failed = self.failed or found.fails
        self._report.not_finite(found.text, fails=found.fails)

    def _refused(self, error: OutputRefused) -> None:
        self._row.add(NodeColumn.BAD_OUTPUTS)
        self._report.output_refused(error)
