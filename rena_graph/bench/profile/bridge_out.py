"""Profiles of what leaves a graph: to LSL and to ZMQ. A program: ``bridge_out PATH SECONDS``."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import ExitStack, closing

from rena_graph.bench.profile.bridge_in import free_port
from rena_graph.bench.profile.rig import CHANNELS, CHUNK, RATE, SPEC, answer, feed, outside, ring
from rena_graph.bench.profile.stopwatch import Stopwatch
from rena_graph.bridges.base import SinkBridge
from rena_graph.bridges.lsl_sink import LslSinkBridge
from rena_graph.bridges.zmq_sink import ZmqSinkBridge
from rena_graph.graph.document import LslSink, ZmqSink
from rena_graph.transport.board import EdgeColumn
from rena_graph.transport.interface import EdgeOptions
from rena_graph.transport.links import open_reader, open_waiter

__all__: list[str] = []


def _lsl(stack: ExitStack, watch: Stopwatch) -> SinkBridge:
    name = f"bench-{time.monotonic_ns()}"
    bridge = LslSinkBridge(SPEC, LslSink(name=name), time.monotonic, graph="bench")
    bridge.prepare()
    stack.enter_context(outside("lsl-pull", name, str(CHANNELS), str(RATE)))
    watch.watch(bridge._outlet, "push_chunk", "pylsl: push_chunk")
    return bridge


def _zmq(stack: ExitStack, watch: Stopwatch) -> SinkBridge:
    port = free_port()
    bridge = ZmqSinkBridge(SPEC, ZmqSink(port=port), time.monotonic)
    bridge.prepare()
    stack.enter_context(outside("zmq-pull", str(port), str(CHANNELS), str(RATE)))
    watch.watch(bridge._codec, "encode", "messages made")
    return bridge


def main(path: str, seconds: float) -> None:
    """Run one of them and print its profile."""
    make = {"lsl-out": _lsl, "zmq-out": _zmq}[path]
    with ring() as made, Stopwatch() as watch, ExitStack() as stack:
        bridge = make(stack, watch)
        watch.watch(bridge, "send", "stamps set to the outside's clock, and sent")
        row, stop, ids = made.board.edge(0), threading.Event(), [0]
        reader = stack.enter_context(closing(open_reader(made.port, EdgeOptions(0), made.board)))
        waiter = stack.enter_context(closing(open_waiter("ring", [reader])))
        watch.watch(waiter, "wait", "waiting: the wake-up's own part")
        watch.watch(reader, "peek", "samples looked at")
        watch.watch(reader, "commit", "position and counters")
        watch.watch(bridge, "_count_latency", "latency counted")
        watch.watch(bridge, "_pass_on", "samples copied, and the rest")

        def run() -> None:
            ids[0] = threading.get_native_id()
            bridge.run(reader, waiter, row, stop)

        thread = threading.Thread(target=run, name="profiled")
        with feed(made, CHUNK, RATE / CHUNK):
            thread.start()
            try:
                answer(watch, lambda: ids[0], lambda: row.ints[EdgeColumn.DELIVERED] // CHUNK, seconds)
            finally:
                stop.set()
                thread.join()
        bridge.close()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
