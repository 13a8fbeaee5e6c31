"""One end of a stream in a process of its own; the test's side is :class:`stage.Peer`."""

from __future__ import annotations

import base64
import ctypes
import json
import mmap
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from rena_graph.transport import waiter as ring_waiter
from rena_graph.transport.board import Board
from rena_graph.transport.interface import EdgeOptions, StreamPort
from rena_graph.transport.links import open_reader, open_waiter, open_writer
from rena_graph.transport.ring import RingWriter


def say(line: str) -> None:
    """To the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def chunk(port: StreamPort, first: int, count: int) -> tuple[Any, Any]:
    """Samples that are filled with their sequence number, and their timestamps."""
    column = np.arange(first, first + count)
    data = np.repeat(column.astype(port.spec.dtype)[:, None], port.spec.channels, axis=1)
    return data, column / 1000


def write(port: StreamPort, board: Board, *, count: int, size: int, epoch: int = 0, readers: int = 1) -> None:
    """Publish `count` samples in chunks of `size`, once told to."""
    with open_writer(port, board, epoch) as writer:  # type: ignore[attr-defined]
        ok = writer.wait_for_readers(readers, 60)
        say("ready")
        sys.stdin.readline()
        first = writer.publish(*chunk(port, 0, 0))
        for start in range(first, first + count, size):
            writer.publish(*chunk(port, start, min(size, first + count - start)))
    say(json.dumps({"ok": ok}))


def lap(port: StreamPort, board: Board, *, size: int) -> None:
    """Publish as fast as possible until told to end."""
    writer = open_writer(port, board, 0)
    say("ready")
    sys.stdin.readline()
    ended: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    sequence = 0
    while not ended:
        writer.publish(*chunk(port, sequence, size))
        sequence += size
    writer.close()
    say(json.dumps({"produced": sequence}))


def read(port: StreamPort, board: Board, *, edge: EdgeOptions, pause: bool = False) -> None:
    """Take everything until the writer ends; each sample must be filled with its sequence number."""
    reader = open_reader(port, edge, board)
    waiter = open_waiter(port.transport, [reader])
    say("ready")
    if pause:
        sys.stdin.readline()
    delivered, wrong = 0, 0
    while not reader.ended:
        waiter.wait(None, True)
        while reader.pending():
            first = reader.position
            data, stamps = (part.copy() for part in reader.peek())
            if reader.commit(len(stamps)):
                expected, times = chunk(port, first, len(stamps))
                wrong += int((data != expected).sum() + (stamps != times).sum())
                delivered += len(stamps)
    waiter.close()
    reader.close()
    say(json.dumps({"delivered": delivered, "wrong": wrong, "position": reader.position}))


def echo(port: StreamPort, board: Board, *, back: StreamPort, edge: EdgeOptions) -> None:
    """Send each sample back, sleeping without any limit in between."""
    ring_waiter.LONGEST = 3600.0
    reader = open_reader(port, edge, board)
    writer = open_writer(back, board, 0)
    waiter = open_waiter(port.transport, [reader])
    ready = writer.wait_for_readers(1, 60)
    say("ready")
    while not reader.ended:
        waiter.wait(None, True)
        while count := reader.pending():
            data, stamps = (part.copy() for part in reader.peek())
            if reader.commit(count):
                writer.publish(data, stamps)
    waiter.close()
    writer.close()
    reader.close()
    say(json.dumps({"ready": ready}))


class _Deadly:
    """Slots that take half of what is stored, and then the process is killed."""

    def __init__(self, slots: Any) -> None:
        self._slots = slots

    def __setitem__(self, span: slice, values: Any) -> None:
        half = (span.stop - span.start) // 2
        self._slots[span.start : span.start + half] = values[:half]
        os.kill(os.getpid(), signal.SIGKILL)


def die(port: StreamPort, board: Board, *, count: int, size: int) -> None:
    """Publish `count` samples, and be killed in the middle of copying `size` more."""
    writer: Any = open_writer(port, board, 0)
    writer.publish(*chunk(port, 0, count))
    say("ready")
    writer._data = _Deadly(writer._data)
    RingWriter.publish(writer, *chunk(port, 777_000, size))


def fault(port: StreamPort, board: Board, *, count: int, size: int) -> None:
    """The same with the kernel's copy: the last page of what it copies cannot be read."""
    writer = open_writer(port, board, 0)
    writer.publish(*chunk(port, 0, count))
    nbytes = size * port.spec.sample_bytes
    pages = mmap.mmap(-1, nbytes)
    data = np.frombuffer(pages, port.spec.dtype).reshape(size, port.spec.channels)
    last = ctypes.c_void_p(data.ctypes.data + nbytes - mmap.PAGESIZE)
    assert not ctypes.CDLL(None).mprotect(last, ctypes.c_size_t(mmap.PAGESIZE), ctypes.c_int(0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    say("ready")
    writer.publish(data, np.arange(float(size)))


def main() -> None:
    """Do what the one argument says."""
    facts = pickle.loads(base64.b64decode(sys.argv[1]))
    roles: dict[str, Callable[..., None]] = {
        "write": write,
        "lap": lap,
        "read": read,
        "echo": echo,
        "die": die,
        "fault": fault,
    }
    role = roles[facts.pop("role")]
    with Board.attach(facts.pop("board")) as board:
        role(facts.pop("port"), board, **facts)


if __name__ == "__main__":
    main()
