"""P4: one hop between two hosts: from a ring over TCP into the ring of the other, as a graph's streams would cross.

Run as a program this module is one of the processes: a writer, the sender of its host, the receiver of the other host,
and a reader there; or the two ends of a bare ZMQ connection. Both hosts are this machine, so that their clocks are one.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from rena_graph.bench.figures import Figure, Hops
from rena_graph.bench.floor import measure_floor
from rena_graph.bench.payload import PAYLOADS, Payload, header_of
from rena_graph.bench.rows import Bench
from rena_graph.errors import EnvironmentRefused, RenaGraphError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport import futex
from rena_graph.transport.board import Board
from rena_graph.transport.crossing.keys import KeyPair
from rena_graph.transport.crossing.receiver import Receiver
from rena_graph.transport.crossing.sender import Sender
from rena_graph.transport.interface import EdgeOptions, StreamPort
from rena_graph.transport.links import create_stream, open_reader, open_waiter, open_writer, remove_stream

__all__ = ["measure"]

MESSAGES, QUICK_MESSAGES = 800, 200
PATIENCE = 30.0
START = 0.3
"""Seconds from the go-ahead to the first message."""
FLOORS = 2
"""Hops through shared memory that lie before and behind the connection."""
LOOPBACK = "tcp://127.0.0.1:*"


def _port(side: str, folder: Path, payload: Payload) -> StreamPort:
    spec = StreamSpec("S", payload.channels, payload.dtype, payload.rate * payload.samples)
    return StreamPort(spec, "ring", str(folder / f"{side}-ring"), 100 * payload.samples, 0, (0,))


def _say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _hear() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(sys.stdin.readline() or "{}")
    return facts


def _failed(what: str, error: RenaGraphError) -> None:
    sys.stderr.write(f"{what}: {error}\n")


def _paced(payload: Payload, messages: int, send: Any) -> None:
    """Call `send` with each message at its deadline, its number and the time in its first bytes."""
    message = payload.make()
    header = header_of(message)
    futex.sharpen_timers()
    start = time.monotonic() + START
    for number in range(messages):
        wait = start + number / payload.rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        header[0], header[1] = number, time.perf_counter_ns()
        send(message)


def _write(folder: Path, payload: Payload, messages: int) -> None:
    stamps = np.zeros(payload.samples)
    with (
        Board.attach(folder / "near") as board,
        closing(open_writer(_port("near", folder, payload), board, 0)) as writer,
    ):
        _say()
        _hear()
        _paced(payload, messages, lambda message: writer.publish(message, stamps))
        _hear()


def _send(folder: Path, payload: Payload) -> None:
    keys = KeyPair.make()
    context = zmq.Context()
    _say(public=keys.public.decode())
    told = _hear()
    pair = (keys, told["public"].encode()) if told["secure"] else None
    with Board.attach(folder / "near") as board:
        port = _port("near", folder, payload)
        sender = Sender(context, port, EdgeOptions(0), board, 1, told["endpoint"], pair, _failed)
        sender.start()
        _say()
        _hear()
        sender.close()
    context.term()


def _receive(folder: Path, payload: Payload) -> None:
    keys = KeyPair.make()
    context = zmq.Context()
    told = _hear()
    allowed = {told["public"].encode(): "near"}
    port = _port("far", folder, payload)
    with Board.attach(folder / "far") as board:
        own = keys if told["secure"] else None
        receiver = Receiver(context, LOOPBACK, [port], own, allowed, time.monotonic, _failed)
        receiver.take(port, "near", board)
        receiver.start()
        _say(endpoint=receiver.endpoint, public=keys.public.decode())
        _hear()
        receiver.close()
    context.term()


def _read(folder: Path, payload: Payload, messages: int) -> None:
    times = np.zeros((messages, 3), np.int64)
    private = np.zeros((100 * payload.samples, payload.channels), payload.dtype)
    received, end = 0, time.monotonic() + messages / payload.rate + PATIENCE
    with (
        Board.attach(folder / "far") as board,
        closing(open_reader(_port("far", folder, payload), EdgeOptions(0), board)) as reader,
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
    np.save(sys.stdout.buffer, times[:received])
    sys.stdout.buffer.flush()


def _push(payload: Payload, messages: int) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    _say()
    socket.connect(_hear()["endpoint"])
    _paced(payload, messages, lambda message: socket.send(message, copy=True))
    _hear()
    socket.close()
    context.term()


def _pull(payload: Payload, messages: int) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    socket.bind(LOOPBACK)
    times = np.zeros((messages, 3), np.int64)
    private = payload.make()
    header = header_of(private)
    _say(endpoint=socket.getsockopt_string(zmq.LAST_ENDPOINT))
    received = 0
    while received < messages and socket.poll(int(1000 * PATIENCE)):
        frame = socket.recv(copy=False)
        private[:] = np.frombuffer(frame.buffer, payload.dtype).reshape(private.shape)
        times[received] = header[0], header[1], time.perf_counter_ns()
        received += 1
    np.save(sys.stdout.buffer, times[:received])
    sys.stdout.buffer.flush()
    socket.close(linger=0)
    context.term()


class _Part:
    """One of the processes; told and heard line by line."""

    def __init__(self, stack: ExitStack, role: str, folder: Path, payload: str, messages: int) -> None:
        self.role = role
        command = [sys.executable, "-m", "rena_graph.bench.p4", role, str(folder), payload, str(messages)]
        self.process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        )
        stack.callback(self.process.kill)

    def hear(self) -> dict[str, Any]:
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
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(facts).encode() + b"\n")

    def times(self) -> NDArray[np.int64]:
        taken, _ = self.process.communicate()
        if self.process.returncode:
            raise EnvironmentRefused(f"the process {self.role!r} of the measurement died ({self.process.returncode})")
        times: NDArray[np.int64] = np.load(io.BytesIO(taken), allow_pickle=False)
        return times


def _ours(name: str, messages: int, secure: bool) -> NDArray[np.int64]:
    """Numbers, and when each message was sent and had arrived (ns)."""
    payload = PAYLOADS[name]
    with tempfile.TemporaryDirectory(prefix="rg-bench-", dir="/dev/shm") as folder_name, ExitStack() as stack:
        folder = Path(folder_name)
        for side in ("near", "far"):
            stack.enter_context(Board.create(folder / side, streams=1, edges=1, nodes=0))
            port = _port(side, folder, payload)
            create_stream(port)
            stack.callback(remove_stream, port)
        sender, receiver, reader, writer = (
            _Part(stack, role, folder, name, messages) for role in ("send", "receive", "read", "write")
        )
        reader.hear()
        writer.hear()
        receiver.tell(public=sender.hear()["public"], secure=secure)
        sender.tell(**receiver.hear(), secure=secure)
        sender.hear()
        writer.tell()
        times = reader.times()
        for part in (writer, sender, receiver):
            part.tell()
            part.process.communicate()
        return times


def _raw(name: str, messages: int) -> NDArray[np.int64]:
    with ExitStack() as stack:
        pull, push = (_Part(stack, role, Path("/"), name, messages) for role in ("pull", "push"))
        push.hear()
        push.tell(**pull.hear())
        times = pull.times()
        push.tell()
        push.process.communicate()
        return times


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    name = "small"
    payload = PAYLOADS[name]
    messages = QUICK_MESSAGES if bench.quick else MESSAGES
    open_, secure, bare = [], [], []
    for k in range(bench.rounds):
        bench.say(f"between two hosts: round {k + 1} of {bench.rounds}")
        floor = Hops.of(measure_floor(payload, messages, copy=True), messages)
        raw = Hops.of(_raw(name, messages), messages)
        bare.append((raw.p50 + FLOORS * floor.p50, raw.p50))
        open_.append(Hops.of(_ours(name, messages, False), messages))
        secure.append(Hops.of(_ours(name, messages, True), messages))
    what = payload.name
    allowed = tuple(limit for limit, _ in bare)
    clear = tuple(hops.p50 for hops in open_)
    lost = tuple(float(a.lost + b.lost) for a, b in zip(open_, secure, strict=True))
    return [
        Figure(f"{what}, in the clear, p50", "µs", clear, "raw ZMQ tcp and two floors", allowed, at_most=1.0),
        Figure(f"{what}, encrypted, p50", "µs", tuple(hops.p50 for hops in secure), "the same in the clear", clear),
        Figure(f"{what}, raw ZMQ tcp, p50", "µs", tuple(raw for _, raw in bare)),
        Figure(f"{what}, lost", "messages", lost, at_most=0.0),
    ]


def _main(role: str, folder: str, name: str, messages: int) -> None:
    payload = PAYLOADS[name]
    match role:
        case "write":
            _write(Path(folder), payload, messages)
        case "send":
            _send(Path(folder), payload)
        case "receive":
            _receive(Path(folder), payload)
        case "read":
            _read(Path(folder), payload, messages)
        case "push":
            _push(payload, messages)
        case _:
            _pull(payload, messages)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
