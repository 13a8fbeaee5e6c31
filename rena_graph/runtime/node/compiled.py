"""What of a node's loop the compiled kernel does, found out when the node is made; nothing where there is no kernel."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rena_graph import kernel
from rena_graph.graph.document import EveryTrigger, NodeDef
from rena_graph.runtime.clock import Clock
from rena_graph.runtime.node.feed import Feed
from rena_graph.runtime.node.pacer import ClockPacer
from rena_graph.runtime.setup import InputSetup
from rena_graph.script import RenaScript
from rena_graph.streams.fast_window import FastPort, FastView, FastWindow
from rena_graph.streams.input_port import InputPort
from rena_graph.streams.inputs import Inputs
from rena_graph.streams.outputs import Outputs
from rena_graph.transport import fast
from rena_graph.transport.board import Row
from rena_graph.transport.interface import StreamReader, StreamWriter, Waiter

if TYPE_CHECKING:
    from rena_graph.transport.ring import RingWriter

if TYPE_CHECKING or fast.usable:  # else there is none to inherit from
    from rena_graph.kernel import _core

    class FastFeed(_core.FeedCore, Feed):
        """See :class:`Feed`; between :meth:`_attach_core` and its end the kernel does the ordinary case."""

        _take_slowly = Feed.take
        _origin_slowly = Feed.origin
        _overtaken_slowly = Feed.overtaken


__all__ = ["SOME_LEFT", "Around", "Senders", "open_feed", "open_send", "open_turn", "plain_senders"]

SOME_LEFT = 2
"""Bit of what a send returns: the outputs hold something that the kernel leaves to Python."""

Senders = tuple[tuple[str, Any, Any, int], ...]
Send = Callable[[float, float], int]


def plain_senders(outputs: Outputs, writers: Sequence[StreamWriter]) -> Senders | None:
    """What the kernel needs to know to publish what is plain of `outputs`; None where nothing can be."""
    if not fast.usable:
        return None
    senders: list[tuple[str, RingWriter | None, Any, int]] = []
    for sender, writer in zip(outputs.senders, writers, strict=True):
        plain = isinstance(writer, fast.FastRingWriter) and sender.dtype is not None
        senders.append((sender.name, writer if plain else None, sender.stamps, sender.either_way))  # type: ignore[arg-type]
    return tuple(senders) if any(writer for _, writer, _, _ in senders) else None


def open_send(outputs: Outputs, senders: Senders | None) -> Send | None:
    """A function of time and origin that publishes what is plain of `outputs`; None where nothing can be.

    It returns 1 where something was sent, plus :data:`SOME_LEFT`.
    """
    if senders is None or kernel.core is None:
        return None
    return partial(kernel.core.send, outputs, senders)


@dataclass(frozen=True)
class Around:
    """What stands around a node's script, as :class:`~rena_graph.runtime.node.loop.NodeLoop` is given it."""

    loop: object
    """Asked for what is not the ordinary case."""
    script: RenaScript
    definition: NodeDef
    inputs: Inputs
    feeds: tuple[Feed, ...]
    outputs: Outputs
    writers: tuple[StreamWriter, ...]
    senders: Senders | None
    row: Row
    commit: Callable[[], None]


def open_turn(around: Around, waiter: Waiter, clock: Clock, beat: float) -> _core.Turn | None:
    """What a loop does around its script, in a call before it and one after; None where that is Python's.

    That is: by another clock than this machine's, in blocks, and where what piled up is passed over.
    """
    definition, feeds = around.definition, around.feeds
    own_clock = clock.now is time.monotonic and clock.now_ns is time.monotonic_ns
    if kernel.core is None or not fast.usable or not own_clock:
        return None
    if definition.on_overload == "newest" or isinstance(definition.trigger, EveryTrigger):
        return None
    made: _core.Turn = kernel.core.Turn(
        around.loop,
        feeds,
        tuple(feed for feed in feeds if feed.viewed),
        around.inputs.ports,
        around.inputs.buffer,
        around.script.loop_info,
        around.outputs,
        around.senders,
        around.commit,
        around.row.ints,
        waiter.sleeper if isinstance(waiter, fast.FastRingWaiter) else None,
        ClockPacer,
        beat,
        definition.trigger == "clock",
        bool(feeds and around.writers),
        any(feed.guarded for feed in feeds),
    )
    return made


def open_feed(setup: InputSetup, reader: StreamReader, port: InputPort, row: Row, node: str = "") -> Feed:
    """A feed of which the kernel does the ordinary case, where there is one; see :class:`Feed`."""
    if not fast.usable or not isinstance(reader, fast.FastRingReader) or not isinstance(port, FastPort):
        return Feed(setup, reader, port, row, node)
    buffer = port.buffer
    if isinstance(buffer, FastView):
        plain = setup.pick is None
    elif isinstance(buffer, FastWindow):
        plain = buffer.pick is None and buffer.duration is None and buffer.dtype == reader.spec.numpy_dtype
    else:
        plain = False
    definition = setup.definition
    looked_into = definition.on_nan != "pass" and reader.spec.numpy_dtype.kind == "f"
    if not plain or looked_into or definition.gaps == "nan":
        return Feed(setup, reader, port, row, node)
    feed = FastFeed(setup, reader, port, row, node)
    feed._attach_core(reader, buffer, port, definition.lossless)
    return feed
