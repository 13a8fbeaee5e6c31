"""One end of a link between two hosts, run on one of them; measures what gets across.

``python -m tests.hosts.carry receive|send FOLDER CHANNELS DTYPE RATE CHUNK SECONDS SECURE HOST``. The ends find each
other by files in FOLDER; each prints one JSON line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from rena_graph.errors import RenaGraphError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Board, EdgeColumn, StreamColumn
from rena_graph.transport.crossing.keys import KeyPair
from rena_graph.transport.crossing.receiver import Receiver
from rena_graph.transport.crossing.sender import Sender
from rena_graph.transport.interface import EdgeOptions, StreamPort
from rena_graph.transport.links import create_stream, open_reader, open_waiter, open_writer, remove_stream


def _failed(what: str, error: RenaGraphError) -> None:
    raise SystemExit(f"{what}: {error}")


def leave(path: Path, text: bytes) -> None:
    spare = path.with_suffix(".new")
    spare.write_bytes(text)
    spare.replace(path)


def find(path: Path) -> bytes:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.01)
    return path.read_bytes()


def receive(folder: Path, port: StreamPort, board: Board, secure: bool, host: str) -> dict[str, Any]:
    keys = KeyPair.make()
    leave(folder / "receiver.key", keys.public)
    context = zmq.Context()
    allowed = {find(folder / "sender.key"): "sender"}
    bind = f"tcp://{host}:*"
    receiver = Receiver(context, bind, [port], keys if secure else None, allowed, time.monotonic, _failed)
    receiver.take(port, "sender", board)
    reader = open_reader(port, EdgeOptions(0), board)
    waiter = open_waiter("ring", [reader])
    receiver.start()
    leave(folder / "endpoint", receiver.endpoint.encode())
    ages: list[float] = []
    first = last = 0.0
    while not reader.ended:
        while pending := reader.pending():
            data, stamps = reader.peek()
            newest = float(stamps[-1])
            np.array(data[-1])
            if reader.commit(pending):
                last = time.monotonic()
                first = first or last
                ages.append(last - newest)
        waiter.wait(time.monotonic() + 0.25, True)
    leave(folder / "received", b"")
    row = board.edge(0).ints
    result = {
        "delivered": row[EdgeColumn.DELIVERED],
        "overrun": row[EdgeColumn.DROPPED_OVERRUN],
        "lost": board.stream(0).ints[StreamColumn.LINK_LOST],
        "seconds": last - first,
        "age_p50": float(np.percentile(ages, 50)),
        "age_p99": float(np.percentile(ages, 99)),
        "cpu": sum(os.times()[:2]),
    }
    reader.close()
    receiver.close()
    context.term()
    return result


def send(folder: Path, port: StreamPort, board: Board, secure: bool, chunk: int, seconds: float) -> dict[str, Any]:
    keys = KeyPair.make()
    leave(folder / "sender.key", keys.public)
    server = find(folder / "receiver.key")
    endpoint = find(folder / "endpoint").decode()
    context = zmq.Context()
    pair = (keys, server) if secure else None
    sender = Sender(context, port, EdgeOptions(0), board, 1, endpoint, pair, _failed)
    writer = open_writer(port, board, 0)
    sender.start()
    rate = port.spec.rate
    data = np.zeros((chunk, port.spec.channels), port.spec.numpy_dtype)
    start, made = time.monotonic(), 0
    while made < rate * seconds:
        due = start + (made + chunk) / rate
        left = due - time.monotonic()
        if left > 0:
            time.sleep(left)
        writer.publish(data, due - np.arange(chunk - 1, -1, -1) / rate)
        made += chunk
    took = time.monotonic() - start
    writer.close()
    deadline = time.monotonic() + 20
    while not sender.drained() and time.monotonic() < deadline:
        time.sleep(0.01)
    find(folder / "received")
    result = {"made": made, "took": took, "drained": sender.drained(), "cpu": sum(os.times()[:2])}
    sender.close()
    context.term()
    return result


def main() -> None:
    role, folder_name, channels, dtype, rate, chunk, seconds, secure, host = sys.argv[1:]
    folder = Path(folder_name)
    spec = StreamSpec("s", int(channels), dtype, float(rate))
    capacity = max(8, min(int(10 * float(rate)), (64 << 20) // spec.sample_bytes))
    port = StreamPort(spec, "ring", f"/dev/shm/rg-carry-{role}", capacity, 0, (0,))
    create_stream(port)
    board = Board.create(folder / f"board-{role}", streams=1, edges=1, nodes=0)
    try:
        if role == "receive":
            result = receive(folder, port, board, secure == "1", host)
        else:
            result = send(folder, port, board, secure == "1", int(chunk), float(seconds))
    finally:
        remove_stream(port)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
