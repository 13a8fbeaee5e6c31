"""The lives of a run's nodes, as a pure state machine: begun, ended, begun anew; one process a node, never two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rena_graph.runtime.coordinator.node_record import NodeRecord
from rena_graph.runtime.coordinator.restarts import may_restart, schedule
from rena_graph.runtime.coordinator.run_state import RunState
from rena_graph.runtime.coordinator.signals import (
    Instruction,
    KillNode,
    NodeGone,
    NodeReported,
    PlaceNode,
    RunNode,
    Say,
    ScriptChanged,
    StartNode,
    StopNode,
)
from rena_graph.runtime.lifecycle import ALIVE, ENDED, NodeState, Phase, check_transition, may_follow

__all__ = ["KILL_GRACE", "Lives"]

KILL_GRACE = 1.0
"""Seconds between a node's drain time and its kill: the time that ``cleanup()`` has."""
GONE_TIMEOUT = 2.0
"""Seconds that the process of a node that said it failed has to be gone by itself."""

_START = (NodeState.PLACING, NodeState.LOADING, NodeState.INITIALIZING, NodeState.READY, NodeState.RUNNING)


class Lives:
    """Knows every node's life.

    Parameters
    ----------
    records : iterable of NodeRecord
        One a node.
    run : RunState
        Where the run is; looked at.
    out : list of Instruction
        What is to be done is put here.
    fail : callable
        Told of a node that has failed for good, with what is to be said of it.
    reload : bool
        Whether somebody is at work on the scripts: one that does not start is waited for until it has changed.
    """

    def __init__(
        self,
        records: Iterable[NodeRecord],
        run: RunState,
        out: list[Instruction],
        fail: Callable[[NodeRecord, str], None],
        reload: bool,
    ) -> None:
        self.records = {record.name: record for record in records}
        self._run = run
        self._out = out
        self._fail = fail
        self._reload = reload
        # Beats are many and most change nothing: what is to be looked at again is kept apart.
        self._silent, self._to_restart = set[str](), set[str]()
        self._ended = 0
        self.look_anew()

    def look_anew(self) -> None:
        """The records were changed from outside: by a coordinator that took them over."""
        self._to_restart = {r.name for r in self.records.values() if r.restart_at is not None}
        self._ended = sum(r.state in ENDED for r in self.records.values())

    @property
    def all_ended(self) -> bool:
        """Whether there are nodes, and none of them lives or will live by itself."""
        return 0 < len(self.records) == self._ended

    @property
    def waits(self) -> bool:
        """Whether a life is to begin, or to be ended by force, at some time."""
        return bool(self._to_restart)

    def set(self, record: NodeRecord, state: NodeState) -> None:
        """Enter a state, which must be possible."""
        check_transition(record.state, state)
        self._ended += (state in ENDED) - (record.state in ENDED)
        record.state = state

    def run(self, record: NodeRecord) -> None:
        """Hand the node's process its setup, once."""
        if not record.run_sent:
            record.run_sent = True
            self._out.append(RunNode(record.name, record.epoch))

    def kill(self, record: NodeRecord) -> None:
        """End the process by force."""
        record.killed = True
        self._out.append(KillNode(record.name, record.epoch))

    # -- what happened -------------------------------------------------------------------------------
    def reported(self, event: NodeReported) -> None:
        """A node said which state it is in."""
        record = self.records[event.node]
        if event.epoch != record.epoch or record.state in ENDED or record.state is NodeState.RESTARTING:
            return  # an earlier life of the node, which no longer counts
        if event.state is NodeState.FAILED:
            self._failed(record, event.error or "failed", event.kind or "loop")
            return
        if record.state is NodeState.STOPPING and event.state is not NodeState.STOPPED:
            return  # it was on its way there when the stop reached it
        if event.state is NodeState.STOPPED and self._comes_back(record):
            self._schedule_restart(record, "stopped by itself")
            return
        self._catch_up(record, event.state)
        if event.state is NodeState.READY and self._run.phase is Phase.RUNNING:
            # Back after a restart: the others run already.
            self._out.append(StartNode(record.name, record.epoch))

    def gone(self, event: NodeGone) -> None:
        """A node's process ended."""
        record = self.records[event.node]
        if event.epoch != record.epoch:
            return
        record.gone = True
        if record.state in ENDED or record.state is NodeState.RESTARTING:
            return
        if record.state is NodeState.STOPPING:
            self.set(record, NodeState.STOPPED)
            if record.killed:
                self._out.append(Say("warning", "did not stop in time and was killed", record.name))
            return
        self._failed(record, event.cause, "died")

    def stale(self, silent: Mapping[tuple[str, int], float]) -> None:
        """These, by name and epoch, have shown no sign of life for so many seconds."""
        looked_at = self._silent | {name for name, _ in silent}
        self._silent = set()
        for record in (self.records[name] for name in sorted(looked_at)):
            before, record.stale_for = record.stale_for, silent.get((record.name, record.epoch))
            if record.stale_for is None or record.state not in ALIVE or record.debugged:
                record.stale_for = None
                continue
            self._silent.add(record.name)
            if before is None:
                self._out.append(Say("warning", f"stale: no sign of life for {record.stale_for:.1f} s", record.name))
            limit = record.definition.hang_timeout
            if limit is not None and record.stale_for > limit and not record.killed:
                self.kill(record)

    def changed(self, event: ScriptChanged) -> None:
        """A node's script is another one now."""
        record = self.records[event.node]
        if self._run.phase is not Phase.RUNNING or not (record.state in ALIVE or record.waits_for_change):
            return
        if event.problem is not None:
            goes_on = "it waits for another" if record.waits_for_change else "it runs on as it was"
            text = f"{event.path} has changed and is refused; {goes_on}: {event.problem}"
            self._out.append(Say("warning", text, record.name))
        elif record.debugged:
            text = f"{event.path} has changed; a node under debug is not started anew"
            self._out.append(Say("warning", text, record.name))
        else:
            record.reloads += 1
            self._start_anew(record, f"{event.path} has changed: starting anew with it")

    def restart_asked(self, name: str) -> None:
        """Somebody wants another life of a node; it takes nothing from the budget."""
        record = self.records[name]
        if self._run.phase is not Phase.RUNNING or record.debugged:
            return
        record.asked_restarts += 1
        self._start_anew(record, "asked to restart")

    def host_lost(self, record: NodeRecord, why: str) -> None:
        """Its host is lost, and its process with it, as far as this run is concerned."""
        record.gone, record.stale_for = True, None
        self._silent.discard(record.name)
        if record.state in ENDED:
            return
        record.error, record.kind = why, "host"
        record.restart_at = record.kill_at = None
        self._to_restart.discard(record.name)
        self.set(record, NodeState.FAILED)

    def move(self, record: NodeRecord) -> None:
        """Its host is lost, and its process with it; its next life is to begin on another one, at once."""
        record.gone, record.stale_for = True, None
        record.kill_at = None
        self._silent.discard(record.name)
        if record.state is not NodeState.RESTARTING:
            self.set(record, NodeState.RESTARTING)
        record.restarts += 1
        record.restart_at = self._run.now
        self._to_restart.add(record.name)

    # -- what follows --------------------------------------------------------------------------------
    def _failed(self, record: NodeRecord, error: str, kind: str) -> None:
        record.error, record.kind = error, kind
        if self._run.phase is Phase.STOPPING:
            self.set(record, NodeState.FAILED)
            self._fail(record, f"node {record.name!r} failed while it stopped: {error}")
        elif may_restart(record, kind, self._run.phase, self._run.now):
            self._schedule_restart(record, error)
        elif self._reload and self._run.phase is Phase.RUNNING and kind in ("load", "init"):
            self.set(record, NodeState.RESTARTING)
            self._out.append(Say("error", f"{kind} failed; it waits for its script to change again", record.name))
        else:
            self.set(record, NodeState.FAILED)
            self._fail(record, f"node {record.name!r} failed ({kind}): {error}")

    def _catch_up(self, record: NodeRecord, state: NodeState) -> None:
        """Enter a state through those on the way to it; news of a state that is already behind is old."""
        if record.state in _START and state in _START:
            for step in _START[_START.index(record.state) + 1 : _START.index(state) + 1]:
                self.set(record, step)
        elif record.state in _START and state is NodeState.PAUSED:
            self._catch_up(record, NodeState.RUNNING)
            self.set(record, NodeState.PAUSED)
        elif record.state is not state and may_follow(record.state, state):
            self.set(record, state)

    def _comes_back(self, record: NodeRecord) -> bool:
        policy = record.definition.restart.policy
        return policy == "always" and may_restart(record, "stopped", self._run.phase, self._run.now)

    def _schedule_restart(self, record: NodeRecord, error: str) -> None:
        self.set(record, NodeState.RESTARTING)
        schedule(record, self._run.now)
        self._to_restart.add(record.name)
        self._out.append(Say("warning", f"{_first_line(error)}; restarting", record.name))

    def _start_anew(self, record: NodeRecord, why: str) -> None:
        """End this life in good order, and begin the next; what arrives meanwhile waits, as at any restart."""
        self._out.append(Say("info", why, record.name))
        record.restart_at = self._run.now
        self._to_restart.add(record.name)
        if record.state in ALIVE:
            record.kill_at = self._run.now + record.definition.stop_timeout + KILL_GRACE
            self._out.append(StopNode(record.name, record.epoch, 0.0, again=True))
        if record.state is not NodeState.RESTARTING:
            self.set(record, NodeState.RESTARTING)

    def advance(self) -> None:
        """Begin the lives that are due; end by force what should have ended by now."""
        now = self._run.now
        for record in [self.records[name] for name in sorted(self._to_restart)]:
            if record.restart_at is None or now < record.restart_at:
                continue
            if record.gone:
                self._to_restart.remove(record.name)
                record.begin_next_life()
                self.set(record, NodeState.PLACING)
                self._out.append(PlaceNode(record.name, record.epoch))
                self.run(record)
            elif not record.killed and now >= (record.kill_at or record.restart_at + GONE_TIMEOUT):
                self.kill(record)

    def again(self, record: NodeRecord) -> None:
        """Want once more what may have been lost with whoever was to do it; doing it twice does no harm."""
        node, epoch = record.name, record.epoch
        if record.gone or record.state in ENDED:
            return
        if record.run_sent:
            self._out.append(RunNode(node, epoch))
        elif record.state is NodeState.PLACING:
            self._out.append(PlaceNode(node, epoch))
        if record.state is NodeState.READY and self._run.phase is Phase.RUNNING:
            self._out.append(StartNode(node, epoch))
        elif record.state is NodeState.STOPPING:
            left = 0.0 if record.kill_at is None else max(0.0, record.kill_at - KILL_GRACE - self._run.now)
            self._out.append(StopNode(node, epoch, left))
        elif record.state is NodeState.RESTARTING and record.kill_at is not None:
            self._out.append(StopNode(node, epoch, 0.0, again=True))
        if record.killed:
            self._out.append(KillNode(node, epoch))


def _first_line(text: str) -> str:
    """The last line of a traceback, or the only one of a message."""
    return text.strip().splitlines()[-1] if text.strip() else "failed"
