"""Two hosts in one process: two boards, a ring on each, and between them a forwarder that can be cut."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import zmq

from rena_graph.errors import PortTaken, RenaGraphError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.crossing.keys import KeyPair
from rena_graph.transport.crossing.receiver import Receiver
from rena_graph.transport.crossing.sender import Sender
from rena_graph.transport.interface import EdgeOptions
from tests.limits import LIMIT
from tests.transport.stage import Policy, Stage

__all__ = ["Between", "Cable"]


class Cable:
    """Forwards one TCP port to another, until it is cut; a cut forgets what was under way."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()
        self._whole = True
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                end, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if not self._whole:
                    end.close()
                    continue
                other = socket.create_connection(("127.0.0.1", self._target))
                self._ends += [end, other]
                for pair in ((end, other), (other, end)):
                    thread = threading.Thread(target=self._pump, args=pair, daemon=True)
                    self._threads.append(thread)
                    thread.start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Break every connection, and let none be made."""
        with self._lock:
            self._whole = False
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections be made again."""
        with self._lock:
            self._whole = True

    def close(self) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(LIMIT)
        for end in self._ends:
            end.close()


class Between:
    """Stream 0 of the `near` stage is carried into the ring of the `far` one; edge 7 there is the link's."""

    def __init__(
        self,
        near: Stage,
        far: Stage,
        *,
        spec: StreamSpec | None = None,
        capacity: int = 1024,
        far_capacity: int | None = None,
        secure: bool = True,
        policy: Policy = "fifo",
    ) -> None:
        self.near, self.far = near, far
        self.errors: list[str] = []
        self.contexts = [zmq.Context(), zmq.Context()]
        self.keys = [KeyPair.make(), KeyPair.make()]
        self.secure = secure
        self.policy = policy
        self.near_port = near.port(spec, capacity, edges=(7,))
        self.far_port = far.port(spec, far_capacity or capacity, edges=(0, 1))
        self.receiver = self.receive("tcp://127.0.0.1:*")
        self.cable = Cable(int(self.receiver.endpoint.rpartition(":")[2]))
        self.sender = self.send()

    def receive(self, bind: str) -> Receiver:
        keys = self.keys[1] if self.secure else None
        allowed = {self.keys[0].public: "near"}
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                receiver = Receiver(self.contexts[1], bind, [self.far_port], keys, allowed, lambda: 42.0, self._failed)
                break
            except PortTaken:  # ZMQ lets go of a port some time after the socket is closed
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        receiver.take(self.far_port, "near", self.far.board)
        receiver.start()
        return receiver

    def send(self, source: int = 17, keys: KeyPair | None = None) -> Sender:
        sender = Sender(
            self.contexts[0],
            self.near_port,
            EdgeOptions(7, self.policy, LIMIT),
            self.near.board,
            source,
            f"tcp://127.0.0.1:{self.cable.port}",
            (keys or self.keys[0], self.keys[1].public) if self.secure else None,
            self._failed,
        )
        sender.start()
        return sender

    def _failed(self, what: str, error: RenaGraphError) -> None:
        self.errors.append(f"{what}: {error}")

    def close(self) -> None:
        self.sender.close()
        self.receiver.close()
        self.cable.close()
        for context in self.contexts:
            context.term()

    def __enter__(self) -> Between:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
        assert not self.errors, self.errors


def stages(folder: Path) -> tuple[Stage, Stage]:
    (folder / "near").mkdir()
    (folder / "far").mkdir()
    return Stage("ring", folder / "near"), Stage("ring", folder / "far")
