"""The host agent without its Ray shell: holds a host's rings, board and bridges, speaks with nodes, reports beats."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rena_graph.errors import RenaGraphError
from rena_graph.graph.model import Graph
from rena_graph.runtime.alive import hold_alive
from rena_graph.runtime.clock import Clock
from rena_graph.runtime.events import AgentLine
from rena_graph.runtime.host.bridges import Sinks, Sources
from rena_graph.runtime.host.report import BoardReader, stale_nodes
from rena_graph.runtime.host.usage import GpuMemory, UsageMeter, host_usage
from rena_graph.runtime.messages import LogRecords
from rena_graph.runtime.node.console import ConsoleTail
from rena_graph.runtime.plan import HostPaths, Plan
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Board, EdgeColumn, NodeColumn
from rena_graph.transport.links import check_shared_memory, create_stream, remove_stream
from rena_graph.transport.state_files import StateFiles

__all__ = ["BEAT_SECONDS", "HostAgent"]

log = logging.getLogger(__name__)

BEAT_SECONDS = 0.25


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
    notify : callable
        Takes each message for the coordinator; from any thread.
    """

    def __init__(
        self,
        graph: Graph,
        paths: HostPaths,
        clock: Clock,
        instance: str | None,
        notify: Callable[[dict[str, Any]], None],
    ) -> None:
        self._alive = hold_alive(paths.runtime)
        self._paths = paths
        self._clock = clock
        self._instance = instance
        self._notify = notify
        # A stream that is missed, refused or malformed concerns who runs the graph, not only who reads log files.
        self._bridge_log = LogRecords("rena_graph.bridges", clock.unix)
        self._sources = Sources(graph, clock, self._bridge_failed, self._sources_ended)
        self._sinks: Sinks | None = None
        self._plan: Plan | None = None
        self._board: Board | None = None
        self._reader: BoardReader | None = None
        self._usage: UsageMeter | None = None
        self._gpu = GpuMemory()
        self._tails: dict[str, ConsoleTail] = {}
        self._tails_lock = threading.Lock()
        self._line = AgentLine(paths.commands, paths.events, self._on_node_event)
        self._closing = threading.Event()
        self._beats = threading.Thread(target=self._beat_forever, name="rena-beats", daemon=True)
        self._beats.start()

    # -- start ---------------------------------------------------------------------------------------
    def find(self) -> dict[str, StreamSpec]:
        """The formats of all external streams; see :meth:`Sources.find`."""
        return self._sources.find()

    def prepare(self, plan: Plan) -> None:
        """Make board and rings, open sources, bind sinks.

        Raises
        ------
        SharedMemoryShort, PortTaken, EnvironmentRefused
            The host lacks something.
        """
        ports = list(plan.ports.values())
        check_shared_memory(ports)
        board = Board.create(
            self._paths.board, streams=len(plan.ports), edges=plan.edge_count, nodes=len(plan.node_rows)
        )
        self._plan, self._board = plan, board
        for port in ports:
            create_stream(port)
        self._sinks = Sinks(plan, self._clock, self._instance, self._bridge_failed)
        self._sinks.prepare()
        self._sources.prepare()
        self._reader = BoardReader(board, plan)
        self._usage = UsageMeter({name: board.node(i) for name, i in plan.node_rows.items()})

    def watch_console(self, node: str, epoch: int) -> None:
        """From now on report what this incarnation of a node prints."""
        assert self._plan is not None
        prefix = self._paths.console(node, epoch, self._plan.node_rows[node])
        with self._tails_lock:
            self._tails[f"{node}:{epoch}"] = ConsoleTail(prefix, node, self._clock.unix)

    def start_sinks(self) -> None:
        """Let what is made leave."""
        assert self._sinks is not None
        assert self._board is not None
        self._sinks.start(self._board)

    def start_sources(self) -> None:
        """Let the first sample in."""
        assert self._plan is not None
        assert self._board is not None
        self._sources.start(self._plan, self._board)

    # -- while it runs -------------------------------------------------------------------------------
    def command(self, node: str, epoch: int, message: dict[str, Any]) -> None:
        """Hand a command to a node."""
        self._line.send(f"{node}:{epoch}", message)

    def progress(self, node: str, epoch: int) -> dict[str, int]:
        """The versions of the newest changes that the node's loop has, and its single steps to come.

        Empty where another incarnation of the node has the board's row.
        """
        if self._plan is None or self._board is None:
            return {}
        row = self._board.node(self._plan.node_rows[node]).ints
        if row[NodeColumn.EPOCH] != epoch:
            return {}
        return {
            "params": row[NodeColumn.PARAM_VERSION],
            "rate": row[NodeColumn.RATE_VERSION],
            "step": row[NodeColumn.STEP_VERSION],
            "left": row[NodeColumn.STEPS_LEFT],
        }

    def kill(self, node: str, epoch: int) -> None:
        """End a node's process by force, whatever it does; SIGKILL needs nobody's cooperation."""
        if self._plan is None or self._board is None:
            return
        row = self._board.node(self._plan.node_rows[node])
        pid = row.ints[NodeColumn.PID]
        if pid and row.ints[NodeColumn.EPOCH] == epoch:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def release(self, node: str) -> None:
        """A node's process is gone, perhaps without letting go: no writer waits for it any more."""
        if self._plan is not None and self._board is not None:
            for edge in self._plan.graph.inputs_of(node):
                self._board.edge(edge.index).ints[EdgeColumn.ACTIVE] = 0

    def report(self) -> dict[str, Any] | None:
        """A fresh look at the board, for a status asked for now; None before there is one."""
        return None if self._reader is None else self._reader.read(self._clock.now_ns())

    def metrics(self) -> dict[str, Any]:
        """What metrics tell beyond a status: histograms, and what is used of the host; see ``runtime/metrics``."""
        if self._reader is None or self._plan is None or self._board is None:
            return {}
        pids = {name: self._board.node(i).ints[NodeColumn.PID] for name, i in self._plan.node_rows.items()}
        gpu = self._gpu.of([pid for pid in pids.values() if pid], self._clock.now_ns())
        return {
            **self._reader.histograms(),
            "gpu_memory": {name: gpu[pid] for name, pid in pids.items() if pid in gpu},
            "host": host_usage(),
            "agent_cpu": time.process_time(),
        }

    def _on_node_event(self, message: dict[str, Any]) -> None:
        self._notify(message)

    def _bridge_failed(self, name: str, error: RenaGraphError) -> None:
        self._notify({"event": "bridge_failed", "name": name, "error": str(error), "exit_code": int(error.exit_code)})

    def _sources_ended(self) -> None:
        self._notify({"event": "sources_ended"})

    def _beat_forever(self) -> None:
        while not self._closing.wait(BEAT_SECONDS):
            self._notify(self.beat())

    def beat(self, *, whole: bool = False) -> dict[str, Any]:
        """One report: numbers (quantiles lately, or over the whole run), stale nodes, console lines."""
        message: dict[str, Any] = {"event": "beat", "console": self._console_lines(), "stale": []}
        if self._plan is not None and self._board is not None and self._reader is not None:
            now_ns = self._clock.now_ns()
            if self._usage is not None:
                self._usage.look(now_ns)
            message["stale"] = stale_nodes(self._plan, self._board, now_ns)
            message["report"] = self._reader.read(now_ns, whole=whole)
        return message

    def _console_lines(self) -> list[dict[str, Any]]:
        with self._tails_lock:
            tails = list(self._tails.values())
        lines = self._bridge_log.take() + [record for tail in tails for record in tail.read()]
        lines.sort(key=lambda record: float(record["time"]))
        return lines

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

    def close(self) -> dict[str, Any]:
        """Take everything down and remove rings and board. Returns the last report."""
        self._closing.set()
        self._beats.join(2.0)
        self._sources.close()
        if self._sinks is not None:
            self._sinks.close()
        self._line.close()
        last = self.beat(whole=True)
        self._bridge_log.close()
        if self._plan is not None and self._board is not None:
            for port in self._plan.ports.values():
                remove_stream(port)
            for index in self._plan.node_rows.values():
                StateFiles.remove(self._paths.state(index))
            self._board.close()
            self._paths.board.unlink(missing_ok=True)
        return last
