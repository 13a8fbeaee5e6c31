"""Growth with hosts: a stream that one host makes and each of the others reads, over encrypted links."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rena_graph.bench.floor import measure_floor
from rena_graph.bench.growth.costs import percentile
from rena_graph.bench.growth.series import Line, Values, gather
from rena_graph.bench.growth.spaces import Space, spaces, why_not
from rena_graph.bench.link_parts import Part, Task, port_of
from rena_graph.bench.payload import PAYLOADS
from rena_graph.bench.rows import Bench
from rena_graph.transport.board import Board
from rena_graph.transport.links import create_stream, remove_stream

__all__ = ["measure"]

SIZES: tuple[float, ...] = (1, 2, 3, 4)
QUICK_SIZES: tuple[float, ...] = (1, 2)
PAYLOAD = "small"
MESSAGES, QUICK_MESSAGES = 200, 60
FIRST = 20
"""Messages at the beginning that are not counted."""
UNITS = {
    "until the nearest host has it, p50": "µs",
    "until the last host has it, p50": "µs",
    "the floor (one host), p50": "µs",
    "sending, processor time a chunk and host": "µs",
    "receiving, processor time a chunk and host": "µs",
}


def measure(bench: Bench) -> tuple[tuple[float, ...], tuple[Line, ...], str]:
    """See the table of series. One host alone needs no namespace, and no link."""
    reason = why_not()
    sizes = QUICK_SIZES if bench.quick else SIZES
    messages = QUICK_MESSAGES if bench.quick else MESSAGES
    if reason:
        sizes = sizes[:1]

    def at(hosts: float) -> Values:
        bench.say(f"{hosts:g} hosts")
        floor = percentile(measure_floor(PAYLOADS[PAYLOAD], messages, copy=True), 50, FIRST)
        with ExitStack() as stack:
            made = stack.enter_context(spaces(int(hosts))) if hosts > 1 else [Space("127.0.0.1", ())]
            arrived, sending, receiving = _carried(made, messages)
        p50 = [percentile(times, 50, FIRST) for times in arrived]
        return dict(zip(UNITS, (min(p50), max(p50), floor, sending, receiving), strict=True))

    left_out = f"more than one host: {reason}" if reason else ""
    return sizes, gather(sizes, bench.rounds, at, UNITS), left_out


def _carried(hosts: Sequence[Space], messages: int) -> tuple[list[NDArray[np.int64]], float, float]:
    """When each message had arrived on each other host (or on the one there is); what sending and receiving cost."""
    home, *others = hosts
    sides = ["near", *(f"far{k}" for k in range(len(others)))]
    payload, readers = PAYLOADS[PAYLOAD], max(1, len(others))
    with tempfile.TemporaryDirectory(prefix="rg-bench-", dir="/dev/shm") as name, ExitStack() as stack:
        for side in sides:
            edges = readers if side == "near" else 1
            stack.enter_context(Board.create(Path(name) / side, streams=1, edges=edges, nodes=0))
            port = port_of(Path(name), side, payload, edges)
            create_stream(port)
            stack.callback(remove_stream, port)

        def part(role: str, space: Space, side: str, edge: int = 0) -> Part:
            edges = readers if side == "near" else 1
            task = Task(role, name, PAYLOAD, messages, side, edges, edge, space.address)
            return Part(stack, task, space.inside)

        senders = [part("send", home, "near", k) for k in range(len(others))]
        receivers = [part("receive", space, side) for space, side in zip(others, sides[1:], strict=True)]
        targets = list(zip(others, sides[1:], strict=True)) or [(home, "near")]
        consumers = [part("read", space, side) for space, side in targets]
        writer = part("write", home, "near")
        for each in (*consumers, writer):
            each.hear()
        for sender, receiver in zip(senders, receivers, strict=True):
            receiver.tell(public=sender.hear()["public"], secure=True)
            sender.tell(**receiver.hear(), secure=True)
            sender.hear()
        writer.tell()
        arrived = [each.times() for each in consumers]
        writer.end()
        sending, receiving = (_mean_cpu(parts, messages) for parts in (senders, receivers))
    return arrived, sending, receiving


def _mean_cpu(parts: Sequence[Part], messages: int) -> float:
    """Microseconds of processor time a message and process; NaN where there are none."""
    spent = [part.end()["cpu"] for part in parts]
    return sum(spent) / len(spent) / messages * 1e6 if spent else float("nan")
