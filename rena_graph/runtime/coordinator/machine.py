"""The coordinator's decisions as a pure state machine: events in, instructions out, time handed in.

Phases of a run: ``preparing`` (streams found, processes made, scripts initialised), ``running``, ``stopping`` (sources,
then nodes level by level, then sinks), ``ended``. Whatever goes wrong leads, through ``stopping``, to ``ended``. What
concerns one node alone is decided in :mod:`~rena_graph.runtime.coordinator.lives`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rena_graph.errors import ExitCode
from rena_graph.graph.document import NodeDef
from rena_graph.runtime.coordinator.lives import KILL_GRACE, Lives
from rena_graph.runtime.coordinator.node_record import NodeRecord
from rena_graph.runtime.coordinator.restarts import FRAME_LOSSES, FRAME_WINDOW, spend
from rena_graph.runtime.coordinator.run_state import RunState
from rena_graph.runtime.coordinator.signals import (
    EndRun,
    Event,
    HostFailed,
    HostGone,
    HostHeard,
    HostLost,
    HostPrepared,
    HostSilent,
    Instruction,
    KillAsked,
    KillNode,
    LauncherGone,
    MoveNodes,
    NodeGone,
    NodeReported,
    PlaceNode,
    PrepareHost,
    RayLost,
    RestartAsked,
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
from rena_graph.runtime.lifecycle import ALIVE, ENDED, NodeState, Phase

__all__ = ["Coordinator", "Phase"]

SINK_TIMEOUT = 3.0
HASTY_STOP = 3.0
"""Without a launcher all has to be gone within ten seconds, Ray included; without Ray, before it drags all along."""


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
        records = [NodeRecord(name, node, depth[name], debugged=name == debugged) for name, node in nodes.items()]
        self._last_level = len(levels)
        self.run = RunState()
        self._out: list[Instruction] = []
        self.lives = Lives(records, self.run, self._out, self._node_failed, reload)
        self.nodes = self.lives.records

    @property
    def phase(self) -> Phase:
        """Where the run is."""
        return self.run.phase

    @property
    def waits(self) -> bool:
        """Whether time alone may bring something: where not, a tick changes nothing."""
        return self.run.phase is not Phase.RUNNING or self.lives.waits

    @property
    def exit_code(self) -> ExitCode:
        """How it ends, as far as is known."""
        return self.run.exit_code

    @property
    def failure(self) -> str | None:
        """The first thing that went wrong."""
        return self.run.failure

    def begin(self, now: float) -> list[Instruction]:
        """The run begins: processes are made while the streams are found."""
        self.run.now = now
        self._out.extend([PrepareHost(0), *(PlaceNode(n, 0) for n in self.nodes)])
        return self._take()

    def resume(self, now: float) -> list[Instruction]:
        """Go on with a run that another coordinator began; its state was put into this one's records."""
        self.run.now = now
        self.lives.look_anew()
        if self.run.phase is Phase.ENDED:
            self._end()
            return self._take()
        if not self.run.host_ready and self.run.phase is Phase.PREPARING:
            self._out.append(PrepareHost(self.run.host_life))
        if self.run.moves:
            self._out.append(MoveNodes(dict(self.run.moves)))
        self._again()
        self._advance()
        return self._take()

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """React to what happened at `now` (monotonic seconds)."""
        self.run.now = now
        if self.run.phase is Phase.ENDED:
            return []
        match event:
            case HostPrepared(life):
                self._host_prepared(life)
            case HostFailed(error, exit_code):
                self._fail(error, exit_code)
            case HostLost():
                self._host_lost()
            case HostSilent(host, why):
                self._out.append(Say("warning", f"host {host} is silent{f': {why}' if why else ''}"))
            case HostHeard(host, seconds):
                self._out.append(Say("warning", f"host {host} is there again, after {seconds:.1f} s"))
            case HostGone():
                self._host_gone(event)
            case NodeReported():
                self.lives.reported(event)
            case NodeGone():
                self.lives.gone(event)
            case StaleSeen(nodes):
                self.lives.stale({(node, epoch): seconds for node, epoch, seconds in nodes})
            case ScriptChanged():
                self.lives.changed(event)
            case RestartAsked(node):
                self.lives.restart_asked(node)
            case SourcesEnded():
                self._stop("all sources have ended")
            case StopAsked(why):
                self._stop(why)
            case LauncherGone():
                self._launcher_gone()
            case RayLost(why):
                self.run.stop_limit = HASTY_STOP
                self._fail(why, ExitCode.ENVIRONMENT)
            case KillAsked():
                self._kill_all()
            case SinksStopped():
                if self.run.phase is Phase.STOPPING and self.run.sinks_deadline is not None:
                    self._end()
            case Tick():
                pass
        self._advance()
        return self._take()

    def _take(self) -> list[Instruction]:
        out = list(self._out)
        self._out.clear()
        return out

    # -- the host ------------------------------------------------------------------------------------
    def _host_prepared(self, life: int) -> None:
        run = self.run
        if life != run.host_life:
            return
        first, run.host_ready = not run.host_ready, True
        if run.phase is Phase.PREPARING:
            for record in self.nodes.values():
                self.lives.run(record)
        if not first:
            self._again()

    def _host_lost(self) -> None:
        """Rings and board outlive their agent, and the nodes need nobody's leave: another one takes them over."""
        run = self.run
        if not spend(run.host_losses, run.now):
            text = f"the host agent died, {FRAME_LOSSES + 1} times within {FRAME_WINDOW:g} s"
            self._note(text, ExitCode.ENVIRONMENT)
            self._kill_all()
            return
        run.host_life += 1
        self._out.append(Say("warning", "the host agent died; another one takes over"))
        self._out.append(PrepareHost(run.host_life))
        if run.sinks_deadline is not None:
            run.sinks_deadline = run.now + SINK_TIMEOUT + KILL_GRACE

    def _host_gone(self, event: HostGone) -> None:
        """What was there goes on elsewhere where it may; else the run does without it, or ends."""
        what = [*(f"node {node!r}" for node in event.nodes), *(f"stream {stream!r}" for stream in event.streams)]
        why = f" ({event.why})" if event.why else ""
        text = f"host {event.host} is lost, after {event.seconds:.0f} s without a word{why}; with it {_list(what)}"
        living = [node for node in event.nodes if self.nodes[node].state not in ENDED]
        moves = {node: host for node, host in event.moves if node in living}
        stays = [node for node in living if node not in moves]
        goes_on = (
            self.run.phase is Phase.RUNNING
            and not event.streams
            and all(self.nodes[node].definition.restart.on_give_up == "degrade" for node in stays)
        )
        for node in event.nodes:
            if goes_on and node in moves:
                self.lives.move(self.nodes[node])
            else:
                self.lives.host_lost(self.nodes[node], f"its host {event.host} is lost")
        text += "".join(f"\nstream {stream!r} enters there, and nowhere else" for stream in event.streams)
        text += "".join(f"\nnode {node!r} cannot be moved: {why}" for node, why in event.stuck if node in stays)
        if not goes_on:
            self._end_without(text)
            return
        if moves:
            text += "".join(
                f"\nnode {node!r} goes on, from its beginning, on host {host}" for node, host in moves.items()
            )
            self.run.moves |= moves
            self._out.append(MoveNodes(dict(self.run.moves)))
        if stays or not moves:
            self._note(f"{text}\nthe others run on without it", ExitCode.ENVIRONMENT)
        else:
            self._out.append(Say("warning", text))
        # Whoever is being prepared on another host may have waited for this one.
        self.run.host_life += 1
        self._out.append(PrepareHost(self.run.host_life))

    def _end_without(self, text: str) -> None:
        """The run cannot go on without a host."""
        if self.run.phase is Phase.STOPPING:
            self._note(text, ExitCode.ENVIRONMENT)
        else:
            self._fail(text, ExitCode.ENVIRONMENT)

    def _again(self) -> None:
        """Want everything once more that a coordinator or a host agent may have died over."""
        run = self.run
        if not run.host_ready:
            if run.phase is Phase.PREPARING:
                self._out.extend(PlaceNode(r.name, r.epoch) for r in self.nodes.values() if r.state in ALIVE)
            return
        if run.ran:
            self._out.append(StartSinks())
        for record in self.nodes.values():
            self.lives.again(record)
        if run.phase is Phase.RUNNING:
            self._out.append(StartSources())
        elif run.phase is Phase.STOPPING:
            self._out.append(StopSources())
        if run.sinks_deadline is not None:
            self._out.append(StopSinks())

    # -- the run -------------------------------------------------------------------------------------
    def _node_failed(self, record: NodeRecord, text: str) -> None:
        goes_on = self.run.phase is Phase.RUNNING and record.definition.restart.on_give_up == "degrade"
        if goes_on or self.run.phase is Phase.STOPPING:
            self._note(f"{text}\nthe others run on without it" if goes_on else text, ExitCode.SCRIPT)
        else:
            self._fail(text, ExitCode.SCRIPT)

    def _note(self, text: str, exit_code: ExitCode) -> None:
        self._out.append(Say("error", text))
        if self.run.failure is None:
            self.run.failure, self.run.exit_code = text, exit_code

    def _fail(self, text: str, exit_code: ExitCode) -> None:
        self._note(text, exit_code)
        self._stop("a failure")

    def _stop(self, why: str) -> None:
        if self.run.phase in (Phase.STOPPING, Phase.ENDED):
            return
        self.run.phase = Phase.STOPPING
        self._out.append(Say("info", f"stopping: {why}"))
        self._out.append(StopSources())
        self.run.stopping_level = -1

    def _launcher_gone(self) -> None:
        for record in self.nodes.values():
            if record.debugged and record.state in ALIVE:
                record.gone = True
                self.lives.set(record, NodeState.STOPPED)
        self.run.stop_limit = HASTY_STOP
        self._stop("the launcher is gone")

    def _kill_all(self) -> None:
        if self.run.exit_code is ExitCode.OK:
            self.run.exit_code, self.run.failure = ExitCode.KILLED, "killed"
        self.run.phase = Phase.STOPPING
        for record in self.nodes.values():
            ending = record.state is NodeState.RESTARTING and not record.gone
            if (record.state in ALIVE or ending) and not record.debugged:
                self._out.append(KillNode(record.name, record.epoch))
        self._end()

    def _end(self) -> None:
        self.run.phase = Phase.ENDED
        self._out.append(EndRun(self.run.exit_code, self.run.failure))

    def _advance(self) -> None:
        if self.run.phase is Phase.PREPARING:
            self._advance_start()
        if self.run.phase is Phase.RUNNING:
            self.lives.advance()
            if self.lives.all_ended:
                self._stop("all nodes have stopped")
        if self.run.phase is Phase.STOPPING:
            self._advance_stop()

    def _advance_start(self) -> None:
        if not self.run.host_ready or any(r.state is not NodeState.READY for r in self.nodes.values()):
            return
        self.run.phase = Phase.RUNNING
        self.run.ran = True
        # Sinks first, sources last: nothing is made before somebody takes it.
        self._out.append(StartSinks())
        self._out.extend(StartNode(r.name, r.epoch) for r in self.nodes.values())
        self._out.append(StartSources())

    def _advance_stop(self) -> None:
        run = self.run
        for record in self.nodes.values():
            if record.kill_at is not None and run.now >= record.kill_at and record.state in ALIVE:
                record.kill_at = None
                self.lives.kill(record)
        while run.sinks_deadline is None and self._level_done(run.stopping_level):
            run.stopping_level += 1
            if run.stopping_level >= self._last_level:
                run.sinks_deadline = run.now + SINK_TIMEOUT
                self._out.append(StopSinks())
            else:
                self._stop_level(run.stopping_level)
        if run.sinks_deadline is not None and run.now >= run.sinks_deadline:
            self._out.append(Say("warning", f"the outlets did not close within {SINK_TIMEOUT:g} s"))
            self._end()

    def _level_done(self, level: int) -> bool:
        return all(r.state in ENDED for r in self.nodes.values() if r.level == level)

    def _stop_level(self, level: int) -> None:
        for record in self.nodes.values():
            if record.level == level and record.state not in ENDED:
                self._stop_node(record)

    def _stop_node(self, record: NodeRecord) -> None:
        if record.state is NodeState.RESTARTING and record.kill_at is not None and not record.gone:
            self.lives.set(record, NodeState.STOPPING)  # it was told to already, to begin anew
            return
        if record.state is NodeState.RESTARTING or not record.run_sent:
            if record.state is not NodeState.RESTARTING:
                self._out.append(KillNode(record.name, record.epoch))
            self.lives.set(record, NodeState.STOPPED)
            return
        within = record.definition.stop_timeout
        if self.run.stop_limit is not None:
            within = min(within, self.run.stop_limit / max(1, self._last_level))
        ready = record.state in (NodeState.READY, NodeState.RUNNING, NodeState.PAUSED)
        self.lives.set(record, NodeState.STOPPING)
        self._out.append(StopNode(record.name, record.epoch, within))
        if not record.debugged:  # its prompt may be open, and answers when it is left
            record.kill_at = self.run.now + within + (KILL_GRACE if ready else 0.0)


def _list(words: Sequence[str]) -> str:
    return "nothing of the run" if not words else " and ".join([", ".join(words[:-1]), words[-1]][len(words) == 1 :])
