"""When a node's loop may begin: what it waits for (the clock, samples, a block of them), and whether that is there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rena_graph.graph.document import EveryTrigger, NodeDef
from rena_graph.runtime.node.feed import Feed
from rena_graph.runtime.node.gate import EveryGate
from rena_graph.runtime.node.pacer import ClockPacer, DataPacer
from rena_graph.transport.interface import StreamReader

__all__ = ["Trigger"]


class Trigger:
    """What a node's ``trigger`` says, over its feeds.

    Parameters
    ----------
    definition : NodeDef
        Of the node.
    feeds : sequence of Feed
        One an input.
    """

    def __init__(self, definition: NodeDef, feeds: Sequence[Feed]) -> None:
        self._feeds = feeds
        self.on_clock = definition.trigger == "clock"
        self.delayed = tuple(f for f in feeds if f.setup.definition.delayed)
        """Those that no loop waits for: they close a cycle."""
        self.gate: EveryGate | None = None
        """Where loops begin with a block of samples."""
        self.readers: tuple[StreamReader, ...] = ()
        """Of the inputs any of which begins a loop with what is new."""
        trigger = definition.trigger
        immediate = [f for f in feeds if not f.setup.definition.delayed]
        if isinstance(trigger, EveryTrigger):
            # The graph's checks made sure that the stream is an input of this node.
            block = next(f for f in immediate if f.setup.definition.stream == trigger.stream)
            self.gate = EveryGate(block, [f for f in immediate if f is not block], trigger.every, trigger.wait)
        elif isinstance(trigger, list):
            immediate = [f for f in immediate if f.setup.definition.stream in trigger]
        if isinstance(trigger, list) or trigger == "data":
            self.readers = tuple(f.reader for f in immediate)
        self._pending: tuple[Callable[[], int], ...] = tuple(reader.pending for reader in self.readers)

    @property
    def ready(self) -> tuple[Callable[[], int], ...]:
        """Functions any of which tells of something to begin a loop with, other than the clock."""
        gate = self.gate
        return self._pending if gate is None else (lambda: int(gate.ready(math.inf)),)

    @property
    def block_ns(self) -> float:
        """Nanoseconds that a block takes to come in; 0 for an irregular stream, of which nobody knows."""
        assert self.gate is not None
        rate = self.gate.rate
        return self.gate.every * 1e9 / rate if rate else 0.0

    def next(self, pacer: ClockPacer | DataPacer, now: float) -> tuple[float, bool]:
        """When the next loop may begin, as far as is known `now` (seconds), and whether data may change that."""
        if self.on_clock:
            return pacer.deadline, False
        if self.gate is not None:
            if self.gate.ready(now):
                return pacer.deadline, False
            return self.gate.deadline, True
        for pending in self._pending:
            if pending():
                return pacer.deadline, False
        return math.inf, True

    def is_drained(self) -> bool:
        """Whether no loop could see anything new any more."""
        if self.gate is not None:
            return not self.gate.ready(math.inf)
        waiting = self._pending if not self.on_clock else [feed.reader.pending for feed in self._feeds]
        return not any(pending() for pending in waiting)
