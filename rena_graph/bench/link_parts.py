"""The processes of a link between hosts: a writer, the sender of its host, the receiver of another one, a reader there.

Run as a program this module is one of them, or one of the two ends of a bare ZMQ connection. Where they run is said by
a command in front of theirs, such as one that enters a network namespace; their clock must be one.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from rena_graph.bench.payload import PAYLOADS, Payload, header_of
from rena_graph.errors import EnvironmentRefused, RenaGraphError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Board
from rena_graph.transport.crossing.keys import KeyPair
from rena_graph.transport.crossing.receiver import Receiver
from rena_graph.transport.crossing.sender import Sender
from rena_graph.transport.interface import EdgeOptions, StreamPort
from rena_graph.transport.links import open_reader, open_waiter, open_writer
from rena_graph.transport.punctual import be_punctual

__all__ = ["LOOPBACK", "Part", "Task", "port_of"]

PATIENCE = 30.0
START = 0.3
"""Seconds from the go-ahead to the first message."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Task:
    """What one of the processes is to do.

    Parameters
    ----------
    role : {'write', 'send', 'receive', 'read', 'push', 'pull'}
        Which it is.
    folder : str
        Where rings and boards lie.
    payload : str
        Key of :data:`~rena_graph.bench.payload.PAYLOADS`.
    messages : int
        How many are sent.
    side : str
        The host, whose ring and board it works on: ``near`` is where the writer is.
    readers : int
        Edges of that host's ring.
    edge : int
        Which of them is this process's.
    address : str
        Of the host, to bind on.
    """

    role: str
    folder: str
    payload: str
    messages: int
    side: str = "near"
    readers: int = 1
    edge: int = 0
    address: str = LOOPBACK

    @property
    def message(self) -> Payload:
        """What is sent."""
        return PAYLOADS[self.payload]

    @property
    def board(self) -> Path:
        """File of the host's board."""
        return Path(self.folder) / self.side

    @property
    def port(self) -> StreamPort:
        """The host's ring."""
        return port_of(Path(self.folder), self.side, self.message, self.readers)


def port_of(folder: Path, side: str, payload: Payload, readers: int = 1) -> StreamPort:
    """The ring of a host, which holds a hundred messages."""
    spec = StreamSpec("S", payload.channels, payload.dtype, payload.rate * payload.samples)
    path = str(folder / f"{side}-ring")
    return StreamPort(spec, "ring", path, 100 * payload.samples, 0, tuple(range(readers)))


def _say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _hear() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(sys.stdin.readline() or "{}")
    return facts


def _failed(what: str, error: RenaGraphError) -> None:
    sys.stderr.write(f"{what}: {error}\n")


def _paced(payload: Payload, messages: int, send: Callable[[NDArray[Any]], object]) -> None:
    """Call `send` with each message at its deadline, its number and the time in its first bytes."""
    message = payload.make()
    header = header_of(message)
    be_punctual()
    start = time.monotonic() + START
    for number in range(messages):
        wait = start + number / payload.rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        header[0], header[1] = number, time.perf_counter_ns()
        send(message)


def _write(task: Task) -> None:
    stamps = np.zeros(task.message.samples)
    with Board.attach(task.board) as board, closing(open_writer(task.port, board, 0)) as writer:
        _say()
        _hear()
        _paced(task.message, task.messages, lambda message: writer.publish(message, stamps))
        _hear()


def _send(task: Task) -> None:
    keys = KeyPair.make()
    context = zmq.Context()
    _say(public=keys.public.decode())
    told = _hear()
    pair = (keys, told["public"].encode()) if told["secure"] else None
    with Board.attach(task.board) as board:
        sender = Sender(context, task.port, EdgeOptions(task.edge), board, 1, told["endpoint"], pair, _failed)
        sender.start()
        used = time.process_time()
        _say()
        _hear()
        _say(cpu=time.process_time() - used)
        sender.close()
    context.term()


def _receive(task: Task) -> None:
    keys = KeyPair.make()
    context = zmq.Context()
    told = _hear()
    allowed = {told["public"].encode(): "near"}
    with Board.attach(task.board) as board:
        own = keys if told["secure"] else None
        bind = f"tcp://{task.address}:*"
        receiver = Receiver(context, bind, [task.port], own, allowed, time.monotonic, _failed)
        receiver.take(task.port, "near", board)
        receiver.start()
        used = time.process_time()
        _say(endpoint=receiver.endpoint, public=keys.public.decode())
        _hear()
        _say(cpu=time.process_time() - used)
        receiver.close()
    context.term()


def _read(task: Task) -> None:
    payload, messages = task.message, task.messages
    times = np.zeros((messages, 3), np.int64)
    private = np.zeros((100 * payload.samples, payload.channels), payload.dtype)
    received, end = 0, time.monotonic() + messages / payload.rate + PATIENCE
    with (
        Board.attach(task.board) as board,
        closing(open_reader(task.port, EdgeOptions(task.edge), board)) as reader,
        closing(open_waiter("ring", [reader])) as waiter,
    ):
        _say()
        while received < messages and time.monotonic() < end:
            count = reader.pending()
            if not count:
                waiter.wait(time.monotonic() + 1.0, True)
                continue
            data, _ = reader.peek(count)
            private[:count] = data
            reader.commit(count)
            now = time.perf_counter_ns()
            for first in range(0, count, payload.samples):
                number, sent = header_of(private[first : first + payload.samples])[:2]
                times[received] = number, sent, now
                received += 1
    _leave(times[:received])


def _push(task: Task) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    _say()
    socket.connect(_hear()["endpoint"])
    _paced(task.message, task.messages, lambda message: socket.send(message.data, copy=True))
    _hear()
    socket.close()
    context.term()


def _pull(task: Task) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    socket.bind(f"tcp://{task.address}:*")
    payload = task.message
    times = np.zeros((task.messages, 3), np.int64)
    private = payload.make()
    header = header_of(private)
    _say(endpoint=socket.getsockopt_string(zmq.LAST_ENDPOINT))
    received = 0
    while received < task.messages and socket.poll(int(1000 * PATIENCE)):
        frame = socket.recv(copy=False)
        private[:] = np.frombuffer(frame.buffer, payload.dtype).reshape(private.shape)
        times[received] = header[0], header[1], time.perf_counter_ns()
        received += 1
    _leave(times[:received])
    socket.close(linger=0)
    context.term()


def _leave(times: NDArray[np.int64]) -> None:
    np.save(sys.stdout.buffer, times)
    sys.stdout.buffer.flush()


class Part:
    """One of the processes; told and heard line by line. Ended with `stack`.

    Parameters
    ----------
    stack : ExitStack
        Whose end is the process's.
    task : Task
        What it does.
    inside : sequence of str
        A command to run it with.
    """

    def __init__(self, stack: ExitStack, task: Task, inside: Sequence[str] = ()) -> None:
        self.role = task.role
        command = [*inside, sys.executable, "-m", "rena_graph.bench.link_parts", json.dumps(asdict(task))]
        self.process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        )
        stack.callback(self.process.kill)

    def hear(self) -> dict[str, Any]:
        """What it says next.

        Raises
        ------
        EnvironmentRefused
            It died instead.
        """
        assert self.process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            read = self.process.stdout.read(1)
            if not read:
                raise EnvironmentRefused(f"the process {self.role!r} of the measurement died ({self.process.wait()})")
            line += read
        facts: dict[str, Any] = json.loads(line)
        return facts

    def tell(self, **facts: Any) -> None:
        """Say something to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(facts).encode() + b"\n")

    def times(self) -> NDArray[np.int64]:
        """What a reader leaves at its end: numbers, and when each message was sent and had arrived (ns)."""
        taken, _ = self.process.communicate()
        if self.process.returncode:
            raise EnvironmentRefused(f"the process {self.role!r} of the measurement died ({self.process.returncode})")
        times: NDArray[np.int64] = np.load(io.BytesIO(taken), allow_pickle=False)
        return times

    def end(self) -> dict[str, Any]:
        """Let a process that waits for it end; what it says at last, if anything."""
        self.tell()
        taken, _ = self.process.communicate()
        said: dict[str, Any] = json.loads(taken) if taken else {}
        return said


def _main(given: str) -> None:
    task = Task(**json.loads(given))
    roles = {"write": _write, "send": _send, "receive": _receive, "read": _read, "push": _push, "pull": _pull}
    roles[task.role](task)


if __name__ == "__main__":
    _main(sys.argv[1])
