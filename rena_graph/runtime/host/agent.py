"""The host agent without its Ray shell: holds a host's rings, board and bridges, speaks with nodes, reports beats."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from rena_graph.errors import RenaGraphError
from rena_graph.graph.model import Graph
from rena_graph.runtime.alive import hold_alive
from rena_graph.runtime.clock import Clock
from rena_graph.runtime.host.beats import BEAT_SECONDS, Beats
from rena_graph.runtime.host.bridges import Sinks, Sources
from rena_graph.runtime.host.crossings import Crossings, Peer
from rena_graph.runtime.host.lease import ABANDONED_AFTER, LEASE_SECONDS, Lease
from rena_graph.runtime.host.mark import AgentMark
from rena_graph.runtime.host.moved import Moved, begin_links, follow_ledgers, make_missing, open_moved
from rena_graph.runtime.host.outbox import Batch, Outbox
from rena_graph.runtime.host.part import HostPart
from rena_graph.runtime.host.processes import Processes
from rena_graph.runtime.host.report import BoardReader, stale_nodes
from rena_graph.runtime.host.shared import make_shared, remove_shared
from rena_graph.runtime.host.tails import Tails
from rena_graph.runtime.host.usage import GpuMemory, UsageMeter, host_usage
from rena_graph.runtime.messages import LogRecords
from rena_graph.runtime.plan import HostPaths, Plan
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Board

__all__ = ["HostAgent"]

log = logging.getLogger(__name__)

log_bridges = logging.getLogger("rena_graph.bridges.host")
"""What whoever runs the graph is to hear of."""


class HostAgent:
    """One host's part of a run.

    Parameters
    ----------
    graph : Graph
        What runs.
    paths : HostPaths
        Where things are on this host.
    clock : Clock
        Graph time.
    instance : str | None
        Part of the outlets' source ids.
    deliver : callable
        Hands a batch (see :class:`Outbox`) to the coordinator and returns whether it has it; may block.
    life : int
        Which agent of this host, counted from 0; the epoch of the writers of external streams.
    debugged : str | None
        The node that runs in the launching process, whose end is not the node's.
    part : HostPart | None
        What of the run this host has; all of it where left out.
    abandoned : callable | None
        Called once when no coordinator is to be expected any more; None where the session process sees to that.
    """

    def __init__(
        self,
        graph: Graph,
        paths: HostPaths,
        clock: Clock,
        instance: str | None,
        deliver: Callable[[Batch], bool],
        life: int = 0,
        debugged: str | None = None,
        part: HostPart | None = None,
        abandoned: Callable[[], None] | None = None,
    ) -> None:
        self._alive = hold_alive(paths.runtime)
        self._paths = paths
        self._clock = clock
        self._instance = instance
        self._life = life
        # A stream that is missed, refused or malformed concerns who runs the graph, not only who reads log files.
        self._bridge_log = LogRecords("rena_graph.bridges", clock.unix)
        self._part = part
        here = None if part is None else part.streams
        self._sources = Sources(graph, clock, self._bridge_failed, self._sources_ended, here)
        several = part is not None and part.several
        self._crossings = Crossings(paths.runtime, clock, self._bridge_failed) if several else None
        self._sinks: Sinks | None = None
        self._plan: Plan | None = None
        self._board: Board | None = None
        self._reader: BoardReader | None = None
        self._usage: UsageMeter | None = None
        self._gpu = GpuMemory()
        self._endpoint = ""
        self._starting = threading.Lock()
        self._lease = Lease(clock.now_ns() / 1e9)  # not graph time: that leaps where it is learned
        self._abandoned = abandoned
        self._mark = AgentMark(paths.runtime)
        self._tails = Tails(paths.runtime, clock.unix)
        self._outbox = Outbox(lambda batch: self._handed_on(deliver, batch), clock.unix)
        self.processes = Processes(paths, debugged, self._outbox.put)
        """The nodes of this host."""
        self._closing = threading.Event()
        self._beats = threading.Thread(target=self._beat_forever, name="rena-beats", daemon=True)
        self._beats.start()

    # -- start ---------------------------------------------------------------------------------------
    def find(self) -> dict[str, StreamSpec]:
        """The formats of all external streams; see :meth:`Sources.find`."""
        with self._starting:
            return self._sources.find()

    @property
    def public_key(self) -> bytes:
        """What other hosts know this one by; empty where there are none."""
        return b"" if self._crossings is None else self._crossings.public_key

    def prepare(self, plan: Plan, adopt: bool = False, allowed: Mapping[bytes, str] = MappingProxyType({})) -> str:
        """Make board and rings, open sources, bind sinks, let other hosts in; a second time nothing happens.

        Parameters
        ----------
        plan : Plan
            Where everything is.
        adopt : bool
            Take over the board and the rings that an agent before has made, and that nodes use.
        allowed : mapping of bytes to str
            Public keys of the run's hosts, and their names.

        Returns
        -------
        str
            Where other hosts' streams come in; empty where there are none.

        Raises
        ------
        SharedMemoryShort, PortTaken, EnvironmentRefused
            The host lacks something.
        """
        with self._starting:
            if self._plan is not None:
                return self._endpoint
            board = Board.attach(self._paths.board) if adopt else make_shared(plan)
            if adopt:
                make_missing(plan)
            self._sinks = Sinks(plan, self._clock, self._instance, self._bridge_failed, adopt)
            if adopt:
                self._sources.adopt(plan, board, self._life)
            self._sinks.prepare()
            self._sources.prepare()
            self._reader = BoardReader(board, plan)
            self._usage = UsageMeter({name: board.node(i) for name, i in plan.node_rows.items()})
            if self._crossings is not None and self._part is not None:
                self._endpoint = self._crossings.receive(plan, board, self._part.bind, allowed)
            self._plan, self._board = plan, board
            self.processes.know(plan, board)
        if adopt:
            self.processes.tell_anew()
        return self._endpoint

    def begin_links(self, plan: Plan, moved: Collection[str]) -> dict[str, int]:
        """A host is lost: see :func:`~rena_graph.runtime.host.moved.begin_links`."""
        with self._starting:
            assert self._board is not None
            return begin_links(plan, self._board, moved)

    def follow(self, plan: Plan, moved: Moved) -> None:
        """A host is lost: from now on this one has what `plan` says, which is more than before.

        Parameters
        ----------
        plan : Plan
            This host's.
        moved : Moved
            Who comes here, and what was known of them.

        Raises
        ------
        SharedMemoryShort
            The rings that it has now do not fit.
        """
        with self._starting:
            board = self._board
            assert board is not None
            assert self._reader is not None
            make_missing(plan)
            if self._crossings is not None:
                self._crossings.follow(plan, board, moved.produced)
            open_moved(plan, board, moved)
            begin_links(plan, board, moved.nodes)
            follow_ledgers(plan, board, moved)
            self._plan = plan
            self._reader.follow(plan)
            self._usage = UsageMeter({name: board.node(i) for name, i in plan.node_rows.items()})
            self.processes.know(plan, board)

    def connect(self, peers: Mapping[str, Peer], timekeeper: str | None) -> None:
        """Send what goes to other hosts, and learn the time; see :meth:`Crossings.connect`."""
        assert self._plan is not None
        assert self._board is not None
        if self._crossings is not None:
            self._crossings.connect(self._plan, self._board, peers, timekeeper)

    def drained(self, streams: Collection[str]) -> bool:
        """Whether all that was published in these streams has arrived on the hosts that take them."""
        return self._crossings is None or self._crossings.drained(streams)

    def watch_console(self, node: str, epoch: int) -> None:
        """From now on report what this incarnation of a node prints."""
        assert self._plan is not None
        self._tails.watch(node, epoch, self._paths.console(node, epoch, self._plan.node_rows[node]))

    def start_sinks(self) -> None:
        """Let what is made leave; once."""
        assert self._sinks is not None
        assert self._board is not None
        with self._starting:
            self._sinks.start(self._board)

    def start_sources(self) -> None:
        """Let the first sample in, or the next; once."""
        assert self._plan is not None
        assert self._board is not None
        with self._starting:
            self._sources.start(self._plan, self._board, self._life)

    # -- while it runs -------------------------------------------------------------------------------
    def report(self) -> dict[str, Any] | None:
        """A fresh look at the board, for a status asked for now; None before there is one."""
        return None if self._reader is None else self._reader.read(self._clock.now_ns())

    def metrics(self) -> dict[str, Any]:
        """What metrics tell beyond a status: histograms, and what is used of the host; see ``runtime/metrics``."""
        if self._reader is None or self._plan is None or self._board is None:
            return {}
        pids = self.processes.pids()
        gpu = self._gpu.of([pid for pid in pids.values() if pid], self._clock.now_ns())
        return {
            **self._reader.histograms(),
            "gpu_memory": {name: gpu[pid] for name, pid in pids.items() if pid in gpu},
            "host": host_usage(),
            "agent_cpu": time.process_time(),
        }

    def _bridge_failed(self, name: str, error: RenaGraphError) -> None:
        text, code = str(error), int(error.exit_code)
        self._outbox.put({"event": "bridge_failed", "name": name, "error": text, "exit_code": code})

    def ray_lost(self, how: str) -> None:
        """Ray's part on this host has ended, and ends its workers now, of which this process is one."""
        self._outbox.put({"event": "ray_lost", "how": how})

    def _sources_ended(self) -> None:
        self._outbox.put({"event": "sources_ended"})

    def _handed_on(self, deliver: Callable[[Batch], bool], batch: Batch) -> bool:
        read = batch.pop("read")
        told_at = self._clock.now_ns() / 1e9
        if deliver(batch):
            self._lease.heard(told_at)
            self._tails.handed_on(read)
            return True
        batch["read"] = read
        return False

    def _beat_forever(self) -> None:
        beats = Beats(elsewhere=self._part is not None and not self._part.here)
        while not self._closing.wait(BEAT_SECONDS):
            beat, lines, read = self._beat(full=beats.full)
            if beats.to_tell(silent=bool(beat["stale"]), lines=bool(lines)):
                self._outbox.beat(beat, lines, read)
            now = self._clock.now_ns() / 1e9
            change = self._lease.look(now)
            if change is not None:
                self._hold(change)
            self._mark.write(now)
            if self._abandoned is not None and self._lease.abandoned(now):
                log_bridges.warning("no word from the coordinator for %g s: this host's part ends", ABANDONED_AFTER)
                # Not from this thread, for which whoever ends everything waits.
                threading.Thread(target=self._abandoned, name="rena-abandoned").start()
                return

    def _beat(
        self, *, full: bool = True, whole: bool = False
    ) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, tuple[int, int]]]:
        """Stale nodes; numbers (quantiles lately, or over the whole run); console lines; how far these were read."""
        beat: dict[str, Any] = {"stale": []}
        if self._plan is not None and self._board is not None and self._reader is not None:
            now_ns = self._clock.now_ns()
            beat["stale"] = stale_nodes(self._plan, self._board, now_ns)
            if full:
                if self._usage is not None:
                    self._usage.look(now_ns)
                beat["report"] = self._reader.read(now_ns, whole=whole, beat=True)
        lines, read = self._tails.read()
        return beat, self._bridge_log.take() + lines, read

    def _hold(self, hold: bool) -> None:
        """Pause nodes and outlets, or let them go on; a node that the user has paused stays so."""
        if self._plan is None or self._board is None:
            return
        if hold:
            log_bridges.warning("no word from the coordinator for %g s: nodes and outlets are held", LEASE_SECONDS)
        else:
            log_bridges.warning("the coordinator is there again: nodes and outlets go on")
        if self._sinks is not None:
            self._sinks.hold(hold)
        self.processes.hold(hold)

    # -- end -----------------------------------------------------------------------------------------
    def stop_sources(self) -> None:
        """Let no more in."""
        self._sources.stop()

    def stop_sinks(self) -> None:
        """Send what is left."""
        if self._sinks is not None:
            self._sinks.stop()

    def wait_closed(self) -> None:
        """Block until :meth:`close` was called."""
        self._closing.wait()

    def end_all(self) -> None:
        """There is no coordinator any more: stop sources, all nodes at once, and sinks; then let go of everything."""
        self.stop_sources()
        self.processes.stop_all()
        self.stop_sinks()
        self.close()

    def end_now(self) -> None:
        """This host is no part of the run any more: end its nodes by force, and let go of everything."""
        self.processes.kill_all()
        self.close()

    def close(self) -> dict[str, Any]:
        """Take everything down and remove rings and board. Returns the last report, and console lines."""
        self._closing.set()
        self._beats.join(2.0)
        self.processes.close()
        self._sources.close()
        if self._sinks is not None:
            self._sinks.close()
        if self._crossings is not None:
            self._crossings.close()
        self.processes.hang_up()
        self._outbox.close()
        beat, lines, _ = self._beat(whole=True)
        self._bridge_log.close()
        if self._plan is not None and self._board is not None:
            remove_shared(self._plan, self._board)
        return {**beat, "console": self._outbox.left() + lines}
