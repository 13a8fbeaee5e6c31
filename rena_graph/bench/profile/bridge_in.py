"""Profiles of what comes into a graph: from LSL, from ZMQ, from a recording. A program: ``bridge_in PATH SECONDS``."""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from rena_graph.bench.profile.rig import CHANNELS, RATE, SPEC, Ring, answer, outside, ring
from rena_graph.bench.profile.stopwatch import Stopwatch
from rena_graph.bridges import lsl_source, recording, timeline, zmq_source
from rena_graph.bridges.base import SourceBridge
from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.bridges.lsl_source import LslSourceBridge
from rena_graph.bridges.recording import RecordingBridge
from rena_graph.bridges.zmq_source import ZmqSourceBridge
from rena_graph.graph.document import LslSource, RecordingSource, ZmqSource
from rena_graph.transport.board import StreamColumn
from rena_graph.transport.links import open_writer

__all__: list[str] = []

DECLARED = DeclaredFormat(CHANNELS, RATE, "float32")
_RECORDED = 30.0
"""Seconds that the recording is long; it is played in a loop."""


def free_port() -> int:
    """A TCP port that nobody holds just now."""
    with closing(socket.socket()) as tried:
        tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
        return port


def _lsl(stack: ExitStack, watch: Stopwatch, folder: Path) -> SourceBridge:
    name = f"bench-{time.monotonic_ns()}"
    stack.enter_context(outside("lsl-push", name, str(CHANNELS), str(RATE)))
    bridge = LslSourceBridge(SPEC.name, LslSource(name=name), DECLARED, time.monotonic)
    bridge.prepare()
    if bridge._inlet is not None:
        watch.watch(bridge._inlet._inlet, "pull_chunk", "pylsl: pull_chunk")
        watch.watch(bridge._inlet, "_follow_clock", "the sender's clock followed")
        watch.watch(bridge._inlet, "pull", "chunk and stamps put together")
    watch.watch(lsl_source.LslSourceBridge, "_read", "states, and the rest")
    return bridge


def _zmq(stack: ExitStack, watch: Stopwatch, folder: Path) -> SourceBridge:
    port = free_port()
    stack.enter_context(outside("zmq-push", str(port), str(CHANNELS), str(RATE)))
    bridge = ZmqSourceBridge(SPEC.name, ZmqSource(port=port), DECLARED, time.monotonic)
    bridge.prepare()
    assert bridge._socket is not None
    watch.watch(bridge._codec, "decode", "messages judged")
    watch.watch(bridge._codec, "join", "samples joined")
    watch.watch(zmq_source.ZmqSourceBridge, "_read", "messages received, and the rest")
    return bridge


def _recording(stack: ExitStack, watch: Stopwatch, folder: Path) -> SourceBridge:
    samples = int(_RECORDED * RATE)
    data = np.random.default_rng(0).standard_normal((samples, CHANNELS)).astype(np.float32)
    np.savez(folder / "r.npz", data=data, timestamps=np.arange(samples) / RATE)
    source = RecordingSource(path="r.npz", loop=True)
    bridge = RecordingBridge(SPEC.name, source, DECLARED, time.monotonic, folder)
    bridge.prepare()
    watch.watch(recording, "sleep_until", "waiting")
    return bridge


def main(path: str, seconds: float) -> None:
    """Run one of them and print its profile."""
    make = {"lsl-in": _lsl, "zmq-in": _zmq, "recording": _recording}[path]
    with ring() as made, Stopwatch() as watch, ExitStack() as stack:
        bridge = make(stack, watch, made.folder)
        _profile(made, watch, bridge, seconds)
        bridge.close()


def _profile(made: Ring, watch: Stopwatch, bridge: SourceBridge, seconds: float) -> None:
    row, stop, ids = made.board.stream(0), threading.Event(), [0]
    with closing(open_writer(made.port, made.board, 0)) as writer:
        watch.watch(timeline.Timeline, "clean", "stamps cleaned")
        watch.watch(timeline.GapFinder, "feed", "gaps looked for")
        watch.watch(writer, "publish", "into the ring")

        def run() -> None:
            ids[0] = threading.get_native_id()
            bridge.run(writer, row, stop)

        thread = threading.Thread(target=run, name="profiled")
        thread.start()
        try:
            answer(watch, lambda: ids[0], lambda: row.ints[StreamColumn.CHUNKS], seconds)
        finally:
            stop.set()
            thread.join()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
