"""What a script sees as ``self.outputs``: a dictionary of what to send after this loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.errors import OutputRefused
from rena_graph.streams.convert import OrientationRule, to_samples, to_stamps
from rena_graph.streams.finite import NotFinite, OnNan, describe, finite_rows
from rena_graph.streams.spec import StreamSpec
from rena_graph.streams.stamps import DefaultStamps

__all__ = ["OutputPort", "Outputs"]

Chunk = tuple[int, NDArray[Any], NDArray[np.float64]]


@dataclass(frozen=True)
class OutputPort:
    """One output.

    Parameters
    ----------
    name : str
        What the script calls it.
    spec : StreamSpec
        The stream it makes.
    on_nan : {'pass', 'drop', 'fail'}
        What becomes of samples that are not finite.
    """

    name: str
    spec: StreamSpec
    on_nan: OnNan = "pass"


@dataclass(frozen=True)
class _Stamped:
    """Data with the script's own timestamps."""

    data: object
    timestamp: object


class _Sender:
    """What :meth:`Outputs.collect` needs to know of one output, at hand."""

    __slots__ = ("dtype", "either_way", "index", "name", "on_nan", "seen", "spec", "stamps", "tail")

    def __init__(self, index: int, port: OutputPort, rule: OrientationRule) -> None:
        self.index = index
        self.name = port.name
        self.spec = spec = port.spec
        self.on_nan: OnNan = port.on_nan if spec.numpy_dtype.kind == "f" else "pass"
        self.seen = 0
        self.stamps = DefaultStamps(spec.rate)
        # Text is always looked into, as is what must be finite; with channels first an array is always turned.
        as_it_is = not spec.is_string and rule != "channels_first" and self.on_nan == "pass"
        self.dtype = spec.numpy_dtype if as_it_is else None
        self.tail = (spec.channels,)
        # So many rows fit both ways round, and then the channels come first.
        self.either_way = spec.channels if rule == "original" else -1


class Outputs(dict[str, Any]):
    """The outputs of a script: ``self.outputs['psd'] = values``.

    Every output is ``None``, which sends nothing, at the start of each loop.

    Parameters
    ----------
    ports : sequence of OutputPort
        One for each output.
    channels_first_rule : {'original', 'samples_first', 'channels_first'}
        Which way round an array of two dimensions is; see :func:`~rena_graph.streams.convert.to_samples`.
    node : str
        Named in refusals.
    """

    def __init__(
        self,
        ports: Sequence[OutputPort],
        *,
        channels_first_rule: OrientationRule = "samples_first",
        node: str = "",
    ) -> None:
        self.ports = tuple(ports)
        self._rule = channels_first_rule
        self._node = node
        self._senders = {port.name: _Sender(index, port, channels_first_rule) for index, port in enumerate(self.ports)}
        self.senders = tuple(self._senders.values())
        """In the order of :attr:`ports`."""
        self._all_stamps = tuple(sender.stamps for sender in self._senders.values())
        self._blank: dict[str, None] = dict.fromkeys(self._senders)
        super().__init__(self._blank)

    def set(self, name: str, data: object, timestamp: object = None) -> None:
        """Send `data` with the script's own timestamps.

        Parameters
        ----------
        name : str
            The output.
        data : object
            As assigned to ``self.outputs[name]``.
        timestamp : float or sequence of float, optional
            Seconds of graph time: one, of the newest sample, or one per sample.
        """
        self[name] = data if timestamp is None else _Stamped(data, timestamp)

    def collect(
        self,
        now: float,
        on_refused: Callable[[OutputRefused], None],
        on_not_finite: Callable[[NotFinite], None] | None = None,
    ) -> list[Chunk]:
        """Take what the script has assigned, and set all outputs back to ``None``.

        Parameters
        ----------
        now : float
            Seconds of graph time, for the stamps of chunks without any.
        on_refused : callable
            Called with an :exc:`OutputRefused` for each output that cannot be sent; the others are.
        on_not_finite : callable, optional
            Told of the samples that were left out since they are not finite and the output's ``on_nan`` says so.

        Returns
        -------
        list of (int, ndarray, ndarray)
            For each output with samples: its index in :attr:`ports`, the data ``(n, channels)``, C-contiguous and of
            exactly the stream's dtype, and the timestamps ``(n,)``. The data may be the script's own array: use it
            before the next loop.
        """
        chunks: list[Chunk] = []
        for name, value in self.items():
            if value is None:
                continue
            self[name] = None
            sender = self._senders.get(name)
            if (
                sender is not None
                and type(value) is np.ndarray
                and value.dtype is sender.dtype
                and value.shape[1:] == sender.tail
                and (count := value.shape[0])
                and count != sender.either_way
                and value.flags.c_contiguous
            ):
                # What _chunk would come to; the consumers of a stream wait for this.
                chunks.append((sender.index, value, sender.stamps.stamp(count, now)))
                continue
            try:
                chunk = self._chunk(name, sender, value, now)
                if chunk is not None and sender is not None and sender.on_nan != "pass":
                    chunk = self._finite(name, sender, chunk, on_not_finite)
            except OutputRefused as refusal:
                on_refused(refusal)
                continue
            if chunk is not None:
                chunks.append(chunk)
        if self.keys() != self._blank.keys():
            # The script took names out, or put others in.
            self.clear()
            self.update(self._blank)
        return chunks

    @property
    def reanchored(self) -> int:
        """How often default timestamps had to be moved forward to the clock, over all outputs."""
        return sum(stamps.reanchored for stamps in self._all_stamps)

    def tell_reanchored(self, name: str, told: Callable[[], None]) -> None:
        """Call this whenever default timestamps of an output had to be moved forward to the clock."""
        self._senders[name].stamps.told = told

    def go_on(self, last: Mapping[str, float]) -> None:
        """Let default timestamps follow on those that a process before this one gave: seconds, by output."""
        for name, timestamp in last.items():
            self._senders[name].stamps.note(timestamp)

    def prepare(self) -> None:
        """Do now what can be done of the next :meth:`collect`: call it when nobody waits."""
        for stamps in self._all_stamps:
            stamps.prepare()

    def _chunk(self, name: str, sender: _Sender | None, value: object, now: float) -> Chunk | None:
        if sender is None:
            raise OutputRefused(self._unknown(name))
        spec = sender.spec
        data_given, timestamp = (value.data, value.timestamp) if isinstance(value, _Stamped) else (value, None)
        try:
            if data_given is None:
                return None
            data = to_samples(data_given, spec, self._rule)
            if not len(data):
                return None
            if timestamp is None:
                return sender.index, data, sender.stamps.stamp(len(data), now)
            stamps = to_stamps(timestamp, len(data), spec.rate)
        except OutputRefused as refusal:
            raise OutputRefused(f"{self._where(name)} (stream {spec.name!r}): {refusal}") from refusal
        sender.stamps.note(float(stamps[-1]))
        return sender.index, data, stamps

    def _finite(
        self, name: str, sender: _Sender, chunk: Chunk, told: Callable[[NotFinite], None] | None
    ) -> Chunk | None:
        """What of a chunk is finite; None where nothing is, or where the node fails for the rest."""
        index, data, stamps = chunk
        first = sender.seen
        sender.seen += len(data)
        rows = finite_rows(data)
        if rows is None:
            return chunk
        fails = sender.on_nan == "fail"
        what = describe(data, stamps, rows, first, sender.spec.channel_names)
        text = f"{self._where(name)} (stream {sender.spec.name!r}): {what} of those that this process made"
        count = len(data) if fails else int(np.count_nonzero(~rows))
        if told is not None:
            told(NotFinite(index, count, text, fails))
        return None if count == len(data) else (index, data[rows], stamps[rows])

    def _where(self, name: object) -> str:
        return f"node {self._node!r}, output {name!r}" if self._node else f"output {name!r}"

    def _unknown(self, name: object) -> str:
        near = get_close_matches(str(name), self._senders, 1)
        if near:
            hint = f"did you mean {near[0]!r}?"
        else:
            hint = f"its outputs are {', '.join(map(repr, self._senders)) or 'none'}; add it to the node in the graph"
        return f"{self._where(name)}: the node has no such output; {hint}"
