"""Profiles of a link between hosts: its sender, and its receiver. A program: ``crossing PATH SECONDS``.

Both run in this process, each in its own thread, over 127.0.0.1 and encrypted, as links always are.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack

import zmq

from rena_graph.bench.payload import PAYLOADS
from rena_graph.bench.profile.rig import Ring, answer, feed, ring
from rena_graph.bench.profile.stopwatch import Stopwatch
from rena_graph.errors import RenaGraphError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import EdgeColumn, StreamColumn
from rena_graph.transport.crossing import receiver as receiver_module
from rena_graph.transport.crossing import sender as sender_module
from rena_graph.transport.crossing.keys import KeyPair
from rena_graph.transport.crossing.receiver import Receiver
from rena_graph.transport.crossing.sender import Sender
from rena_graph.transport.interface import EdgeOptions

__all__: list[str] = []

_PAYLOAD = PAYLOADS["small"]
_SPEC = StreamSpec("S", _PAYLOAD.channels, _PAYLOAD.dtype, _PAYLOAD.rate * _PAYLOAD.samples)


def _failed(what: str, error: RenaGraphError) -> None:
    sys.stderr.write(f"{what}: {error}\n")


def _watch_sender(watch: Stopwatch, sender: Sender) -> None:
    watch.watch(sender_module, "pack", "header packed")
    watch.watch(sender_module, "unpack", "grants read")
    watch.watch(sender._codec, "encode", "frames made")
    watch.watch(sender._reader, "look", "samples looked at")
    watch.watch(sender._waiter, "wait", "waiting: the wake-up's own part")
    watch.watch(sender, "_wait", "waiting: the wake-up's own part, and what the kernel sends then")
    watch.watch(sender, "_post", "ZMQ: send")
    watch.watch(sender, "_hear", "ZMQ: grants received")
    watch.watch(sender, "_send", "samples copied, and the rest of a chunk")
    watch.watch(sender, "_send_some", "what to send")


def _watch_receiver(watch: Stopwatch, receiver: Receiver) -> None:
    inlet = receiver._inlets["S"]
    watch.watch(receiver._slots, "receive", "waiting: the wake-up's own part, and what the kernel takes in then")
    watch.watch(receiver, "_taken_in", "what the kernel took in counted")
    watch.watch(receiver_module, "unpack", "header read")
    watch.watch(receiver_module, "pack", "grants packed")
    watch.watch(inlet.codec, "decode", "frames judged")
    watch.watch(inlet.writer, "publish", "into the ring")
    watch.watch(receiver, "_answer", "ZMQ: grants sent")
    watch.watch(receiver, "_put", "whether the ring takes it")
    watch.watch(receiver, "_handle", "whose message it is")
    watch.watch(receiver, "_receive", "ZMQ: receive")


def main(path: str, seconds: float) -> None:
    """Run one of them and print its profile."""
    with ring(_SPEC) as near, ring(_SPEC) as far, Stopwatch() as watch, ExitStack() as stack:
        _profile(near, far, watch, stack, path, seconds)


def _profile(near: Ring, far: Ring, watch: Stopwatch, stack: ExitStack, path: str, seconds: float) -> None:
    here, there = KeyPair.make(), KeyPair.make()
    contexts = zmq.Context(), zmq.Context()
    for context in contexts:
        stack.callback(context.term)
    allowed = {here.public: "near"}
    receiver = Receiver(contexts[1], "tcp://127.0.0.1:*", [far.port], there, allowed, time.monotonic, _failed)
    receiver.take(far.port, "near", far.board)
    stack.callback(receiver.close)
    keys = here, there.public
    sender = Sender(contexts[0], near.port, EdgeOptions(0), near.board, 1, receiver.endpoint, keys, _failed)
    stack.callback(sender.close)
    if path == "link-out":
        _watch_sender(watch, sender)
    else:
        _watch_receiver(watch, receiver)
    receiver.start()
    sender.start()
    thread = (sender if path == "link-out" else receiver)._thread
    if path == "link-out":
        sent = near.board.edge(0).ints
        count = lambda: sent[EdgeColumn.POSITION] // _PAYLOAD.samples  # noqa: E731
    else:
        arrived = far.board.stream(0).ints
        count = lambda: arrived[StreamColumn.CHUNKS]  # noqa: E731
    with feed(near, _PAYLOAD.samples, _PAYLOAD.rate):
        answer(watch, lambda: thread.native_id or 0, count, seconds)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
