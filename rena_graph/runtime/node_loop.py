"""A node's life between start and stop: wait, take in, ``loop()``, give out, count. No Ray, no sockets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from rena_graph.errors import OutputRefused
from rena_graph.graph.document import EveryTrigger, NodeDef
from rena_graph.runtime.clock import Clock
from rena_graph.runtime.feed import EveryGate, Feed
from rena_graph.runtime.pacer import ClockPacer, DataPacer
from rena_graph.script import RenaScript
from rena_graph.streams.inputs import Inputs
from rena_graph.streams.outputs import Outputs
from rena_graph.transport.board import EdgeColumn, NodeColumn, Row
from rena_graph.transport.histogram import bucket_of
from rena_graph.transport.interface import StreamWriter, Waiter

__all__ = ["BEAT", "LoopReport", "NodeLoop", "release_edges"]

BEAT = 0.25
"""Seconds between the signs of life of a node that waits."""


class LoopReport(Protocol):
    """What a loop tells to the outside, besides its counters."""

    def loop_failed(self, error: BaseException, loops: int) -> bool:
        """The script raised; returns whether to go on."""
        ...

    def output_refused(self, error: OutputRefused) -> None:
        """A value was not fit for its stream."""
        ...


class NodeLoop:
    """Runs one script.

    Parameters
    ----------
    script : RenaScript
        Already initialised.
    definition : NodeDef
        Trigger and rates.
    inputs : Inputs
        What the script sees.
    feeds : sequence of Feed
        One an input.
    outputs : Outputs
        What the script fills.
    writers : sequence of StreamWriter
        One an output port, in the order of `outputs.ports`.
    waiter : Waiter
        Wakes on the triggering inputs.
    row : Row
        The node's counters.
    clock : Clock
        Paces and stamps.
    report : LoopReport
        Told of errors.
    before_loop : callable
        Applies what was asked for meanwhile (parameters, rates, pause, stop); called when the doorbell may have rung.
    """

    def __init__(
        self,
        *,
        script: RenaScript,
        definition: NodeDef,
        inputs: Inputs,
        feeds: Sequence[Feed],
        outputs: Outputs,
        writers: Sequence[StreamWriter],
        waiter: Waiter,
        row: Row,
        clock: Clock,
        report: LoopReport,
        before_loop: Callable[[], None],
    ) -> None:
        self._script = script
        self._inputs = inputs
        self._feeds = tuple(feeds)
        self._outputs = outputs
        self._writers = tuple(writers)
        self._waiter = waiter
        self._row = row
        self._clock = clock
        self._report = report
        self._before_loop = before_loop
        self._info = script.loop_info
        self._loop_times = row.histogram(0)
        self._lateness = row.histogram(1)
        self._ages = row.histogram(2)
        self._viewed = tuple(f for f in self._feeds if f.viewed)
        self._gate: EveryGate | None = None
        self._triggers: tuple[Feed, ...] = ()
        self._on_clock = definition.trigger == "clock"
        self._pacer: ClockPacer | DataPacer = DataPacer(definition.frequency)
        self._set_trigger(definition)
        self.paused = False
        self.draining = False
        self.stopped = False
        self._stop_at = math.inf
        row.floats[NodeColumn.FREQUENCY] = definition.frequency

    def _set_trigger(self, definition: NodeDef) -> None:
        trigger = definition.trigger
        immediate = [f for f in self._feeds if not f.setup.definition.delayed]
        if isinstance(trigger, EveryTrigger):
            # The graph's checks made sure that the stream is an input of this node.
            block = next(f for f in immediate if f.setup.definition.stream == trigger.stream)
            self._gate = EveryGate(block, [f for f in immediate if f is not block], trigger.every, trigger.wait)
        elif isinstance(trigger, list):
            self._triggers = tuple(f for f in immediate if f.setup.definition.stream in trigger)
        elif trigger == "data":
            self._triggers = tuple(immediate)

    # -- what may be asked while it runs -------------------------------------------------------------
    def set_frequency(self, frequency: float) -> None:
        """Run at another rate from the next deadline on."""
        self._pacer.set_frequency(frequency, self._clock.now())
        self._row.floats[NodeColumn.FREQUENCY] = frequency

    def resume(self) -> None:
        """Go on after a pause."""
        self.paused = False
        self._pacer.restart(self._clock.now())

    def drain(self, within: float) -> None:
        """Go on until nothing is left to read, but at most so many seconds, then stop."""
        self.draining = True
        self._stop_at = self._clock.now() + within

    # -- the loop ------------------------------------------------------------------------------------
    def run(self, start: float) -> None:
        """Loop until stopped. `start` is the graph time of the clock's first tick."""
        if self._on_clock:
            self._pacer = ClockPacer(self._pacer.frequency, start)
        row = self._row.ints
        clock = self._clock
        while True:
            self._before_loop()
            now = clock.now()
            row[NodeColumn.BEAT_NS] = clock.now_ns()
            if self.stopped or (self.draining and (self._drained() or now >= self._stop_at)):
                return
            wake_at, on_data = self._next(now)
            if wake_at <= now:
                self._one_loop(now)
            else:
                self._waiter.wait(min(wake_at, now + BEAT), on_data)

    def _next(self, now: float) -> tuple[float, bool]:
        """When the next loop may begin, as far as is known now, and whether data may change that."""
        if self.paused:
            return math.inf, False
        if self._on_clock:
            return self._pacer.deadline, False
        if self._gate is not None:
            if self._gate.ready(now):
                return self._pacer.deadline, False
            return self._gate.deadline, True
        for feed in self._triggers:
            if feed.reader.pending():
                return self._pacer.deadline, False
        return math.inf, True

    def _drained(self) -> bool:
        """Whether no loop could see anything new any more (also when paused: nobody will look)."""
        if self.paused:
            return True
        if self._gate is not None:
            return not self._gate.ready(math.inf)
        feeds = self._triggers if not self._on_clock else self._feeds
        return not any(f.reader.pending() for f in feeds)

    def _one_loop(self, now: float) -> None:
        row, clock = self._row.ints, self._clock
        began = clock.now_ns()
        if self._on_clock:
            self._lateness[bucket_of(int((now - self._pacer.deadline) * 1e9))] += 1
        skipped = self._pacer.begin(now)
        if skipped:
            row[NodeColumn.SKIPPED] += skipped
        origin = self._take()
        self._inputs.begin_loop()
        self._info.begin(now)
        took = self._call_script()
        if not self._overtaken():
            self.publish(origin if origin != math.inf else math.nan)
        else:
            self._outputs.collect(now, _forget)
            row[NodeColumn.DISCARDED] += 1
        for feed in self._feeds:
            feed.settle()
        row[NodeColumn.OWN_NS] += clock.now_ns() - began - took

    def _take(self) -> float:
        if self._gate is not None:
            origin = self._gate.take()
            for feed in self._feeds:
                if feed.setup.definition.delayed:
                    feed.take()
        else:
            origin = math.inf
            for feed in self._feeds:
                origin = min(origin, feed.take())
        newest = max(
            (f.newest_timestamp for f in self._feeds if f.newest_timestamp == f.newest_timestamp), default=None
        )
        if newest is not None:
            age = self._clock.now() - newest
            self._row.floats[NodeColumn.AGE] = age
            self._ages[bucket_of(max(0, int(age * 1e9)))] += 1
        return origin

    def _call_script(self) -> int:
        """One ``loop()``; returns the nanoseconds that it took."""
        row, clock = self._row.ints, self._clock
        began = clock.now_ns()
        row[NodeColumn.LOOP_STARTED_NS] = began
        if not row[NodeColumn.FIRST_LOOP_NS]:
            row[NodeColumn.FIRST_LOOP_NS] = began
        try:
            self._script.loop()
        except Exception as error:  # noqa: BLE001 - whatever a user's script raises is reported and counted
            row[NodeColumn.EXCEPTIONS] += 1
            if not self._report.loop_failed(error, row[NodeColumn.LOOPS]):
                self.stopped = True
        took = clock.now_ns() - began
        row[NodeColumn.LOOP_STARTED_NS] = 0
        row[NodeColumn.LAST_LOOP_NS] = began
        row[NodeColumn.LOOPS] += 1
        row[NodeColumn.LOOP_NS] += took
        if took > row[NodeColumn.LOOP_NS_MAX]:
            row[NodeColumn.LOOP_NS_MAX] = took
        self._loop_times[bucket_of(took)] += 1
        if took * self._pacer.frequency > 1e9:
            row[NodeColumn.OVERRUNS] += 1
        return took

    def _overtaken(self) -> bool:
        overtaken = [feed.overtaken() for feed in self._viewed]  # all are asked: each counts its own loss
        return any(overtaken)

    def publish(self, origin: float = math.nan) -> None:
        """Send what the script put into its outputs."""
        for index, data, stamps in self._outputs.collect(self._clock.now(), self._refused):
            self._writers[index].publish(data, stamps, origin)

    def _refused(self, error: OutputRefused) -> None:
        self._row.add(NodeColumn.BAD_OUTPUTS)
        self._report.output_refused(error)


def _forget(_: OutputRefused) -> None:
    """What is discarded need not be right."""


def release_edges(feeds: Sequence[Feed]) -> None:
    """The node no longer reads: nobody has to wait for it."""
    for feed in feeds:
        feed.row.ints[EdgeColumn.ACTIVE] = 0
        feed.reader.close()
