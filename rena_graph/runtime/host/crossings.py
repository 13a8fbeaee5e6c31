"""The streams of one host that come from other hosts or go there, and its way to their time.

Safe to call twice: an instruction that may have been lost with a coordinator is given again.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import zmq

from rena_graph.errors import PortTaken, RenaGraphError
from rena_graph.runtime.clock import Clock
from rena_graph.runtime.host.link_identity import LINK_PORTS, LinkIdentity, binds
from rena_graph.runtime.hosts.host_clock import AgentClock, clock_facts
from rena_graph.runtime.hosts.probe import ClockProbe
from rena_graph.runtime.plan import Crossing, Plan
from rena_graph.transport.board import Board, Row, StreamColumn
from rena_graph.transport.crossing.receiver import Receiver
from rena_graph.transport.crossing.sender import Sender
from rena_graph.transport.interface import EdgeOptions

__all__ = ["Crossings", "Peer"]

log = logging.getLogger(__name__)

Peer = tuple[str, bytes]
"""Where a host's receiver is, and its public key."""

REBIND_SECONDS = 5.0
"""That the port of an agent before, which died just now, may take to be free."""
_NAP = 0.05


class Crossings:
    """All links of one host in one run.

    Parameters
    ----------
    folder : Path
        The run's folder of sockets on this host: keys and address of an agent before are taken from there.
    clock : Clock
        Graph time; an :class:`AgentClock` on a host that has to ask another one for it.
    failed : callable
        Told, with what it concerns, when a link ends by an error.
    """

    def __init__(self, folder: Path, clock: Clock, failed: Callable[[str, RenaGraphError], None]) -> None:
        self._identity = LinkIdentity(folder)
        self._clock = clock
        self._failed = failed
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._lock = threading.Lock()
        self._allowed: dict[bytes, str] = {}
        self._receiver: Receiver | None = None
        self._senders: dict[tuple[str, str], tuple[Peer, Sender]] = {}
        self._probe: ClockProbe | None = None
        self._time: Row | None = None
        self._closed = False

    @property
    def public_key(self) -> bytes:
        """What others know this host by; the secret one stays here."""
        return self._identity.keys.public

    def receive(self, plan: Plan, board: Board, bind: str, allowed: Mapping[bytes, str]) -> str:
        """Let in what comes from other hosts, and answer those who ask for the time.

        Parameters
        ----------
        plan : Plan
            This host's.
        board : Board
            Its counters; with the rings, they are there.
        bind : str
            Address, such as ``tcp://10.0.0.2:*``; :data:`LINK_PORTS` narrows the ports.
        allowed : mapping of bytes to str
            Public keys of all hosts of the run, and their names.

        Returns
        -------
        str
            Where the others find it.

        Raises
        ------
        PortTaken
            The port, or all of the range, is in use.
        UsageError
            :data:`LINK_PORTS` is no range.
        """
        with self._lock:
            self._allowed.update(allowed)
            if self._receiver is None:
                receiver = self._bind(plan, bind)
                for stream, host in plan.incoming.items():
                    receiver.take(plan.ports[stream], host, board)
                receiver.start()
                self._receiver = receiver
                self._identity.keep(receiver.endpoint)
            return self._receiver.endpoint

    def follow(self, plan: Plan, board: Board, produced: Mapping[str, int]) -> None:
        """Nodes have moved: streams come from other hosts than before, or are made here now.

        Parameters
        ----------
        plan, board
            As for :meth:`receive`.
        produced : mapping of str to int
            Where the ring of a stream that did not come here before begins to count.
        """
        with self._lock:
            if self._receiver is None or self._closed:
                return
            for stream, port in plan.ports.items():
                if stream in plan.incoming:
                    self._receiver.take(port, plan.incoming[stream], board, produced.get(stream, 0))
                else:
                    self._receiver.leave(stream)

    def _bind(self, plan: Plan, bind: str) -> Receiver:
        deadline = time.monotonic() + REBIND_SECONDS
        while True:
            try:
                # The others know the address of the agent before, and go on trying it.
                return self._try(plan, self._identity.endpoint or bind)
            except PortTaken:
                if not self._identity.endpoint or time.monotonic() > deadline:
                    raise
            time.sleep(_NAP)

    def _try(self, plan: Plan, bind: str) -> Receiver:
        ports = plan.crossable or [plan.ports[stream] for stream in plan.incoming]
        wanted = os.environ.get(LINK_PORTS)
        problem: PortTaken | None = None
        for address in binds(bind, wanted):
            try:
                return Receiver(
                    self._context, address, ports, self._identity.keys, self._allowed, self._clock.now, self._failed
                )
            except PortTaken as taken:
                problem = taken
        assert problem is not None
        raise problem

    def connect(self, plan: Plan, board: Board, peers: Mapping[str, Peer], timekeeper: str | None = None) -> None:
        """Send what goes to other hosts, and find out what time it is there.

        Parameters
        ----------
        plan, board
            As for :meth:`receive`.
        peers : mapping of str to Peer
            Every other host of the run; one that was there before and is not any more is lost.
        timekeeper : str | None
            The host whose clock is graph time; None where it is this one.

        Raises
        ------
        EnvironmentRefused
            The timekeeper does not answer.
        """
        with self._lock:
            if self._closed:
                return
            probe = self._ask_for_time(board, None if timekeeper is None else peers[timekeeper])
            for crossing in plan.outgoing:
                if crossing.to in peers:
                    self._send(plan, board, crossing, peers[crossing.to])
            for key in [key for key in self._senders if key[1] not in peers]:
                self._senders.pop(key)[1].close()  # that host is lost
        if probe is not None:
            probe.wait()

    def _ask_for_time(self, board: Board, peer: Peer | None) -> ClockProbe | None:
        if peer is None or self._probe is not None:
            return self._probe
        assert isinstance(self._clock, AgentClock), "the clock of this host is graph time: it asks nobody"
        self._time = board.clock
        self._clock.share(self._time)
        endpoint, key = peer
        self._probe = ClockProbe(self._context, endpoint, (self._identity.keys, key), self._clock)
        return self._probe

    def _send(self, plan: Plan, board: Board, crossing: Crossing, peer: Peer) -> None:
        """One stream to one host, unless it goes there already."""
        key = crossing.stream, crossing.to
        known = self._senders.get(key)
        if known is not None:
            if known[0] == peer:
                return
            known[1].close()
        port = plan.ports[crossing.stream]
        row = board.stream(port.index).ints
        resume = bool(row[StreamColumn.LINK_RING])
        if not resume:
            row[StreamColumn.LINK_RING] = secrets.randbits(61) + 1
        endpoint, public = peer
        sender = Sender(
            self._context,
            port,
            EdgeOptions(crossing.edge, crossing.policy, crossing.block_timeout),
            board,
            row[StreamColumn.LINK_RING],
            endpoint,
            (self._identity.keys, public),
            self._failed,
            resume,
        )
        self._senders[key] = peer, sender
        sender.start()

    def drained(self, streams: Collection[str]) -> bool:
        """Whether all that was published in these streams lies in the rings of the hosts that take them."""
        with self._lock:
            asked = [sender for (stream, _), (_, sender) in self._senders.items() if stream in streams]
            # Every one, so that each asks its receiver at once.
            return sum(sender.drained() for sender in asked) == len(asked)

    def time(self) -> dict[str, float] | None:
        """How this host's clock stands to graph time; see :func:`~rena_graph.runtime.hosts.host_clock.clock_facts`."""
        return None if self._time is None else clock_facts(self._time, time.monotonic())

    def turned_away(self) -> int:
        """Connections without a key of this run, and messages that were not this run's or not their sender's."""
        receiver = self._receiver
        return 0 if receiver is None else receiver.refused + receiver.rejected

    def close(self) -> None:
        """End all links; what has not crossed stays where it is."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._probe is not None:
                self._probe.close()
            for _, sender in self._senders.values():
                sender.close()
            if self._receiver is not None:
                self._receiver.close()
            self._context.term()
