"""What the machine itself allows from Python: one memcpy into shared memory, one futex wake, one memcpy out.

Two bare processes, or a chain of them, none of our transport in between (the system calls' wrappers apart). Run as a
program this module is one of them; :func:`measure_floor` starts all. Everything that costs time and could be left out
is left out: memory is mapped and touched beforehand, timers are sharp, the garbage collector is off, and one message
overwrites the one before the last.
"""

from __future__ import annotations

import gc
import io
import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.bench.payload import Payload, header_of
from rena_graph.errors import EnvironmentRefused
from rena_graph.transport import futex
from rena_graph.transport.links import ring_available
from rena_graph.transport.punctual import be_punctual

__all__ = ["measure_floor"]

_SLOTS = 2
"""The writer fills one while the reader may still copy the other: the fewest that work."""
_SHARED_MEMORY = "/dev/shm"
_START = 0.2
"""Seconds from the go-ahead to the first message."""
_PATIENCE = 10.0
"""Seconds that a process waits beyond the time that the messages take."""


class _Slots:
    """One link's shared file, mapped: a doorbell on a page of its own, then the slots."""

    def __init__(self, path: str, payload: Payload) -> None:
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self.bell = memoryview(self._map)[:4].cast("I")
        self.bell_address = futex.address_of(self._map)
        shape = (payload.samples, payload.channels)
        stride = _stride(payload)
        self.slots: list[NDArray[Any]] = [
            np.ndarray(shape, payload.dtype, buffer=self._map, offset=mmap.PAGESIZE + k * stride) for k in range(_SLOTS)
        ]


def _stride(payload: Payload) -> int:
    return -(-payload.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE


def _write(path: str, payload: Payload, messages: int) -> None:
    """The producer: a message at each of its deadlines, once the starter says go."""
    shared = _Slots(path, payload)
    wake = futex.waker(shared.bell_address)
    message = payload.make()
    header = header_of(message)
    clock, sleep = time.perf_counter_ns, time.sleep
    bell, slots = shared.bell, shared.slots
    be_punctual()
    _tell_and_wait("ready")
    start = time.monotonic() + _START
    for number in range(messages):
        wait = start + number / payload.rate - time.monotonic()
        if wait > 0:
            sleep(wait)
        slot = slots[number % _SLOTS]
        header[0] = number
        header[1] = clock()
        slot[:] = message
        bell[0] = number + 1
        wake()


def _relay(source: str, target: str, payload: Payload, messages: int) -> None:
    """A process in between: copies each message out, and into the next link. Runs until it is ended."""
    from_, to = _Slots(source, payload), _Slots(target, payload)
    wake = futex.waker(to.bell_address)
    bells = futex.WaitSet([(from_.bell_address, False)])
    private = np.zeros((payload.samples, payload.channels), payload.dtype)
    end = time.monotonic() + messages / payload.rate + _START + _PATIENCE
    seen = 0
    be_punctual()
    _tell("ready")
    while seen < messages and time.monotonic() < end:
        bells.sleep(end)
        newest = from_.bell[0]
        if newest == seen:
            continue
        slot = (newest - 1) % _SLOTS
        private[:] = from_.slots[slot]
        to.slots[slot][:] = private
        to.bell[0] = newest
        wake()
        bells.expected[0] = seen = newest


def _read(path: str, payload: Payload, messages: int, copy: bool) -> None:
    """The consumer: notes when each message is in its own memory (or, without `copy`, when it could be looked at)."""
    shared = _Slots(path, payload)
    bells = futex.WaitSet([(shared.bell_address, False)])
    private = np.zeros((payload.samples, payload.channels), payload.dtype)
    headers = [header_of(private if copy else slot) for slot in shared.slots]
    times = np.zeros((messages, 3), np.int64)
    clock = time.perf_counter_ns
    bell, slots = shared.bell, shared.slots
    end = time.monotonic() + messages / payload.rate + _START + _PATIENCE
    received = seen = 0
    be_punctual()
    _tell("ready")
    while seen < messages and time.monotonic() < end:
        bells.sleep(end)
        newest = bell[0]
        if newest == seen:
            continue
        slot = (newest - 1) % _SLOTS
        if copy:
            private[:] = slots[slot]
        now = clock()
        header = headers[slot]
        times[received] = header[0], header[1], now
        received += 1
        bells.expected[0] = seen = newest
    np.save(sys.stdout.buffer, times[:received])
    sys.stdout.buffer.flush()


def _tell(word: str) -> None:
    sys.stdout.buffer.write(word.encode() + b"\n")
    sys.stdout.buffer.flush()


def _tell_and_wait(word: str) -> None:
    _tell(word)
    sys.stdin.readline()


def measure_floor(payload: Payload, messages: int, *, copy: bool, hops: int = 1) -> NDArray[np.int64]:
    """Send messages from one bare process to another.

    Parameters
    ----------
    payload : Payload
        What, and how often.
    messages : int
        How many.
    copy : bool
        Whether the reader copies each message out before it counts as arrived.
    hops : int
        Links from the first process to the last: those in between copy out and in again.

    Returns
    -------
    ndarray of int64, shape (received, 3)
        Sequence number, and monotonic nanoseconds at which each message was sent and had arrived.

    Raises
    ------
    EnvironmentRefused
        This system has no futexes of ours to measure with, or one of the processes died.
    """
    reason = ring_available()
    if reason is not None:
        raise EnvironmentRefused(f"the floor cannot be measured here: {reason}")
    where = _SHARED_MEMORY if Path(_SHARED_MEMORY).is_dir() else None
    with ExitStack() as stack:
        links = []
        for _ in range(hops):
            file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="rg-floor-", dir=where))
            os.posix_fallocate(file.fileno(), 0, mmap.PAGESIZE + _SLOTS * _stride(payload))
            links.append(file.name)

        def start(role: str, *paths: str) -> subprocess.Popen[bytes]:
            process = stack.enter_context(_process(role, paths, payload, messages, copy))
            stack.callback(process.kill)
            return process

        reader = start("read", links[-1])
        relays = [start("relay", before, after) for before, after in pairwise(links)]
        writer = start("write", links[0])
        for process in (reader, *relays, writer):
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                raise EnvironmentRefused(f"a process of the floor's measurement died (status {process.wait()})")
        writer.communicate(b"go\n")
        taken, _ = reader.communicate()
        if writer.returncode or reader.returncode:
            raise EnvironmentRefused(
                f"a process of the floor's measurement died (writer {writer.returncode}, reader {reader.returncode})"
            )
    return _whole(np.load(io.BytesIO(taken), allow_pickle=False))


def _whole(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Without what was overwritten while somebody who was held up read it: an older number, or the same one again."""
    numbers, sent, arrived = times.T
    newer = [np.diff(np.maximum.accumulate(column), prepend=-1) > 0 for column in (numbers, sent)]
    found: NDArray[np.int64] = times[newer[0] & newer[1] & (arrived >= sent)]
    return found


def _process(role: str, paths: Sequence[str], payload: Payload, messages: int, copy: bool) -> subprocess.Popen[bytes]:
    task = json.dumps({"role": role, "paths": paths, "payload": asdict(payload), "messages": messages, "copy": copy})
    return subprocess.Popen(
        [sys.executable, "-m", "rena_graph.bench.floor", task], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _main(task: str) -> None:
    given = json.loads(task)
    payload, paths, messages = Payload(**given["payload"]), given["paths"], given["messages"]
    gc.disable()
    match given["role"]:
        case "write":
            _write(paths[0], payload, messages)
        case "relay":
            _relay(paths[0], paths[1], payload, messages)
        case _:
            _read(paths[0], payload, messages, given["copy"])


if __name__ == "__main__":
    _main(sys.argv[1])
