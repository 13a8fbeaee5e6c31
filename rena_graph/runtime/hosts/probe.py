"""Asks the coordinator's host for the time, again and again, and tells the clock what came of it."""

from __future__ import annotations

import threading
import time

import zmq

from rena_graph.errors import EnvironmentRefused, WireError
from rena_graph.runtime.hosts.host_clock import AgentClock
from rena_graph.runtime.hosts.offset import OffsetEstimator
from rena_graph.transport.crossing.keys import KeyPair, secure_client
from rena_graph.transport.crossing.messages import Time, TimeAsked, pack, unpack
from rena_graph.transport.crossing.sender import tune

__all__ = ["ClockProbe"]

FIRST = 20
"""Round trips before the clock is shown to anybody."""
_HURRY = 0.02
_REST = 0.2
"""Seconds between two questions, at first and later."""
_LIMIT = 10.0
"""Seconds that the first ones may take."""
_REPLY_MS = 500


class ClockProbe:
    """A thread with a socket of its own.

    Parameters
    ----------
    context : zmq.Context
        For its socket.
    endpoint : str
        The receiver of the coordinator's host.
    keys : (KeyPair, bytes)
        Our keys and its public one.
    clock : AgentClock
        Is told each estimate.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        keys: tuple[KeyPair, bytes],
        clock: AgentClock,
    ) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._estimator = OffsetEstimator()
        self._known = threading.Event()
        self._stop = threading.Event()
        self._socket = context.socket(zmq.DEALER)
        tune(self._socket)
        secure_client(self._socket, *keys)
        self._socket.connect(endpoint)
        self._thread = threading.Thread(target=self._run, name="rena-clock", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Block until the offset is known well enough to begin.

        Raises
        ------
        EnvironmentRefused
            The other host does not answer.
        """
        if not self._known.wait(_LIMIT):
            raise EnvironmentRefused(
                f"the coordinator's host did not tell the time within {_LIMIT:g} s ({self._estimator.count} answers "
                f"from {self._endpoint}): is a firewall between the hosts?"
            )

    def close(self) -> None:
        """Stop asking."""
        self._stop.set()
        self._thread.join(5.0)
        self._socket.close(linger=0)

    def _run(self) -> None:
        while not self._stop.wait(_REST if self._known.is_set() else _HURRY):
            if self._ask() and self._estimator.count >= FIRST:
                estimate = self._estimator.estimate()
                assert estimate is not None
                self._clock.aim(estimate)
                self._known.set()

    def _ask(self) -> bool:
        """One round trip; whether it was one. Late answers to earlier questions are true round trips as well."""
        try:
            self._socket.send(pack(TimeAsked(time.monotonic())), zmq.DONTWAIT)
        except zmq.Again:
            self._stop.wait(_REST)
            return False
        if not self._socket.poll(_REPLY_MS):
            return False
        frames = self._socket.recv_multipart()
        arrived = time.monotonic()
        try:
            answer = unpack(frames)
        except WireError:
            return False
        if not isinstance(answer, Time):
            return False
        self._estimator.add(answer.sent, answer.arrived, answer.left, arrived)
        return True
