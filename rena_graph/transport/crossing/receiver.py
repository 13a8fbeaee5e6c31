"""Takes in the streams of other hosts: one socket a host, whose thread writes each stream into this host's ring."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import zmq

from rena_graph.errors import PortTaken, RenaGraphError, WireError
from rena_graph.transport.board import Board, StreamColumn
from rena_graph.transport.crossing.fast_link import DOOR, LEFT, Slots
from rena_graph.transport.crossing.flow import Arrived
from rena_graph.transport.crossing.inlet import Inlet, largest_message, must_wait, open_inlet, open_ring
from rena_graph.transport.crossing.keys import Doorman, KeyPair, secure_server
from rena_graph.transport.crossing.messages import (
    DATA_FRAMES,
    Data,
    Grant,
    Message,
    Offer,
    Position,
    Time,
    TimeAsked,
    pack,
    unpack,
)
from rena_graph.transport.crossing.sender import tune
from rena_graph.transport.crossing.small import PREFIX, identity_in
from rena_graph.transport.interface import ChunkInfo, StreamPort
from rena_graph.transport.punctual import be_punctual
from rena_graph.transport.wire import Chunk

__all__ = ["Receiver"]

log = logging.getLogger(__name__)

_BUSY_MS = 2
_IDLE_MS = 200
_SAY_EVERY = 1.0
_SLACK = 64 * 1024


class Receiver:
    """All streams that come to this host; a thread from :meth:`start` to :meth:`close`.

    Parameters
    ----------
    context : zmq.Context
        Of its own: it has one doorman.
    bind : str
        Address and port, such as ``tcp://10.77.0.2:*``.
    ports : sequence of StreamPort
        All streams that may ever come: they say how long a message can be.
    keys : KeyPair | None
        This host's; None: in the clear, on loopback only.
    allowed : mapping of bytes to str
        Public keys of the hosts that may come in, with their names.
    clock : callable
        Seconds, by which others set theirs.
    failed : callable
        Told when it ends by an error.

    Raises
    ------
    PortTaken
        The port is in use.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        bind: str,
        ports: Sequence[StreamPort],
        keys: KeyPair | None,
        allowed: Mapping[bytes, str],
        clock: Callable[[], float],
        failed: Callable[[str, RenaGraphError], None],
    ) -> None:
        self._secure = keys is not None
        self._clock = clock
        self._failed = failed
        self._doorman = Doorman(context, allowed)
        self._inlets: dict[str, Inlet] = {}
        self._by_identity: dict[bytes, Inlet] = {}
        """Those of :attr:`_inlets`, by what a small message has of its stream."""
        self._changing = threading.Lock()
        self._stop = threading.Event()
        self._said = float("-inf")
        self.rejected = 0
        """Messages that were not ours, or not this sender's to send."""
        self._socket = context.socket(zmq.ROUTER)
        tune(self._socket)
        self._socket.setsockopt(zmq.MAXMSGSIZE, max(map(largest_message, ports), default=0) + _SLACK)
        if keys is not None:
            secure_server(self._socket, keys)
        self._slots = Slots(self._socket, self._doorman.socket, self._secure)
        try:
            self._socket.bind(bind)
        except zmq.ZMQError as problem:
            self._socket.close(linger=0)
            self._doorman.close()
            raise PortTaken(f"streams from other hosts cannot come in at {bind}: {problem}") from problem
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._thread = threading.Thread(target=self._run, name="rena-receive", daemon=True)

    @property
    def refused(self) -> int:
        """Connections that were not let in."""
        return self._doorman.refused

    def take(self, port: StreamPort, host: str, board: Board, first: int = 0) -> None:
        """Take in one more stream, from this host alone; others that send it are not heard.

        One that is taken already comes from this host from now on. A ring that holds nothing yet begins at `first`.
        """
        with self._changing:
            known = self._inlets.get(port.spec.name)
            if known is not None:
                known.host = host
                self._slots.hear(known)
                return
            inlet = self._inlets[port.spec.name] = open_inlet(port, host, board, first)
            self._by_identity[inlet.small.identity] = inlet
            self._slots.admit(inlet)

    def leave(self, stream: str) -> None:
        """Take this stream no more, whose node is on this host now: the ring is left to it."""
        with self._changing:
            inlet = self._inlets.pop(stream, None)
            if inlet is not None:
                del self._by_identity[inlet.small.identity]
                self._slots.forget(inlet)
                inlet.writer.hand_over()

    def start(self) -> None:
        """Let them come."""
        self._thread.start()

    def close(self) -> None:
        """Take in no more; what had arrived lies in the rings, which end."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)
        for inlet in self._inlets.values():
            inlet.writer.close()
        self._socket.unbind(self.endpoint)
        self._socket.close(linger=0)
        self._doorman.close()

    # -- the thread ----------------------------------------------------------------------------------
    def _run(self) -> None:
        be_punctual()
        try:
            self._receive_forever()
        except RenaGraphError as error:
            self._failed("streams from other hosts", error)
        except Exception as error:
            log.exception("streams from other hosts")
            self._failed("streams from other hosts", RenaGraphError(f"{type(error).__name__}: {error}"))

    def _receive_forever(self) -> None:
        while not self._stop.is_set():
            self._receive_next()

    def _receive_next(self, longest: int = _IDLE_MS) -> None:
        """Take in one message, or what waits; after so many milliseconds at the latest."""
        with self._changing:
            busy = any(inlet.waiting for inlet in self._inlets.values())
        came = self._slots.receive(min(_BUSY_MS, longest) if busy else longest)
        if came == DOOR:
            self._open_door()
        with self._changing:
            if came >= 0:
                self._taken_in(came)
            elif came == LEFT:
                self._receive()
            if busy:
                for inlet in self._inlets.values():
                    self._put(inlet)
                    self._slots.arm(inlet)

    def _open_door(self) -> None:
        who = self._doorman.answer()
        if who is not None:
            self._say("a connection from %s was refused: its key is none of this run's (%d so far)", who, self.refused)

    # -- what the kernel takes in --------------------------------------------------------------------
    def _taken_in(self, slot: int) -> None:
        """The samples that came next are in the ring already."""
        inlet, intake = self._slots.of(slot), self._slots.intake
        if inlet is None or intake is None:
            return  # it was left meanwhile
        count = intake.samples
        inlet.peer = intake.peer
        arrived = inlet.flow.data(inlet.flow.generation, inlet.flow.next, count, 0)
        assert isinstance(arrived, Arrived), "an armed slot takes what follows"
        grant = inlet.flow.taken(count, arrived)
        if grant is not None:
            self._answer(inlet.peer, grant)

    # -- what comes to Python ------------------------------------------------------------------------
    def _receive(self) -> None:
        intake = self._slots.intake
        try:
            if intake is None:
                frames: list[zmq.Frame] = self._socket.recv_multipart(copy=False)
                arrived = self._clock()
                self._handle(frames[0].bytes, self._host_of(frames), [frame.buffer for frame in frames[1:]], arrived)
                return
            arrived = self._clock()
            views = [memoryview(intake.frame)]
            if intake.more:
                views += [frame.buffer for frame in self._socket.recv_multipart(copy=False)]
            self._handle(intake.peer, intake.host if self._secure else None, views, arrived)
        except WireError as problem:
            self._reject(str(problem))

    def _host_of(self, frames: Sequence[zmq.Frame]) -> str | None:
        """The host whose key the sender has; None where there are no keys."""
        if not self._secure or len(frames) < 2:
            return None
        return str(frames[1].get("User-Id"))

    def _handle(self, peer: bytes, host: str | None, frames: list[memoryview], arrived: float) -> None:
        if len(frames) == 1 and frames[0][: len(PREFIX)] == PREFIX:
            self._few(peer, host, frames[0])
            return
        message = unpack(frames)
        if isinstance(message, TimeAsked):
            self._answer(peer, Time(message.sent, arrived, self._clock()))
            return
        if not isinstance(message, (Offer, Data, Position)):
            raise WireError(f"a message of kind {message.kind!r}, which only a receiver sends")
        inlet = self._inlets.get(message.stream)
        if inlet is None:
            raise WireError(f"stream {message.stream!r:.80}, which this host takes from nobody")
        self._comes_from(inlet, peer, host)
        match message:
            case Offer(source=source):
                self._offered(inlet, source)
            case Data():
                self._data(inlet, message, frames[1:])
            case Position():
                self._reply(inlet, inlet.flow.position(message))
                if inlet.flow.ended(message):
                    inlet.writer.close()
                    inlet.ended = True
        self._slots.arm(inlet)

    def _comes_from(self, inlet: Inlet, peer: bytes, host: str | None) -> None:
        if self._secure and host != inlet.host:
            raise WireError(f"stream {inlet.port.spec.name!r} from host {host}, which comes from {inlet.host}")
        inlet.peer = peer

    def _few(self, peer: bytes, host: str | None, frame: memoryview) -> None:
        """Samples that came in one frame."""
        identity = identity_in(frame)
        inlet = self._by_identity.get(identity)
        if inlet is None:
            raise WireError(f"samples of {identity!r:.80}, which this host takes from nobody")
        self._comes_from(inlet, peer, host)
        few = inlet.small.decode(frame)
        info = ChunkInfo(few.first, few.count, 0.0, few.origin, 0)
        self._samples(inlet, few.generation, few.skipped, Chunk(info, few.data, few.timestamps))
        self._slots.arm(inlet)

    def _offered(self, inlet: Inlet, source: int) -> None:
        row = inlet.row
        if source != inlet.flow.source and source != row[StreamColumn.LINK_SOURCE]:
            lost = sum(after.lost for after, _ in inlet.waiting)
            row[StreamColumn.LINK_BEGIN] = inlet.writer.sequence + lost + sum(c.info.count for _, c in inlet.waiting)
            row[StreamColumn.LINK_LOST_BEFORE] = row[StreamColumn.LINK_LOST] + lost
            row[StreamColumn.LINK_SOURCE] = source
        self._reply(inlet, inlet.flow.offered(source))

    def _data(self, inlet: Inlet, message: Data, frames: list[memoryview]) -> None:
        if len(frames) > DATA_FRAMES:
            frames = [*frames[: DATA_FRAMES - 1], memoryview(b"".join(frames[DATA_FRAMES - 1 :]))]
        chunk = inlet.codec.decode(frames)
        if not isinstance(chunk, Chunk):
            raise WireError(f"stream {message.stream!r}: no samples behind a header that says so")
        self._samples(inlet, message.generation, message.skipped, chunk)

    def _samples(self, inlet: Inlet, generation: int, skipped: int, chunk: Chunk) -> None:
        """Judge what came, and take it in."""
        verdict = inlet.flow.data(generation, chunk.info.first, chunk.info.count, skipped)
        if isinstance(verdict, Arrived):
            if inlet.ended:
                inlet.writer, inlet.ended = open_ring(inlet.port, inlet.board, inlet.row[StreamColumn.EPOCH]), False
                self._slots.admit(inlet)
            inlet.waiting.append((verdict, chunk))
            self._put(inlet)
        elif verdict is not None:
            self._reply(inlet, verdict)

    def _put(self, inlet: Inlet) -> None:
        """Into the ring with what waits, as far as readers let it."""
        while inlet.waiting:
            after, chunk = inlet.waiting[0]
            if must_wait(inlet, after.lost, chunk.info.count):
                return
            inlet.waiting.popleft()
            inlet.since = None
            if after.lost:
                inlet.writer.skip(after.lost)
                inlet.row[StreamColumn.LINK_LOST] += after.lost
            inlet.writer.publish(chunk.data, chunk.timestamps, chunk.info.origin)
            grant = inlet.flow.taken(chunk.info.count, after)
            if grant is not None:
                self._answer(inlet.peer, grant)

    def _reply(self, inlet: Inlet, grant: Grant) -> None:
        if grant.generation != inlet.generation:
            # The first is how every stream begins.
            if inlet.generation is not None:
                inlet.row[StreamColumn.LINK_REPAIRS] += 1
            inlet.generation = grant.generation
        self._answer(inlet.peer, grant)

    def _answer(self, peer: bytes, message: Message) -> None:
        # A peer that is gone asks again when it is back.
        with suppress(zmq.Again, zmq.ZMQError):
            self._socket.send_multipart([peer, pack(message)], zmq.DONTWAIT)

    def _reject(self, text: str) -> None:
        self.rejected += 1
        self._say("a message from another host was rejected: %s (%d so far)", text, self.rejected)

    def _say(self, text: str, *values: object) -> None:
        """Log it, unless something was said just now."""
        now = time.monotonic()
        if now - self._said >= _SAY_EVERY:
            self._said = now
            log.warning(text, *values)
