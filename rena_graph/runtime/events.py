"""What a node and its host agent say to each other: small msgpack maps over two ZMQ sockets on the same host."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import msgpack
import zmq

from rena_graph.errors import WireError

__all__ = ["AgentLine", "NodeLine"]

Message = dict[str, Any]
LINGER_MS = 1000
RETRY_MS = 20
"""Between two tries to reach somebody who was not connected."""


def pack(message: Message) -> bytes:
    """Message to bytes."""
    return bytes(msgpack.packb(message, use_bin_type=True))


def unpack(raw: bytes) -> Message:
    """Bytes to message; :class:`WireError` where they are not one."""
    try:
        message = msgpack.unpackb(raw, raw=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise WireError(f"a control message does not decode: {error}") from error
    if not isinstance(message, dict):
        raise WireError("a control message is not a map")
    return message


class NodeLine:
    """The node's end: commands come in on a thread of their own, events go out from the main thread.

    Parameters
    ----------
    commands, events : str
        The agent's endpoints.
    identity : str
        ``node:epoch``.
    on_command : callable
        Called on the line's thread with each command.
    """

    def __init__(self, commands: str, events: str, identity: str, on_command: Callable[[Message], None]) -> None:
        self._context = zmq.Context()
        self._out = self._context.socket(zmq.PUSH)
        self._out.linger = LINGER_MS
        self._out.connect(events)
        self._in = self._context.socket(zmq.DEALER)
        self._in.linger = 0
        self._in.setsockopt(zmq.IDENTITY, identity.encode())
        self._in.connect(commands)
        self._in.send(b"")  # tells the router where this identity lives
        self._end_in = self._context.socket(zmq.PAIR)
        self._end_in.bind("inproc://end")
        self._end_out = self._context.socket(zmq.PAIR)
        self._end_out.connect("inproc://end")
        self._on_command = on_command
        self._thread = threading.Thread(target=self._listen, name="rena-commands", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        poller = zmq.Poller()
        poller.register(self._in, zmq.POLLIN)
        poller.register(self._end_in, zmq.POLLIN)
        while self._end_in not in dict(poller.poll()):
            self._on_command(unpack(self._in.recv()))
        self._in.close()
        self._end_in.close()

    def send(self, message: Message) -> None:
        """Tell the agent; main thread only."""
        self._out.send(pack(message))

    def close(self) -> None:
        """Hand over what was sent, then let go."""
        self._out.close()
        self._end_out.send(b"")
        self._thread.join(1.0)
        self._end_out.close()
        self._context.term()


class AgentLine:
    """The agent's end, for all nodes of its host, in one thread.

    A command waits until its node's process is connected: it may still be loading, or about to find a new agent.

    Parameters
    ----------
    commands, events : str
        Endpoints to bind.
    on_event : callable
        Called on the line's thread with each event.
    """

    def __init__(self, commands: str, events: str, on_event: Callable[[Message], None]) -> None:
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.linger = 0
        # Without it what is sent to somebody who is not connected is dropped, silently.
        self._router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._router.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._router.bind(commands)
        self._pull = self._context.socket(zmq.PULL)
        self._pull.bind(events)
        self._wake_in = self._context.socket(zmq.PAIR)
        self._wake_in.bind("inproc://outbox")
        self._wake_out = self._context.socket(zmq.PAIR)
        self._wake_out.connect("inproc://outbox")
        self._wake_lock = threading.Lock()
        self._outbox: queue.SimpleQueue[tuple[str, Message | None]] = queue.SimpleQueue()
        self._waiting: dict[str, list[Message]] = {}
        self._on_event = on_event
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="rena-agent-line", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        poller = zmq.Poller()
        for socket in (self._router, self._pull, self._wake_in):
            poller.register(socket, zmq.POLLIN)
        while not self._closing:
            ready = dict(poller.poll(RETRY_MS if self._waiting else None))
            if self._router in ready:
                self._router.recv_multipart()  # a node calls in: whoever waits for it is tried at once
            if self._pull in ready:
                self._on_event(unpack(self._pull.recv()))
            if self._wake_in in ready:
                self._wake_in.recv()
            self._flush()
        for socket in (self._router, self._pull, self._wake_in):
            socket.close()

    def _flush(self) -> None:
        while not self._outbox.empty():
            identity, message = self._outbox.get()
            if message is None:
                self._waiting.pop(identity, None)
            else:
                self._waiting.setdefault(identity, []).append(message)
        for identity, messages in list(self._waiting.items()):
            while messages and self._sent(identity, messages[0]):
                messages.pop(0)
            if not messages:
                del self._waiting[identity]

    def _sent(self, identity: str, message: Message) -> bool:
        try:
            self._router.send_multipart([identity.encode(), pack(message)], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            return False
        return True

    def send(self, identity: str, message: Message) -> None:
        """Send a command to ``node:epoch``, now or when it is connected. Any thread."""
        self._put(identity, message)

    def forget(self, identity: str) -> None:
        """This process is gone: what waits for it waits in vain."""
        self._put(identity, None)

    def _put(self, identity: str, message: Message | None) -> None:
        self._outbox.put((identity, message))
        with self._wake_lock:
            if not self._closing:
                self._wake_out.send(b"")

    def close(self) -> None:
        """Stop listening and let go of the endpoints."""
        with self._wake_lock:
            self._closing = True
            self._wake_out.send(b"")
        self._thread.join(2.0)
        self._wake_out.close()
        self._context.term()
