"""One node's process from its first call to its end: load the script, ``init()``, loop, ``cleanup()``, tell the agent.

Runs on the process's main thread (scripts may use signals, windows and event loops as in a program of their own). Knows
no Ray: the actor around it is :mod:`rena_graph.runtime.node.actor`.
"""

from __future__ import annotations

import gc
import logging
import os
import queue
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rena_graph import compat
from rena_graph.errors import NodeFailed, OutputRefused, RenaGraphError
from rena_graph.runtime.clock import Clock
from rena_graph.runtime.events import NodeLine
from rena_graph.runtime.host.reload import modules_beside
from rena_graph.runtime.lifecycle import FAILURE_KINDS, NodeState
from rena_graph.runtime.node.console import Console
from rena_graph.runtime.node.going_first import go_first
from rena_graph.runtime.node.loop import NodeLoop, release_edges
from rena_graph.runtime.node.parts import NodeParts, describe_inputs
from rena_graph.runtime.node.script_loader import format_user_error, load_script
from rena_graph.runtime.setup import NodeSetup
from rena_graph.script import RenaScript, half_kept
from rena_graph.streams.params import ParamChanges
from rena_graph.transport.board import Board, NodeColumn
from rena_graph.transport.punctual import be_punctual

__all__ = ["NodeProcess"]

log = logging.getLogger(__name__)

_VERSIONS = {"params": NodeColumn.PARAM_VERSION, "step": NodeColumn.STEP_VERSION}


class NodeProcess:
    """Everything of one incarnation of a node.

    Parameters
    ----------
    setup : NodeSetup
        What to run and where.
    clock : Clock
        Paces and stamps.
    console : Console | None
        What takes the script's words; by default the one that the setup names.
    """

    def __init__(self, setup: NodeSetup, clock: Clock, console: Console | None = None) -> None:
        self._setup = setup
        self._clock = clock
        self._console = console or Console(setup.console, setup.name, clock.unix)
        self._board = Board.attach(Path(setup.board))
        self._row = self._board.node(setup.index)
        self._commands: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._wake: Callable[[], None] = _nobody_waits
        self._line = NodeLine(setup.commands, setup.events, f"{setup.name}:{setup.epoch}", self._on_command)
        self._errors = _ErrorLog(clock)
        self._loop: NodeLoop | None = None
        self._parts: NodeParts | None = None
        self._restart_asked = False
        self._returns = False
        self._held = False
        self._go: tuple[float, float | None, float] | None = None
        self._failure: BaseException | None = None

    # -- commands ------------------------------------------------------------------------------------
    def _on_command(self, message: dict[str, Any]) -> None:
        """On the line's thread: keep it, and wake the main thread."""
        self._commands.put(message)
        if message["do"] == "stop" and not message["again"] and self._parts is not None:
            # Its loop may wait for a reader that is away, which will not come back now.
            for writer in self._parts.writers:
                writer.give_up_hope()
        self._wake()

    def _apply_commands(self) -> None:
        """On the main thread, between loops: all that is pending, together."""
        while not self._commands.empty():
            self._apply(self._commands.get())

    def _apply(self, message: dict[str, Any]) -> None:
        loop, parts = self._loop, self._parts
        if loop is None or parts is None:
            raise NodeFailed(f"command {message.get('do')!r} came before the node was made")
        match message["do"]:
            case "params" | "step" as what if message["version"] <= self._row.ints[_VERSIONS[what]]:
                return  # sent again by a host agent that could not know whether it had arrived
            case "start":
                self._go = float(message["at"]), message.get("origin"), float(message.get("phase", 0.0))
                if "hz" in message:  # it is slowed for others at the moment
                    loop.set_frequency(float(message["hz"]))
            case "stop":
                self._returns = bool(message["again"])
                loop.drain(float(message["within"]))
            case "params":
                parts.params.apply(ParamChanges(message["set"], message["add"], tuple(message["remove"])))
                self._row.ints[NodeColumn.PARAM_VERSION] = message["version"]
            case "rate":
                loop.set_frequency(float(message["hz"]), message.get("phase"))
                self._row.ints[NodeColumn.RATE_VERSION] = message["version"]
            case "phase":
                loop.set_phase(float(message["phase"]))
            case "step":
                loop.step(int(message["count"]))
                self._row.ints[NodeColumn.STEP_VERSION] = message["version"]
            case "pause" if self._go is not None:
                self._row.ints[NodeColumn.PAUSED] = 1
                self._pause(loop)
            case "resume":
                self._row.ints[NodeColumn.PAUSED] = 0
                self._pause(loop)
            case "hold" if self._go is not None:
                self._held = True
                self._pause(loop)
            case "let_go":
                self._held = False
                self._pause(loop)

    def _pause(self, loop: NodeLoop) -> None:
        """Pause or go on: while the user wants it, and while the host is held."""
        paused = self._held or bool(self._row.ints[NodeColumn.PAUSED])
        if paused == loop.paused:
            return
        if paused:
            loop.paused = True
        else:
            loop.resume()
        self._state(NodeState.PAUSED if paused else NodeState.RUNNING)

    # -- telling -------------------------------------------------------------------------------------
    def _state(self, state: NodeState, error: str | None = None, kind: str | None = None) -> None:
        self._row.ints[NodeColumn.STATE] = int(state)
        self._row.ints[NodeColumn.BEAT_NS] = self._clock.now_ns()
        self._line.send(
            {
                "event": "state",
                "node": self._setup.name,
                "epoch": self._setup.epoch,
                "state": int(state),
                "error": error,
                "kind": kind,
                "pid": os.getpid(),
            }
        )

    def _fail(self, kind: str, error: BaseException, what: str | None = None) -> None:
        text = format_user_error(error, Path(self._setup.script))
        self._console.write("error", f"{what or kind} failed: {text}" if kind != "loop" else text)
        kind = "restart" if self._restart_asked else kind
        self._row.ints[NodeColumn.FAILURE] = FAILURE_KINDS.index(kind)
        self._returns = self._setup.definition.restart.policy != "never"
        self._state(NodeState.FAILED, text, kind)

    def loop_failed(self, error: BaseException, loops: int) -> bool:
        """The script's ``loop()`` raised: say so, and decide whether to go on."""
        parts = self._parts
        shapes = describe_inputs(parts.inputs) if parts is not None else ""
        text = format_user_error(error, Path(self._setup.script))
        policy = self._setup.definition.on_error
        # The failed one counts among the exceptions already, and not yet among the loops.
        well = loops - (self._row.ints[NodeColumn.EXCEPTIONS] - 1)
        head = f"loop {loops + 1} failed after {well} that went well (inputs: {shapes})"
        self._errors.say(self._console, str(error) + type(error).__name__, f"{head}\n{text}")
        if policy == "continue":
            return True
        self._restart_asked = policy == "restart"
        self._failure = error
        return False

    def output_refused(self, error: OutputRefused) -> None:
        """A value was not fit for its stream; nothing of it was sent."""
        self._errors.say(self._console, str(error), f"output refused: {error}")

    def not_finite(self, text: str, *, fails: bool) -> None:
        """Samples were left out since they are not finite, as the graph asks; it may also ask that the node fails."""
        if fails:
            self._failure = NodeFailed(text)
        else:
            self._errors.say(self._console, text.partition(":")[0], f"not sent on: {text}", "warning")

    def state_refused(self, error: Exception) -> None:
        """The script's state could not be saved; the node runs on, and a restart goes back further."""
        ours = isinstance(error, RenaGraphError)
        text = str(error) if ours else format_user_error(error, Path(self._setup.script))
        self._errors.say(self._console, f"state{error}", f"save_state() refused, the last good one stays: {text}")

    # -- life ----------------------------------------------------------------------------------------
    def run(self) -> None:
        """The whole life. Returns when the node has stopped or failed, having told the agent which."""
        self._console.capture()
        row = self._row.ints
        # First, so that nobody takes how the life before ended for how this one does.
        row[NodeColumn.STATE] = int(NodeState.PLACING)
        row[NodeColumn.PAUSED] = 0
        row[NodeColumn.PID] = os.getpid()
        row[NodeColumn.EPOCH] = self._setup.epoch
        compat.install()
        compat.set_clock(self._clock.now)
        try:
            script = self._load_and_init()
            if script is not None:
                self._loop_until_stopped(script)
        finally:
            row[NodeColumn.LOG_DROPPED] = self._console.dropped
            if self._parts is not None:
                release_edges(self._parts.feeds, self._returns)
                self._parts.close()
            self._line.close()

    def _load_and_init(self) -> RenaScript | None:
        setup = self._setup
        kind = what = "load"
        # A compiled file is known by the second and size of its source, both of which an edit may leave as they were.
        sys.dont_write_bytecode = sys.dont_write_bytecode or setup.reload
        try:
            self._state(NodeState.LOADING)
            script_class = load_script(Path(setup.script), setup.name)
            self._parts = NodeParts(setup, script_class, self._board, self._clock, self.state_refused)
            self._loop = self._parts.loop(self, self._apply_commands)
            self._wake = self._parts.waiter.doorbell.ring
            self._state(NodeState.INITIALIZING)
            kind = what = "init"
            self._parts.script.init()
            if self._parts.kept is not None:
                what = "load_state"
                self._parts.kept.load()
            elif (half := half_kept(script_class)) is not None:
                self._console.write("warning", half)
        except BaseException as error:  # noqa: BLE001 - also SystemExit: whatever ends a script ends it in good order
            self._fail(kind, error, what)
            return None
        _settle_down()
        if setup.definition.scheduling == "realtime" and (refusal := go_first()):
            self._console.write("warning", refusal)
        files = [str(path) for path in modules_beside(Path(setup.script))]
        self._line.send({"event": "files", "node": setup.name, "epoch": setup.epoch, "files": files})
        self._state(NodeState.READY)
        return self._parts.script

    def _loop_until_stopped(self, script: RenaScript) -> None:
        loop = self._loop
        assert loop is not None
        failure: BaseException | None = None
        kind = "loop"
        whole = False
        try:
            if self._wait_for_start(loop):
                self._parts_made().wait_for_readers()
                self._state(NodeState.RUNNING)
                assert self._go is not None
                at, origin, phase = self._go
                loop.run(max(at, self._clock.now()), origin, phase)
                failure = self._failure
            self._parts_made().commit_last()
            whole = True
        except BaseException as error:  # noqa: BLE001 - MemoryError, KeyboardInterrupt, or a bug of ours
            failure, kind = self._verdict(error)
        if failure is None:
            self._state(NodeState.STOPPING)
        self._cleanup(script, loop)
        if whole:
            self._parts_made().commit_cleanup()
        if failure is not None:
            self._fail(kind, failure)
        else:
            self._state(NodeState.STOPPED)

    def _verdict(self, error: BaseException) -> tuple[BaseException | None, str]:
        """What an exception that ended the loops means: the failure, if it is one, and its kind."""
        if isinstance(error, SystemExit) and not error.code:
            return None, "loop"
        return error, "loop" if isinstance(error, NodeFailed) else "died"

    def _wait_for_start(self, loop: NodeLoop) -> bool:
        """Until the coordinator says start (True) or stop (False)."""
        parts = self._parts_made()
        while self._go is None:
            self._apply_commands()
            if loop.draining:
                return False
            if self._go is None:
                self._row.ints[NodeColumn.BEAT_NS] = self._clock.now_ns()
                parts.waiter.wait(self._clock.now() + 0.25, False)
        return True

    def _parts_made(self) -> NodeParts:
        assert self._parts is not None
        return self._parts

    def _cleanup(self, script: RenaScript, loop: NodeLoop) -> None:
        try:
            script.cleanup()
            loop.publish()
        except BaseException as error:  # noqa: BLE001 - a failing cleanup() is reported and must not hold up the stop
            self._console.write("error", "cleanup failed: " + format_user_error(error, Path(self._setup.script)))
            self._row.add(NodeColumn.EXCEPTIONS)


class _ErrorLog:
    """Says each error at once, and the same one again at most once a second with how often it came since."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: dict[str, tuple[float, int]] = {}

    def say(self, console: Console, key: str, text: str, level: str = "error") -> None:
        now = self._clock.now()
        last, count = self._said.get(key, (float("-inf"), 0))
        if now - last < 1.0:
            self._said[key] = (last, count + 1)
            return
        if len(self._said) > 1000:
            self._said.clear()
        self._said[key] = (now, 0)
        console.write(level, text + (f"\n(and {count} times more since it was last said)" if count else ""))


def _settle_down() -> None:
    """Before the first loop: what lives now lives on, and sleeps are to end on time.

    A collection of garbage looks at every object that there is. Those of Ray and of the imported libraries are some
    hundred thousand, which would hold up a loop for tens of milliseconds each time.
    """
    gc.collect()
    gc.freeze()
    be_punctual()


def _nobody_waits() -> None:
    """Before the node's waiter is made there is nobody to wake: commands are kept until then."""
