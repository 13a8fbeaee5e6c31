"""What the profiles have in common: a ring and a board, a thread that runs what is profiled, and the world outside."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rena_graph.bench.cpu import thread_seconds
from rena_graph.bench.profile.stopwatch import Stopwatch
from rena_graph.errors import EnvironmentRefused
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Board
from rena_graph.transport.interface import StreamPort
from rena_graph.transport.links import create_stream, open_writer, remove_stream

__all__ = ["CHANNELS", "CHUNK", "RATE", "SPEC", "Ring", "answer", "feed", "outside", "ring"]

CHANNELS, RATE, CHUNK = 64, 2048.0, 20
SPEC = StreamSpec("S", CHANNELS, "float32", RATE)
_WARM = 0.5
"""Seconds before anything is counted."""
_PATIENCE = 15.0


class Ring:
    """A stream in shared memory, and the board that counts it."""

    def __init__(self, folder: Path, spec: StreamSpec, samples: int) -> None:
        self.folder = folder
        self.board = Board.create(folder / "board", streams=1, edges=1, nodes=0)
        self.port = StreamPort(spec, "ring", str(folder / "ring"), samples, 0, (0,))
        create_stream(self.port)

    def close(self) -> None:
        """Remove both."""
        self.board.close()
        remove_stream(self.port)


@contextmanager
def ring(spec: StreamSpec = SPEC, samples: int = 8192) -> Iterator[Ring]:
    """A ring that is gone after the context."""
    with tempfile.TemporaryDirectory(prefix="rg-bench-", dir="/dev/shm") as folder:
        made = Ring(Path(folder), spec, samples)
        try:
            yield made
        finally:
            made.close()


@contextmanager
def outside(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A process of the world outside (:mod:`rena_graph.bench.profile.world`), once it is ready."""
    command = [sys.executable, "-m", "rena_graph.bench.profile.world", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise EnvironmentRefused(f"what was to be outside the graph died ({words[0]})")
            yield process
        finally:
            process.kill()


@contextmanager
def feed(made: Ring, chunk: int, rate: float) -> Iterator[None]:
    """Publish chunks into a ring, so many a second, from a thread, while the context lasts."""
    writer = open_writer(made.port, made.board, 0)
    spec, stop = made.port.spec, threading.Event()
    data = np.random.default_rng(0).standard_normal((chunk, spec.channels)).astype(spec.numpy_dtype)

    def run() -> None:
        start, sent = time.monotonic(), 0
        while not stop.wait(max(0.0, start + sent / rate - time.monotonic())):
            now = time.monotonic()
            writer.publish(data, now + np.arange(1 - chunk, 1) / (chunk * rate), now)
            sent += 1

    thread = threading.Thread(target=run, name="feed")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        writer.close()


def answer(watch: Stopwatch, tid: Callable[[], int], chunks: Callable[[], int], seconds: float) -> None:
    """Let the thread that is profiled run for `seconds`, and print what its steps took a chunk.

    Parameters
    ----------
    watch : Stopwatch
        That counts its steps.
    tid : callable
        Its id, as the kernel has it.
    chunks : callable
        How many it has handled so far.

    Raises
    ------
    EnvironmentRefused
        Nothing arrives.
    """
    end = time.monotonic() + _PATIENCE
    while not chunks():
        if time.monotonic() > end:
            raise EnvironmentRefused("nothing came through what was to be profiled")
        time.sleep(0.01)
    time.sleep(_WARM)
    before, used = chunks(), thread_seconds(tid())
    watch.counting = True
    time.sleep(seconds)
    watch.counting = False
    count, used = chunks() - before, thread_seconds(tid()) - used
    if not count:
        raise EnvironmentRefused("nothing came through what was to be profiled")
    steps = {step: (watch.calls[step] / count, ns / count / 1e3) for step, ns in watch.nanoseconds.items()}
    sys.stdout.write(json.dumps({"steps": steps, "whole": used / count * 1e6, "chunks": count}))
    sys.stdout.flush()
