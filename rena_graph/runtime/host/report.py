"""One look at a board, as plain numbers: what a host agent reports every beat, and a status is made from."""

from __future__ import annotations

import socket
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from rena_graph.bridges.base import SourceState
from rena_graph.runtime.host.load import HostLoad, cores, processor_times
from rena_graph.runtime.host.recent import EVERY, RecentQuantiles
from rena_graph.runtime.hosts.host_clock import clock_facts
from rena_graph.runtime.lifecycle import ENDED, NodeState
from rena_graph.runtime.plan import Plan
from rena_graph.transport.board import Board, EdgeColumn, NodeColumn, Row, StreamColumn

__all__ = ["BoardReader", "stale_nodes"]

_FOR_PHASES = ("out_p95",)
_HISTOGRAMS = {"loop": 0, "lateness": 1, "age": 2, "output_age": 4}

_DROPPED = [(c.name.removeprefix("DROPPED_").lower(), c) for c in EdgeColumn if c.name.startswith("DROPPED_")]

BEAT_EVERY = 5.0
"""Seconds that the quantiles in a beat may be old, but for that by which phases are set: who asks gets newer ones."""
RATE_WINDOW = 2.0
"""Seconds over which a reached rate is measured; three periods where these are longer."""


@dataclass
class _Series:
    """Past values of one counter."""

    points: deque[tuple[int, int]]

    def rate(self, now_ns: int, value: int, window: float) -> float:
        points = self.points
        points.append((now_ns, value))
        while len(points) > 2 and now_ns - points[1][0] > window * 1e9:
            points.popleft()
        then, before = points[0]
        return (value - before) * 1e9 / (now_ns - then) if now_ns > then else 0.0


class BoardReader:
    """Reads one host's board again and again, and makes rates of its counters."""

    def __init__(self, board: Board, plan: Plan) -> None:
        self._board = board
        self._clock = board.clock
        self._lock = threading.Lock()
        self._every = EVERY
        self._load = HostLoad()
        self._loops: dict[str, _Series] = {}
        self._produced: dict[str, _Series] = {}
        self._recent: dict[str, dict[tuple[str, ...], RecentQuantiles]] = {}
        self._latencies: dict[int, RecentQuantiles] = {}
        self.follow(plan)

    def follow(self, plan: Plan) -> None:
        """Read what this plan has from now on; what was there before goes on."""
        with self._lock:
            self._follow(plan)

    def _follow(self, plan: Plan) -> None:
        board = self._board
        self._plan = plan
        self._host = plan.host or socket.gethostname()
        self._nodes = {name: board.node(i) for name, i in plan.node_rows.items()}
        rows = {name: board.stream(p.index) for name, p in plan.ports.items()}
        # Each stream is told of by the host that makes it, each edge by the host of its reader.
        self._streams = {name: row for name, row in rows.items() if name not in plan.incoming}
        self._produced_here = {name: row.ints for name, row in rows.items()}
        self._edges = {
            i: (stream, to, board.edge(i)) for i, (stream, to) in plan.consumers().items() if i in plan.own_edges
        }
        self._policies: dict[int, str] = {edge.index: edge.input.policy for edge, _ in plan.edges}
        self._policies |= {link.edge: link.policy for link in plan.links}
        for name, row in self._nodes.items():
            self._loops.setdefault(name, _Series(deque()))
            if name not in self._recent:
                self._recent[name] = self._quantiles(name, row)
        for i in (sink.edge for sink in plan.own_sinks):
            if i not in self._latencies:
                self._latencies[i] = RecentQuantiles(self._edges[i][2].histogram(0), 0.5, 0.99)
        for name in self._streams:
            self._produced.setdefault(name, _Series(deque()))

    def _quantiles(self, name: str, row: Row) -> dict[tuple[str, ...], RecentQuantiles]:
        """By the names under which they are reported."""
        # From the deadline until the outputs are out; on data, where there is no deadline, of loop() alone.
        out = 3 if self._plan.graph.nodes[name].trigger == "clock" else 0
        return {
            ("loop_p99",): RecentQuantiles(row.histogram(0), 0.99),
            ("lateness_p99",): RecentQuantiles(row.histogram(1), 0.99),
            ("age_p50", "age_p99"): RecentQuantiles(row.histogram(2), 0.5, 0.99),
            _FOR_PHASES: RecentQuantiles(row.histogram(out), 0.95),
            ("output_age_p50", "output_age_p99"): RecentQuantiles(row.histogram(4), 0.5, 0.99),
        }

    def read(self, now_ns: int, *, whole: bool = False, beat: bool = False) -> dict[str, Any]:
        """Everything, as JSON-able values.

        Parameters
        ----------
        now_ns : int
            Monotonic time.
        whole : bool
            Quantiles over the whole run; else over the last ten seconds, or so.
        beat : bool
            Nobody has asked for it: most quantiles may be older.
        """
        with self._lock:  # the beats come from another thread than whoever asks for a status now
            self._every = BEAT_EVERY if beat else EVERY
            host = {"cpu": self._load.read(), "cores": cores()}
            clock = clock_facts(self._clock, now_ns / 1e9)
            graph_time = now_ns / 1e9 + (0.0 if clock is None else clock["offset"])
            return {
                "nodes": {name: self._node(name, row, now_ns, whole) for name, row in self._nodes.items()},
                "streams": {name: self._stream(name, row, now_ns, graph_time) for name, row in self._streams.items()},
                "edges": [self._edge(i, now_ns, whole) for i in self._edges],
                "host": host,
                "hosts": {self._host: {**host, "clock": clock}},
            }

    def histograms(self) -> dict[str, Any]:
        """Every histogram, cell by cell: of nodes by what they count, and of sinks."""
        return {
            "histograms": {
                name: {
                    **{what: row.histogram(which).tolist() for what, which in _HISTOGRAMS.items()},
                    "loop_sum": row.ints[NodeColumn.LOOP_NS] / 1e9,
                }
                for name, row in self._nodes.items()
            },
            "latencies": [
                {"stream": stream, "to": to, "counts": row.histogram(0).tolist()}
                for stream, to, row in (self._edges[i] for i in self._latencies)
            ],
        }

    def _node(self, name: str, row: Row, now_ns: int, whole: bool) -> dict[str, Any]:
        c = row.ints
        loops = c[NodeColumn.LOOPS]
        frequency = row.floats[NodeColumn.FREQUENCY]
        window = max(RATE_WINDOW, 3 / frequency) if frequency > 0 else RATE_WINDOW
        age = row.floats[NodeColumn.AGE]
        quantiles: dict[str, float | None] = {}
        for names, recent in self._recent[name].items():
            every = EVERY if names == _FOR_PHASES else self._every
            quantiles.update(zip(names, recent.whole() if whole else recent.read(now_ns, every), strict=True))
        pid = c[NodeColumn.PID]
        had, waited = (processor_times(pid) if pid else None) or (None, None)
        return {
            "frequency": frequency if 0 < frequency < float("inf") else None,
            "rate": self._rate(name, row, now_ns, window),
            "loops": loops,
            "loop_mean": c[NodeColumn.LOOP_NS] / loops / 1e9 if loops else None,
            "loop_max": c[NodeColumn.LOOP_NS_MAX] / 1e9 if loops else None,
            "own_mean": c[NodeColumn.OWN_NS] / loops / 1e9 if loops else None,
            "skipped": c[NodeColumn.SKIPPED],
            "overruns": c[NodeColumn.OVERRUNS],
            "exceptions": c[NodeColumn.EXCEPTIONS],
            "bad_outputs": c[NodeColumn.BAD_OUTPUTS],
            "discarded": c[NodeColumn.DISCARDED],
            "states_refused": c[NodeColumn.STATES_REFUSED],
            "state_bytes": c[NodeColumn.STATE_BYTES] if c[NodeColumn.STATE_FILE] else None,
            "console_dropped": c[NodeColumn.LOG_DROPPED],
            "age": age if age else None,
            **quantiles,
            "ahead": c[NodeColumn.AHEAD],
            "cpu": c[NodeColumn.CPU_NS] / 1e9,
            "rss": c[NodeColumn.RSS] or None,
            "phase": row.floats[NodeColumn.PHASE],
            "origin": row.floats[NodeColumn.ORIGIN] or None,
            "cpu_loop": had,
            "cpu_wait": waited,
            "pid": pid or None,
            "host": self._host,
        }

    def _rate(self, name: str, row: Row, now_ns: int, window: float) -> float:
        """Loops a second: lately while it runs, over its whole life once it has ended."""
        c = row.ints
        loops = c[NodeColumn.LOOPS]
        if c[NodeColumn.STATE] in ENDED:
            life = c[NodeColumn.LAST_LOOP_NS] - c[NodeColumn.FIRST_LOOP_NS]
            return (loops - 1) * 1e9 / life if loops > 1 and life else 0.0
        return self._loops[name].rate(now_ns, loops, window)

    def _stream(self, name: str, row: Row, now_ns: int, graph_time: float) -> dict[str, Any]:
        c = row.ints
        produced = c[StreamColumn.PRODUCED]
        state = c[StreamColumn.SOURCE_STATE]
        return {
            "produced": produced,
            "rate": self._produced[name].rate(now_ns, produced, RATE_WINDOW),
            "nominal_rate": self._plan.ports[name].spec.rate,
            "channels": self._plan.ports[name].spec.channels,
            "dtype": self._plan.ports[name].spec.dtype,
            "source_state": SourceState(state).name.lower() if state else None,
            "gaps": c[StreamColumn.SOURCE_GAPS],
            "lost": c[StreamColumn.SOURCE_LOST],
            "rejected": c[StreamColumn.SOURCE_REJECTED],
            "recoveries": c[StreamColumn.SOURCE_RECOVERIES],
            "backwards": c[StreamColumn.SOURCE_BACKWARDS],
            "reanchored": c[StreamColumn.REANCHORED],
            "blocked": c[StreamColumn.BLOCKED_NS] / 1e9,
            "block_timeouts": c[StreamColumn.BLOCK_TIMEOUTS],
            "epoch": c[StreamColumn.EPOCH],
            "age": graph_time - row.floats[StreamColumn.LAST_TIMESTAMP] if produced else None,
            "ended": bool(c[StreamColumn.ENDED]),
            "repeated": c[StreamColumn.REPEATED],
            "not_finite": c[StreamColumn.NOT_FINITE],
        }

    def _edge(self, index: int, now_ns: int, whole: bool) -> dict[str, Any]:
        stream, to, row = self._edges[index]
        c = row.ints
        # Position before production: a sample that arrives in between must not look as if taken before it was made.
        position, start = c[EdgeColumn.POSITION], c[EdgeColumn.START]
        produced = self._produced_here[stream][StreamColumn.PRODUCED]
        dropped = {reason: c[column] for reason, column in _DROPPED if c[column]}
        latency: dict[str, float | int | None] = {}
        if (recent := self._latencies.get(index)) is not None:
            p50, p99 = recent.whole() if whole else recent.read(now_ns, self._every)
            latency = {"latency_p50": p50, "latency_p99": p99, "ahead": c[EdgeColumn.AHEAD]}
        return {
            "row": index,
            "stream": stream,
            "to": to,
            "policy": self._policies.get(index, "fifo"),
            "produced": produced - start,
            "delivered": max(0, c[EdgeColumn.DELIVERED] - c[EdgeColumn.REPEATED]),
            "dropped": dropped,
            "in_flight": produced - position,
            "filled": c[EdgeColumn.FILLED],
            "repeated": c[EdgeColumn.REPEATED],
            **latency,
        }


def stale_nodes(plan: Plan, board: Board, now_ns: int) -> list[tuple[str, int, float]]:
    """Running nodes without a sign of life for max(1 s, 3 periods), each with its epoch and for how many seconds."""
    stale: list[tuple[str, int, float]] = []
    for name, index in plan.node_rows.items():
        row = board.node(index)
        if row.ints[NodeColumn.STATE] not in (NodeState.READY, NodeState.RUNNING, NodeState.PAUSED):
            continue
        frequency = row.floats[NodeColumn.FREQUENCY]
        limit = max(1.0, 3.0 / frequency) if frequency > 0 else 1.0
        silent = (now_ns - row.ints[NodeColumn.BEAT_NS]) / 1e9
        if silent > limit:
            stale.append((name, row.ints[NodeColumn.EPOCH], silent))
    return stale
