"""The bridges of one host: each in a thread of its own, found, prepared, run and stopped together."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from rena_graph.bridges.base import DeclaredFormat, SinkBridge, SourceBridge, unsent
from rena_graph.bridges.factory import make_sink, make_source
from rena_graph.errors import RenaGraphError
from rena_graph.graph.model import Graph
from rena_graph.runtime.clock import Clock
from rena_graph.runtime.plan import Plan, SinkPlan
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Board, Row
from rena_graph.transport.interface import EdgeOptions, StreamReader, StreamWriter, Waiter
from rena_graph.transport.links import open_reader, open_waiter, open_writer
from rena_graph.transport.punctual import be_punctual

__all__ = ["Sinks", "Sources"]

log = logging.getLogger(__name__)

T = TypeVar("T")

READERS_TIMEOUT = 5.0
"""Seconds until the first sample is let in although not all readers are there."""
JOIN_TIMEOUT = 5.0


class Sources:
    """What lets streams in.

    Parameters
    ----------
    graph : Graph
        Whose external streams.
    clock : Clock
        Graph time.
    failed : callable
        Told when a source ends by an error.
    ended : callable
        Called once when all sources have ended by themselves.
    here : collection of str | None
        The external streams that come in on this host; all of them where left out.
    """

    def __init__(
        self,
        graph: Graph,
        clock: Clock,
        failed: Callable[[str, RenaGraphError], None],
        ended: Callable[[], None],
        here: Collection[str] | None = None,
    ) -> None:
        self._graph = graph
        self._failed = failed
        self._ended = ended
        self._cancel = threading.Event()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._writers: dict[str, StreamWriter] = {}
        self._lock = threading.Lock()
        self._running = 0
        self.bridges: dict[str, SourceBridge] = {
            stream.name: make_source(
                stream.name,
                stream.source.source,
                DeclaredFormat.of(stream),
                clock=clock.now,
                folder=graph.folder,
            )
            for stream in graph.external
            if stream.source is not None and (here is None or stream.name in here)
        }

    def find(self) -> dict[str, StreamSpec]:
        """Complete every stream's format, all at the same time.

        Raises
        ------
        StreamNotFound, StreamFormatError
            What is wrong with any of them, all in one message.
        """
        if not self.bridges:
            return {}
        timeout = self._graph.document.stream_timeout
        return self._at_once(lambda bridge: bridge.find(timeout, self._cancel))

    def prepare(self) -> None:
        """Open what can be opened before the start, all at the same time; raises as :meth:`find` does."""
        if self.bridges:
            self._at_once(lambda bridge: bridge.prepare())

    def _at_once(self, do: Callable[[SourceBridge], T]) -> dict[str, T]:
        """The same with each bridge, in a thread each; what goes wrong with any of them comes in one exception."""
        with ThreadPoolExecutor(max_workers=len(self.bridges), thread_name_prefix="rena-find") as pool:
            futures = {name: pool.submit(do, bridge) for name, bridge in self.bridges.items()}
        errors = [error for future in futures.values() if (error := future.exception()) is not None]
        if not errors:
            return {name: future.result() for name, future in futures.items()}
        ours = [error for error in errors if isinstance(error, RenaGraphError)]
        if len(ours) < len(errors):
            raise next(error for error in errors if not isinstance(error, RenaGraphError))
        raise type(ours[0])("\n".join(str(error) for error in ours))

    def adopt(self, plan: Plan, board: Board, life: int) -> None:
        """Go on with streams that others have begun: their formats are known, their writers are fenced off."""
        for name, bridge in self.bridges.items():
            port = plan.ports[name]
            bridge.adopt(port.spec, board.stream(port.index))
            self._writers[name] = open_writer(port, board, life)

    def start(self, plan: Plan, board: Board, life: int = 0) -> None:
        """Let the first sample in, or the next; once."""
        if self._threads or self._stop.is_set():
            return
        self._running = len(self.bridges)
        for name, bridge in self.bridges.items():
            port = plan.ports[name]
            writer = self._writers.get(name)
            if writer is None:
                writer = self._writers[name] = open_writer(port, board, life)
                writer.wait_for_readers(len(port.edges), READERS_TIMEOUT)
            thread = threading.Thread(
                target=self._run,
                args=(name, bridge, writer, board.stream(port.index)),
                name=f"rena-source-{name}",
                daemon=True,
            )
            self._threads.append(thread)
        for thread in self._threads:
            thread.start()

    def _run(self, name: str, bridge: SourceBridge, writer: StreamWriter, row: Row) -> None:
        be_punctual()
        try:
            with _reported(f"stream {name!r}", self._failed):
                bridge.run(writer, row, self._stop)
        finally:
            writer.close()
            with self._lock:
                self._running -= 1
                last = self._running == 0
        if last and not self._stop.is_set():
            self._ended()

    def stop(self) -> None:
        """Let no more samples in; returns when the last one is in."""
        self._cancel.set()
        self._stop.set()
        for writer in self._writers.values():
            writer.stop_blocking()
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT)

    def close(self) -> None:
        """Let go of sockets and files."""
        self.stop()
        for bridge in self.bridges.values():
            bridge.close()


class Sinks:
    """What lets streams out.

    Parameters
    ----------
    plan : Plan
        Which streams, and their edges.
    clock : Clock
        Graph time.
    instance : str | None
        Part of the LSL outlets' source ids.
    failed : callable
        Told when a sink ends by an error.
    adopt : bool
        Go on where sinks before these stopped.
    """

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        instance: str | None,
        failed: Callable[[str, RenaGraphError], None],
        adopt: bool = False,
    ) -> None:
        self._adopt = adopt
        self._plan = plan
        self._failed = failed
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._waiters: list[Waiter] = []
        graph = plan.graph.document.name
        self.bridges: dict[int, SinkBridge] = {
            sink.edge: make_sink(
                plan.ports[sink.stream].spec, sink.definition, graph=graph, instance=instance, clock=clock.now
            )
            for sink in plan.own_sinks
        }

    def prepare(self) -> None:
        """Bind the ports and make the outlets, so that clients can find them before the first sample.

        Raises
        ------
        PortTaken
            Somebody else has the port.
        """
        for bridge in self.bridges.values():
            bridge.prepare()

    def start(self, board: Board) -> None:
        """Begin to send, once. The readers are opened here, not in the threads: from now on nothing is missed."""
        if self._threads:
            return
        for sink in self._plan.own_sinks:
            row = board.edge(sink.edge)
            port = self._plan.ports[sink.stream]
            if self._adopt:
                unsent(row)
            reader = open_reader(port, EdgeOptions(sink.edge), board, resume=self._adopt)
            waiter = open_waiter(self._plan.transport, [reader])
            self._waiters.append(waiter)
            thread = threading.Thread(
                target=self._run,
                args=(sink, self.bridges[sink.edge], reader, waiter, row),
                name=f"rena-sink-{sink.label}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()

    def _run(self, sink: SinkPlan, bridge: SinkBridge, reader: StreamReader, waiter: Waiter, row: Row) -> None:
        be_punctual()
        try:
            with _reported(sink.label, self._failed):
                bridge.run(reader, waiter, row, self._stop)
        finally:
            reader.close()

    def hold(self, hold: bool) -> None:
        """Send nothing more, or go on; what comes meanwhile waits as far as the rings hold it."""
        for bridge in self.bridges.values():
            bridge.held = hold

    def stop(self) -> None:
        """Send what is left; returns when it is sent."""
        self._stop.set()
        for waiter in self._waiters:
            waiter.doorbell.ring()
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT)

    def close(self) -> None:
        """Let go of outlets and ports."""
        self.stop()
        for bridge in self.bridges.values():
            bridge.close()


@contextmanager
def _reported(what: str, failed: Callable[[str, RenaGraphError], None]) -> Iterator[None]:
    """A bridge's thread must not end silently, whatever a library raised."""
    try:
        yield
    except RenaGraphError as error:
        failed(what, error)
    except Exception as error:
        log.exception("%s", what)
        failed(what, RenaGraphError(f"{what}: {type(error).__name__}: {error}"))
