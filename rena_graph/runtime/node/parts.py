"""Puts one node together from its setup: readers, windows, outputs, writers, script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from rena_graph.runtime.clock import Clock
from rena_graph.runtime.node.compiled import open_feed
from rena_graph.runtime.node.feed import Feed
from rena_graph.runtime.node.kept import KeptState
from rena_graph.runtime.node.loop import NodeLoop
from rena_graph.runtime.node.loop_report import LoopReport
from rena_graph.runtime.node.script_loader import instantiate
from rena_graph.runtime.setup import InputSetup, NodeSetup
from rena_graph.script import Conventions, RenaScript, ScriptContext, conventions, keeps_state
from rena_graph.streams.buffer import legacy_dtype
from rena_graph.streams.fast_window import FastPort, FastView, FastWindow
from rena_graph.streams.inputs import InputPort, Inputs
from rena_graph.streams.outputs import OutputPort, Outputs
from rena_graph.streams.params import Params
from rena_graph.transport import fast
from rena_graph.transport.board import Board, Row, StreamColumn
from rena_graph.transport.commit import Commit
from rena_graph.transport.interface import StreamReader, StreamWriter
from rena_graph.transport.links import open_reader, open_waiter, open_writer
from rena_graph.transport.state_files import StateFiles

__all__ = ["NodeParts", "describe_inputs", "make_port"]

READERS_TIMEOUT = 5.0
"""Seconds until a node starts although not all readers of its outputs are there."""


def _raise(error: Exception) -> None:
    raise error


def _reanchored(row: Row) -> None:
    row.ints[StreamColumn.REANCHORED] += 1


class NodeParts:
    """A node's parts, made and held together.

    Parameters
    ----------
    setup : NodeSetup
        What to make.
    script_class : type
        The script; its import names decide the defaults of layout and dtypes.
    board : Board
        Counters.
    clock : Clock
        Handed to the script.
    refused : callable
        Told of the exception where the script's state could not be saved; raises it where left out.
    """

    def __init__(
        self,
        setup: NodeSetup,
        script_class: type[RenaScript],
        board: Board,
        clock: Clock,
        refused: Callable[[Exception], None] = _raise,
    ) -> None:
        self.setup = setup
        self._board = board
        self._clock = clock
        definition = setup.definition
        self._conventions = conventions(script_class, definition.layout, definition.legacy_float64)
        self.params = Params(setup.params, folder=setup.folder)
        self.writers: list[StreamWriter] = []
        self._commit = self._commits()
        self._commit.go_back()
        self.feeds = [self._feed(i) for i in setup.inputs]
        self.inputs = Inputs([f.port for f in self.feeds])
        self.outputs = Outputs(
            [OutputPort(o.name, o.port.spec, o.on_nan) for o in setup.outputs],
            channels_first_rule=self._conventions.output_rule,
            node=setup.name,
        )
        for o in setup.outputs:
            self.outputs.tell_reanchored(o.name, partial(_reanchored, board.stream(o.port.index)))
        self.writers.extend(open_writer(o.port, board, setup.epoch) for o in setup.outputs)
        if setup.epoch > 0:
            self._go_on()
        # Only what can trigger needs to wake; with a clock nothing does.
        triggering = [] if definition.trigger == "clock" else self._triggering()
        self.waiter = open_waiter(setup.transport, triggering, clock.now)
        self.script = instantiate(script_class, self._context())
        self.kept = self._kept(refused) if keeps_state(script_class) else None
        if self.kept is None:
            self._commit.forget_state()
        if not self._commit.made:
            self._commit.commit()

    def _commits(self) -> Commit:
        board, setup = self._board, self.setup
        return (fast.FastCommit if fast.usable else Commit)(
            board.node(setup.index),
            [board.edge(i.edge.index) for i in setup.inputs],
            [board.stream(o.port.index) for o in setup.outputs],
        )

    def _kept(self, refused: Callable[[Exception], None]) -> KeptState:
        setup = self.setup
        every = setup.definition.save_state_every
        row, files = self._board.node(setup.index), StateFiles(setup.state)
        return KeptState(self.script, self._commit, files, row, every, self._clock.now_ns, refused)

    def _go_on(self) -> None:
        """Take the place of a process that ended: its windows, and the timestamps that it gave last."""
        self._commit.count_repeated()
        for feed in self.feeds:
            feed.go_on()
            if feed.was_shown:
                feed.port.refresh(self.inputs.buffer)
        rows = {o.name: self._board.stream(o.port.index) for o in self.setup.outputs}
        self.outputs.go_on(
            {
                name: row.floats[StreamColumn.LAST_TIMESTAMP]
                for name, row in rows.items()
                if row.ints[StreamColumn.PRODUCED]
            }
        )

    def _triggering(self) -> list[StreamReader]:
        trigger = self.setup.definition.trigger
        return [
            feed.reader
            for feed in self.feeds
            if not feed.setup.definition.delayed
            and (not isinstance(trigger, list) or feed.setup.definition.stream in trigger)
        ]

    def _feed(self, setup: InputSetup) -> Feed:
        port = make_port(setup, self.setup.definition.buffer_duration, self._conventions)
        row = self._board.edge(setup.edge.index)
        reader = open_reader(setup.port, setup.edge, self._board, resume=self.setup.epoch > 0)
        return open_feed(setup, reader, port, row, self.setup.name)

    def _context(self) -> ScriptContext:
        definition = self.setup.definition
        return ScriptContext(
            inputs=self.inputs,
            outputs=self.outputs,
            params=self.params,
            clock=self._clock.now,
            node=self.setup.name,
            run_frequency=definition.frequency,
            buffer_duration=definition.buffer_duration,
            streams={i.spec.name: i.spec for i in self.setup.inputs},
            simulate_input=definition.simulate_input,
        )

    def loop(self, report: LoopReport, before_loop: Callable[[], None]) -> NodeLoop:
        """The loop over these parts."""
        return NodeLoop(
            script=self.script,
            definition=self.setup.definition,
            inputs=self.inputs,
            feeds=self.feeds,
            outputs=self.outputs,
            writers=self.writers,
            streams=[self._board.stream(o.port.index) for o in self.setup.outputs],
            waiter=self.waiter,
            row=self._board.node(self.setup.index),
            clock=self._clock,
            report=report,
            before_loop=before_loop,
            commit=self._commit.commit if self.kept is None else self.kept.after_loop,
        )

    def wait_for_readers(self) -> None:
        """So that the first sample out finds all its readers; over the ring they are there already."""
        for writer, output in zip(self.writers, self.setup.outputs, strict=True):
            writer.wait_for_readers(len(output.port.edges), READERS_TIMEOUT)

    def commit_last(self) -> None:
        """The loops ended in good order: commit what has had its effect."""
        if self.kept is not None:
            self.kept.last()

    def commit_cleanup(self) -> None:
        """Commit what ``cleanup()`` sent; without the state that belongs to it nothing more is committed."""
        if self.kept is None or self.kept.current:
            self._commit.commit()

    def close(self) -> None:
        """Let go of the writers and the waiter; the readers are released with their edges."""
        for writer in self.writers:
            writer.close()
        self.waiter.close()


def make_port(setup: InputSetup, buffer_duration: float, rules: Conventions) -> InputPort:
    """The window of one input, and how the script sees it.

    Parameters
    ----------
    setup : InputSetup
        The edge.
    buffer_duration : float
        Seconds that the window holds.
    rules : Conventions
        How the script is handed its data.
    """
    spec = setup.spec
    window = spec.window(buffer_duration, setup.definition.max_samples)
    if setup.definition.access == "view":
        return FastPort(spec.name, FastView(spec, window), rules.layout)
    dtype = spec.numpy_dtype
    if rules.legacy_float64 and not spec.is_string:
        dtype = legacy_dtype(dtype)
    # The buffer is told of the stream as it arrives; picking is its own.
    arriving = replace(spec, channels=setup.port.spec.channels, channel_names=setup.port.spec.channel_names)
    buffer = FastWindow(arriving, window, dtype=dtype, duration=buffer_duration, pick=setup.pick)
    return FastPort(spec.name, buffer, rules.layout)


def describe_inputs(inputs: Inputs) -> str:
    """Name and shape of each input as the script sees it, for error messages."""
    if not inputs.ports:
        return "none"
    return ", ".join(f"{name} {pair[0].shape}" for name, pair in inputs.buffer.items()) or "nothing arrived yet"
