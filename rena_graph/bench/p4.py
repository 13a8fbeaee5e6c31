"""P4: one hop between two hosts: from a ring over TCP into the ring of the other, as a graph's streams would cross.

Both hosts are this machine, so that their clocks are one.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rena_graph.bench.figures import Figure, Hops
from rena_graph.bench.floor import measure_floor
from rena_graph.bench.link_parts import Part, Task, port_of
from rena_graph.bench.payload import PAYLOADS
from rena_graph.bench.rows import Bench
from rena_graph.transport.board import Board
from rena_graph.transport.links import create_stream, remove_stream

__all__ = ["measure"]

MESSAGES, QUICK_MESSAGES = 500, 100
FLOORS = 2
"""Hops through shared memory that lie before and behind the connection."""


def _ours(name: str, messages: int, secure: bool) -> NDArray[np.int64]:
    """Numbers, and when each message was sent and had arrived (ns)."""
    with tempfile.TemporaryDirectory(prefix="rg-bench-", dir="/dev/shm") as folder_name, ExitStack() as stack:
        folder = Path(folder_name)
        for side in ("near", "far"):
            stack.enter_context(Board.create(folder / side, streams=1, edges=1, nodes=0))
            port = port_of(folder, side, PAYLOADS[name])
            create_stream(port)
            stack.callback(remove_stream, port)
        sender, receiver, reader, writer = (
            Part(stack, Task(role, folder_name, name, messages, side))
            for role, side in (("send", "near"), ("receive", "far"), ("read", "far"), ("write", "near"))
        )
        reader.hear()
        writer.hear()
        receiver.tell(public=sender.hear()["public"], secure=secure)
        sender.tell(**receiver.hear(), secure=secure)
        sender.hear()
        writer.tell()
        times = reader.times()
        for part in (writer, sender, receiver):
            part.end()
        return times


def _raw(name: str, messages: int) -> NDArray[np.int64]:
    with ExitStack() as stack:
        pull, push = (Part(stack, Task(role, "/", name, messages)) for role in ("pull", "push"))
        push.hear()
        push.tell(**pull.hear())
        times = pull.times()
        push.end()
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
