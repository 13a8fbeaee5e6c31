"""What of a node's loop the compiled kernel does, found out when the node is made; nothing where there is no kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rena_graph import kernel
from rena_graph.runtime.node.feed import Feed
from rena_graph.runtime.setup import InputSetup
from rena_graph.streams.fast_window import FastPort, FastView, FastWindow
from rena_graph.streams.input_port import InputPort
from rena_graph.streams.outputs import Outputs
from rena_graph.transport import fast
from rena_graph.transport.board import Row
from rena_graph.transport.interface import StreamReader, StreamWriter

if TYPE_CHECKING:
    from rena_graph.transport.ring import RingWriter

if TYPE_CHECKING or fast.usable:  # else there is none to inherit from
    from rena_graph.kernel import _core

    class FastFeed(_core.FeedCore, Feed):
        """See :class:`Feed`; between :meth:`_attach_core` and its end the kernel does the ordinary case."""

        _take_slowly = Feed.take
        _origin_slowly = Feed.origin
        _overtaken_slowly = Feed.overtaken


__all__ = ["SOME_LEFT", "open_feed", "open_send"]

SOME_LEFT = 2
"""Bit of what a send returns: the outputs hold something that the kernel leaves to Python."""

Send = Callable[[float, float], int]


def open_send(outputs: Outputs, writers: Sequence[StreamWriter]) -> Send | None:
    """A function of time and origin that publishes what is plain of `outputs`; None where nothing can be.

    It returns 1 where something was sent, plus :data:`SOME_LEFT`.
    """
    if not fast.usable or kernel.core is None:
        return None
    senders: list[tuple[str, RingWriter | None, Any, int]] = []
    for sender, writer in zip(outputs.senders, writers, strict=True):
        plain = isinstance(writer, fast.FastRingWriter) and sender.dtype is not None
        senders.append((sender.name, writer if plain else None, sender.stamps, sender.either_way))  # type: ignore[arg-type]
    if not any(writer for _, writer, _, _ in senders):
        return None
    return partial(kernel.core.send, outputs, tuple(senders))


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
