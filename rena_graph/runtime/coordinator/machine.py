"""The coordinator's decisions as a pure state machine: events in, instructions out, time handed in.

Phases of a run: ``preparing`` (streams found, processes made, scripts initialised), ``running``, ``stopping`` (sources,
then nodes level by level, then sinks), ``ended``. Whatever goes wrong leads, through ``stopping``, to ``ended``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rena_graph.errors import ExitCode
from rena_graph.graph.document import NodeDef
from rena_graph.runtime.coordinator.node_record import NodeRecord
from rena_graph.runtime.coordinator.signals import (
    EndRun,
    Event,
    HostFailed,
    HostLost,
    HostPrepared,
    Instruction,
    KillAsked,
    KillNode,
    LauncherGone,
    NodeGone,
    NodeReported,
    PlaceNode,
    PrepareHost,
    RunNode,
    Say,
    ScriptChanged,
    SinksStopped,
    SourcesEnded,
    StaleSeen,
    StartNode,
    StartSinks,
    StartSources,
    StopAsked,
    StopNode,
    StopSinks,
    StopSources,
    Tick,
)
from rena_graph.runtime.lifecycle import ALIVE, ENDED, NodeState, Phase, check_transition, may_follow

__all__ = ["Coordinator", "Phase"]

KILL_GRACE = 1.0
"""Seconds between a node's drain time and its kill: the time that ``cleanup()`` has."""
GONE_TIMEOUT = 2.0
"""Seconds that the process of a node that said it failed has to be gone by itself."""
SINK_TIMEOUT = 3.0
LAUNCHER_GONE_STOP = 3.0
"""Without a launcher everything has to be gone within ten seconds, Ray included."""
BACKOFF = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Seconds before the first, second, … restart within a window."""

_START = (NodeState.PLACING, NodeState.LOADING, NodeState.INITIALIZING, NodeState.READY, NodeState.RUNNING)
_RESTARTABLE = ("died", "restart", "stopped")
"""Not ``load`` and ``init``, which would fail again, nor ``loop``, where the graph says that an error stops it."""


class Coordinator:
    """Decides.

    Parameters
    ----------
    nodes : mapping
        The graph's nodes.
    levels : sequence of sequences of str
        Node names by depth in the cascade: the order of stopping.
    debugged : str | None
        The node that runs in the launching process.
    reload : bool
        Whether somebody is at work on the scripts: one that does not start is waited for until it has changed.
    """

    def __init__(
        self,
        nodes: Mapping[str, NodeDef],
        levels: Sequence[Sequence[str]],
        debugged: str | None = None,
        reload: bool = False,
    ) -> None:
        depth = {name: i for i, level in enumerate(levels) for name in level}
        self.nodes = {
            name: NodeRecord(name, definition, depth[name], debugged=name == debugged)
            for name, definition in nodes.items()
        }
        self._last_level = len(levels)
        self._reload = reload
        self.phase = Phase.PREPARING
        self.exit_code = ExitCode.OK
        self.failure: str | None = None
        self._host_ready = False
        # Beats are many and most change nothing: what is to be looked at again is kept apart.
        self._silent, self._to_restart = set[str](), set[str]()
        self._stopped = 0
        self._stopping_level = -1
        self._sinks_deadline: float | None = None
        self._stop_limit: float | None = None
        self._now = 0.0
        self._out: list[Instruction] = []

    def begin(self, now: float) -> list[Instruction]:
        """The run begins: processes are made while the streams are found."""
        self._now = now
        self._out = [PrepareHost(), *(PlaceNode(n, 0) for n in self.nodes)]
        return self._take()

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """React to what happened at `now` (monotonic seconds)."""
        self._now = now
        if self.phase is Phase.ENDED:
            return []
        match event:
            case HostPrepared():
                self._host_ready = True
                if self.phase is Phase.PREPARING:
                    for record in self.nodes.values():
                        self._run(record)
            case HostFailed(error, exit_code):
                self._fail(error, exit_code)
            case HostLost():
                self._note("the host agent died", ExitCode.ENVIRONMENT)
                self._kill_all()
            case NodeReported():
                self._reported(event)
            case NodeGone():
                self._gone(event)
            case StaleSeen(nodes):
                self._stale({(node, epoch): seconds for node, epoch, seconds in nodes})
            case ScriptChanged():
                self._changed(event)
            case SourcesEnded():
                self._stop("all sources have ended")
            case StopAsked(why):
                self._stop(why)
            case LauncherGone():
                self._launcher_gone()
            case KillAsked():
                self._kill_all()
            case SinksStopped():
                if self.phase is Phase.STOPPING and self._sinks_deadline is not None:
                    self._end()
            case Tick():
                pass
        self._advance()
        return self._take()

    def _take(self) -> list[Instruction]:
        out, self._out = self._out, []
        return out

    # -- nodes ---------------------------------------------------------------------------------------
    def _set(self, record: NodeRecord, state: NodeState) -> None:
        check_transition(record.state, state)
        record.state = state
        self._stopped += state is NodeState.STOPPED

    def _run(self, record: NodeRecord) -> None:
        if not record.run_sent:
            record.run_sent = True
            self._out.append(RunNode(record.name, record.epoch))

    def _reported(self, event: NodeReported) -> None:
        record = self.nodes[event.node]
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
        if event.state is NodeState.READY and self.phase is Phase.RUNNING:
            # Back after a restart: the others run already.
            self._out.append(StartNode(record.name, record.epoch))

    def _gone(self, event: NodeGone) -> None:
        record = self.nodes[event.node]
        if event.epoch != record.epoch:
            return
        record.gone = True
        if record.state in ENDED or record.state is NodeState.RESTARTING:
            return
        if record.state is NodeState.STOPPING:
            self._set(record, NodeState.STOPPED)
            if record.killed:
                self._out.append(Say("warning", "did not stop in time and was killed", record.name))
            return
        self._failed(record, event.cause, "died")

    def _failed(self, record: NodeRecord, error: str, kind: str) -> None:
        record.error, record.kind = error, kind
        if self.phase is Phase.STOPPING:
            self._set(record, NodeState.FAILED)
            self._note(f"node {record.name!r} failed while it stopped: {error}", ExitCode.SCRIPT)
            return
        if self._may_restart(record, kind):
            self._schedule_restart(record, error)
            return
        if self._reload and self.phase is Phase.RUNNING and kind in ("load", "init"):
            self._set(record, NodeState.RESTARTING)
            self._out.append(Say("error", f"{kind} failed; it waits for its script to change again", record.name))
            return
        self._set(record, NodeState.FAILED)
        self._fail(f"node {record.name!r} failed ({kind}): {error}", ExitCode.SCRIPT)

    def _catch_up(self, record: NodeRecord, state: NodeState) -> None:
        """Enter a state through those on the way to it; news of a state that is already behind is old."""
        if record.state in _START and state in _START:
            for step in _START[_START.index(record.state) + 1 : _START.index(state) + 1]:
                self._set(record, step)
        elif record.state is not state and may_follow(record.state, state):
            self._set(record, state)

    def _comes_back(self, record: NodeRecord) -> bool:
        return record.definition.restart.policy == "always" and self._may_restart(record, "stopped")

    def _may_restart(self, record: NodeRecord, kind: str) -> bool:
        restart = record.definition.restart
        if self.phase is not Phase.RUNNING or record.debugged:
            return False
        if restart.policy == "never" or kind not in _RESTARTABLE:
            return False
        record.restart_times = [t for t in record.restart_times if self._now - t < restart.window]
        return len(record.restart_times) < restart.max

    def _schedule_restart(self, record: NodeRecord, error: str) -> None:
        self._set(record, NodeState.RESTARTING)
        wait = BACKOFF[min(len(record.restart_times), len(BACKOFF) - 1)]
        record.restart_times.append(self._now)
        record.restarts += 1
        record.restart_at = self._now + wait
        self._to_restart.add(record.name)
        self._out.append(Say("warning", f"{_first_line(error)}; restarting", record.name))

    def _changed(self, event: ScriptChanged) -> None:
        record = self.nodes[event.node]
        if self.phase is not Phase.RUNNING or not (record.state in ALIVE or record.waits_for_change):
            return
        if event.problem is not None:
            goes_on = "it waits for another" if record.waits_for_change else "it runs on as it was"
            text = f"{event.path} has changed and is refused; {goes_on}: {event.problem}"
            self._out.append(Say("warning", text, record.name))
        elif record.debugged:
            text = f"{event.path} has changed; a node under debug is not started anew"
            self._out.append(Say("warning", text, record.name))
        else:
            self._start_anew(record, event.path)

    def _start_anew(self, record: NodeRecord, path: str) -> None:
        """End this life in good order, and begin the next; what arrives meanwhile waits, as at any restart."""
        self._out.append(Say("info", f"{path} has changed: starting anew with it", record.name))
        record.reloads += 1
        record.restart_at = self._now
        self._to_restart.add(record.name)
        if record.state is not NodeState.RESTARTING:
            record.kill_at = self._now + record.definition.stop_timeout + KILL_GRACE
            self._out.append(StopNode(record.name, record.epoch, 0.0))
            self._set(record, NodeState.RESTARTING)

    def _stale(self, silent: Mapping[tuple[str, int], float]) -> None:
        looked_at = self._silent | {name for name, _ in silent}
        self._silent = set()
        for record in (self.nodes[name] for name in sorted(looked_at)):
            before, record.stale_for = record.stale_for, silent.get((record.name, record.epoch))
            if record.stale_for is None or record.state not in ALIVE or record.debugged:
                record.stale_for = None
                continue
            self._silent.add(record.name)
            if before is None:
                self._out.append(Say("warning", f"stale: no sign of life for {record.stale_for:.1f} s", record.name))
            limit = record.definition.hang_timeout
            if limit is not None and record.stale_for > limit and not record.killed:
                self._kill(record)

    def _kill(self, record: NodeRecord) -> None:
        record.killed = True
        self._out.append(KillNode(record.name, record.epoch))

    # -- the run -------------------------------------------------------------------------------------
    def _note(self, text: str, exit_code: ExitCode) -> None:
        self._out.append(Say("error", text))
        if self.failure is None:
            self.failure, self.exit_code = text, exit_code

    def _fail(self, text: str, exit_code: ExitCode) -> None:
        self._note(text, exit_code)
        self._stop("a failure")

    def _stop(self, why: str) -> None:
        if self.phase in (Phase.STOPPING, Phase.ENDED):
            return
        self.phase = Phase.STOPPING
        self._out.append(Say("info", f"stopping: {why}"))
        self._out.append(StopSources())
        self._stopping_level = -1

    def _launcher_gone(self) -> None:
        for record in self.nodes.values():
            if record.debugged and record.state in ALIVE:
                record.gone = True
                self._set(record, NodeState.STOPPED)
        self._stop_limit = LAUNCHER_GONE_STOP
        self._stop("the launcher is gone")

    def _kill_all(self) -> None:
        if self.exit_code is ExitCode.OK:
            self.exit_code, self.failure = ExitCode.KILLED, "killed"
        self.phase = Phase.STOPPING
        for record in self.nodes.values():
            ending = record.state is NodeState.RESTARTING and not record.gone
            if (record.state in ALIVE or ending) and not record.debugged:
                self._out.append(KillNode(record.name, record.epoch))
        self._end()

    def _end(self) -> None:
        self.phase = Phase.ENDED
        self._out.append(EndRun(self.exit_code, self.failure))

    def _advance(self) -> None:
        if self.phase is Phase.PREPARING:
            self._advance_start()
        if self.phase is Phase.RUNNING:
            self._advance_running()
        if self.phase is Phase.STOPPING:
            self._advance_stop()

    def _advance_start(self) -> None:
        if not self._host_ready or any(r.state is not NodeState.READY for r in self.nodes.values()):
            return
        self.phase = Phase.RUNNING
        # Sinks first, sources last: nothing is made before somebody takes it.
        self._out.append(StartSinks())
        self._out.extend(StartNode(r.name, r.epoch) for r in self.nodes.values())
        self._out.append(StartSources())

    def _advance_running(self) -> None:
        for record in [self.nodes[name] for name in sorted(self._to_restart)]:
            if record.restart_at is None or self._now < record.restart_at:
                continue
            if record.gone:
                self._to_restart.remove(record.name)
                record.begin_next_life()
                self._set(record, NodeState.PLACING)
                self._out.append(PlaceNode(record.name, record.epoch))
                self._run(record)
            elif not record.killed and self._now >= (record.kill_at or record.restart_at + GONE_TIMEOUT):
                self._kill(record)
        if self.nodes and self._stopped == len(self.nodes):
            self._stop("all nodes have stopped")

    def _advance_stop(self) -> None:
        for record in self.nodes.values():
            if record.kill_at is not None and self._now >= record.kill_at and record.state in ALIVE:
                record.kill_at = None
                self._kill(record)
        while self._sinks_deadline is None and self._level_done(self._stopping_level):
            self._stopping_level += 1
            if self._stopping_level >= self._last_level:
                self._sinks_deadline = self._now + SINK_TIMEOUT
                self._out.append(StopSinks())
            else:
                self._stop_level(self._stopping_level)
        if self._sinks_deadline is not None and self._now >= self._sinks_deadline:
            self._out.append(Say("warning", f"the outlets did not close within {SINK_TIMEOUT:g} s"))
            self._end()

    def _level_done(self, level: int) -> bool:
        return all(r.state in ENDED for r in self.nodes.values() if r.level == level)

    def _stop_level(self, level: int) -> None:
        for record in self.nodes.values():
            if record.level != level or record.state in ENDED:
                continue
            if record.state is NodeState.RESTARTING and record.kill_at is not None and not record.gone:
                self._set(record, NodeState.STOPPING)  # it was told to already, to begin anew
                continue
            if record.state is NodeState.RESTARTING or not record.run_sent:
                if record.state is not NodeState.RESTARTING:
                    self._out.append(KillNode(record.name, record.epoch))
                self._set(record, NodeState.STOPPED)
                continue
            within = record.definition.stop_timeout
            if self._stop_limit is not None:
                within = min(within, self._stop_limit / max(1, self._last_level))
            ready = record.state in (NodeState.READY, NodeState.RUNNING, NodeState.PAUSED)
            self._set(record, NodeState.STOPPING)
            self._out.append(StopNode(record.name, record.epoch, within))
            if not record.debugged:  # its prompt may be open, and answers when it is left
                record.kill_at = self._now + within + (KILL_GRACE if ready else 0.0)


def _first_line(text: str) -> str:
    """The last line of a traceback, or the only one of a message."""
    return text.strip().splitlines()[-1] if text.strip() else "failed"
