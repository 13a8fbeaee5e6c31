"""A node's life between start and stop: wait, take in, ``loop()``, give out, count. No Ray, no sockets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rena_graph.graph.document import NodeDef
from rena_graph.runtime.clock import Clock
from rena_graph.runtime.node.compiled import Around, open_turn
from rena_graph.runtime.node.eager import EagerWait
from rena_graph.runtime.node.feed import Feed, release_edges
from rena_graph.runtime.node.giving import Giving
from rena_graph.runtime.node.loop_report import LoopReport
from rena_graph.runtime.node.pacer import ClockPacer, DataPacer
from rena_graph.runtime.node.rehearsal import Rehearsal
from rena_graph.runtime.node.tally import open_tally
from rena_graph.runtime.node.trigger import Trigger
from rena_graph.script import RenaScript
from rena_graph.streams.inputs import Inputs
from rena_graph.streams.outputs import Outputs
from rena_graph.transport.board import NodeColumn, Row
from rena_graph.transport.interface import StreamWriter, Waiter

__all__ = ["BEAT", "NodeLoop", "release_edges"]

# Plain ints: an enum member's lookup costs more than the store it is for.
_BEAT_NS = int(NodeColumn.BEAT_NS)
_LOOP_STARTED_NS = int(NodeColumn.LOOP_STARTED_NS)
_LOOPS = int(NodeColumn.LOOPS)
_OWN_NS = int(NodeColumn.OWN_NS)
_SKIPPED = int(NodeColumn.SKIPPED)
_STEPS_LEFT = int(NodeColumn.STEPS_LEFT)

BEAT = 0.25
"""Seconds between the signs of life of a node that waits."""


class NodeLoop:
    """Runs one script.

    Between a chunk's arrival and ``loop()``, and between ``loop()`` and the outputs' departure, stands only what must:
    whoever waits for the data waits for that too. A node sleeps between two loops, its code and counters leave the
    processor's caches meanwhile, and each line of it then costs ten times what a benchmark in a tight loop shows.
    All counting is therefore done after the outputs are out.

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
    streams : sequence of Row
        The counters of these, likewise.
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
    commit : callable
        Called once a loop has had all its effect: a restarted node goes on from there.
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
        streams: Sequence[Row],
        waiter: Waiter,
        row: Row,
        clock: Clock,
        report: LoopReport,
        before_loop: Callable[[], None],
        commit: Callable[[], None] = lambda: None,
    ) -> None:
        self._script = script
        self._begin = tuple(port.begin_loop for port in inputs.ports)
        self._shown = inputs.buffer
        self._feeds = tuple(feeds)
        self._outputs = outputs
        self._giving = giving = Giving(outputs, writers, streams, row, report)
        self._trigger = trigger = Trigger(definition, self._feeds)
        self._gate, self._delayed = trigger.gate, trigger.delayed
        self._on_clock = on_clock = trigger.on_clock
        own = (outputs.prepare,) if giving.stamps_ahead else ()
        # Nobody waits for a node that looks at the clock to show what it takes in.
        ahead = (feed.port.make_room if on_clock else feed.port.prepare for feed in self._feeds)
        self._prepare = (*own, *ahead)
        self._passes_on = bool(self._feeds and giving.writers)
        self._row = row
        self._clock = clock
        self._now_ns = clock.now_ns
        self._report = report
        self._before_loop = before_loop
        self._commit = commit
        self._info = script.loop_info
        self._tally = open_tally(row)
        self._viewed = tuple(f for f in self._feeds if f.viewed)
        self._guarded = tuple(f for f in self._feeds if f.guarded)
        self._pacer: ClockPacer | DataPacer = DataPacer(definition.frequency)
        around = Around(
            self, script, definition, inputs, self._feeds, outputs, giving.writers, giving.senders, row, commit
        )
        self._turn = open_turn(around, waiter, clock, BEAT)
        self._due = None if self._turn is None or definition.spin or not self._turn.waits else self._turn.due
        self._wait: Callable[[float, bool], None] = waiter.wait
        if definition.spin:
            rehearsal = Rehearsal(self._feeds, outputs, giving.writers, clock.now)
            self._wait = EagerWait(waiter, definition.spin, clock.now, trigger.ready, rehearsal).wait
        self.paused = False
        self.draining = False
        self.stopped = False
        self._steps = 0
        self._stop_at = math.inf
        self._overrun_ns = self._behind_ns = math.inf
        self._newest = definition.on_overload == "newest"
        self._behind = False
        self._note_frequency(definition.frequency)

    # -- what may be asked while it runs -------------------------------------------------------------
    def set_frequency(self, frequency: float, phase: float | None = None) -> None:
        """Run at another rate from the next deadline on; on the clock also at another phase, where one is given."""
        self._pacer.set_frequency(frequency, self._clock.now(), phase)
        self._note_frequency(frequency)
        if phase is not None:
            self._row.floats[NodeColumn.PHASE] = phase

    def _note_frequency(self, frequency: float) -> None:
        self._overrun_ns = 1e9 / frequency if math.isfinite(frequency) else math.inf
        if self._newest:
            self._behind_ns = self._trigger.block_ns if self._gate is not None else self._overrun_ns
        self._row.floats[NodeColumn.FREQUENCY] = frequency

    def set_phase(self, phase: float) -> None:
        """On the clock: move the deadlines, without skipping one."""
        if self._on_clock:
            self._pacer.shift(phase, self._clock.now())
            self._row.floats[NodeColumn.PHASE] = phase

    def step(self, count: int) -> None:
        """While paused: make so many loops at once, one after the other, with whatever is there."""
        if self.paused:
            self._row.ints[_STEPS_LEFT] = self._steps = count

    def resume(self) -> None:
        """Go on after a pause; what is left of single steps is forgotten."""
        self.paused = False
        self._row.ints[_STEPS_LEFT] = self._steps = 0
        self._pacer.join(self._clock.now())

    def drain(self, within: float) -> None:
        """Go on until nothing is left to read, but at most so many seconds, then stop."""
        self.draining = True
        self._stop_at = self._clock.now() + within

    # -- the loop ------------------------------------------------------------------------------------
    def run(self, start: float, origin: float | None = None, phase: float = 0.0) -> None:
        """Loop until stopped.

        Parameters
        ----------
        start : float
            Graph time before which no loop begins.
        origin, phase : float
            Where the clock's deadlines lie, in seconds of graph time; see :class:`ClockPacer`.
        """
        if self._on_clock:
            self._pacer = ClockPacer(self._pacer.frequency, start, origin, phase)
            self._row.floats[NodeColumn.ORIGIN] = start if origin is None else origin
            self._row.floats[NodeColumn.PHASE] = phase
        ints = self._row.ints
        now_of, now_ns, before_loop, wait = self._clock.now, self._now_ns, self._before_loop, self._wait
        on_clock, readers = self._on_clock, self._trigger.readers
        while True:
            before_loop()
            if self._due is not None and not (self.stopped or self.draining or self.paused):
                if (due := self._due(self._pacer, readers)) is not None:
                    self._one_loop(*due)
                continue
            now = now_of()
            ints[_BEAT_NS] = began = now_ns()
            if self.stopped or (self.draining and (self._drained() or now >= self._stop_at)):
                return
            if on_clock and not self.paused:
                wake_at, on_data = self._pacer.deadline, False
            else:
                wake_at, on_data = self._next(now)
            if wake_at <= now:
                self._one_loop(now, began)
                if self._steps:
                    self._steps -= 1
                    ints[_STEPS_LEFT] = self._steps
            else:
                beat_at = now + BEAT
                wait(wake_at if wake_at < beat_at else beat_at, on_data)

    def _next(self, now: float) -> tuple[float, bool]:
        """When the next loop may begin, as far as is known now, and whether data may change that."""
        if self.paused:
            return (-math.inf if self._steps else math.inf), False
        if self._gate is not None and self._behind:
            self._gate.pass_over()
            self._behind = False
        return self._trigger.next(self._pacer, now)

    def _drained(self) -> bool:
        """Whether no loop could see anything new any more (also when paused: nobody will look)."""
        return self.paused or self._trigger.is_drained()

    def _one_loop(self, now: float, began: int) -> None:
        """Take in, call the script, give out; then count. `began` is `now` on the clock of durations."""
        turn = None if self.paused else self._turn
        started = self._take_in(now) if turn is None else turn.begin(now)
        try:
            self._script.loop()
        except Exception as error:  # noqa: BLE001 - whatever a user's script raises is reported and counted
            self._failed(error)
        if turn is None:
            self._give_out(now, began, started)
        else:
            turn.end(now, began, started, self._pacer, self._overrun_ns)

    def _take_in(self, now: float) -> int:
        """Show the script what has come; when it is called, in nanoseconds."""
        if self._gate is None:
            if self._newest:
                self._pass_over(now)
            for feed in self._feeds:
                feed.take()
        else:
            if not self.paused or self._gate.ready(math.inf):  # a single step does not wait for its block
                self._gate.take()
            for feed in self._delayed:
                feed.take()
        for begin in self._begin:
            begin(self._shown)
        self._info.begin(now)
        self._row.ints[_LOOP_STARTED_NS] = started = self._now_ns()
        return started

    def _give_out(self, now: float, began: int, started: int) -> None:
        """Send what the script made, unless it was overtaken; then count."""
        ints, took = self._row.ints, self._now_ns() - started
        ints[_LOOP_STARTED_NS] = 0
        made_of = math.nan
        # All are asked, since each counts its own loss.
        if self._viewed and sum(feed.overtaken() for feed in self._viewed):
            self._giving.discard(now)
        else:
            origin = self._origin() if self._passes_on else math.nan
            if self.publish(origin):
                made_of = origin
        out = self._now_ns() - began
        for feed in self._feeds:
            feed.settle()
        self._commit()
        if self._guarded:
            self._tell_not_finite()
        self._count(now, started, took, out, made_of)
        for prepare in self._prepare:
            prepare()
        ints[_OWN_NS] += self._now_ns() - began - took

    def _tell_not_finite(self) -> None:
        for feed in self._guarded:
            if feed.not_finite is not None:
                self._report.not_finite(feed.not_finite, fails=False)
                feed.not_finite = None

    def _pass_over(self, now: float) -> None:
        """Where the last loop took longer than a period, or this one comes so late: only the newest period's data."""
        period = 1.0 / self._pacer.frequency
        if self._behind or (self._on_clock and now - self._pacer.deadline >= period):
            for feed in self._feeds:
                feed.pass_over(period)
            self._behind = False

    def _failed(self, error: Exception) -> None:
        self._row.add(NodeColumn.EXCEPTIONS)
        if not self._report.loop_failed(error, self._row.ints[_LOOPS]):
            self.stopped = True

    def _origin(self) -> float:
        """Graph time of the oldest sample that this loop's outputs are made from; NaN where nothing was new."""
        origin = math.inf
        for feed in self._feeds:
            if self._gate is None or feed not in self._delayed:
                origin = min(origin, feed.origin())
        return origin if origin != math.inf else math.nan

    def _count(self, now: float, started: int, took: int, out: int, made_of: float) -> None:
        """What one loop adds to the node's counters, and to its pacer. `out`: from `now` until the outputs were out."""
        late = math.nan
        if not self.paused:  # a single step meets no deadline, and passes over none
            pacer = self._pacer
            if self._on_clock:
                late = now - pacer.deadline
            if skipped := pacer.begin(now):
                self._row.ints[_SKIPPED] += skipped
        newest = -math.inf
        for feed in self._feeds:
            if feed.newest_timestamp > newest:  # false of NaN: nothing has come yet
                newest = feed.newest_timestamp
        self._tally.count(now, started, took, out, late, newest, made_of, self._overrun_ns)
        if took > self._behind_ns:
            self._behind = True

    def publish(self, origin: float = math.nan) -> bool:
        """Send what the script put into its outputs; whether there was anything."""
        if not self._outputs:
            return False
        sent = self._giving.publish(self._clock.now(), origin)
        self.stopped = self.stopped or self._giving.failed
        return sent

    def _publish_rest(self, now: float, origin: float) -> bool:
        """What the kernel asks for where it cannot send all."""
        sent = self._giving.publish_rest(now, origin)
        self.stopped = self.stopped or self._giving.failed
        return sent

    def _discard(self, now: float) -> None:
        self._giving.discard(now)
