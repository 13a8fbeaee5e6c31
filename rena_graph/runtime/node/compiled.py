"""What of a node's loop the compiled kernel does, found out when the node is made; nothing where there is no kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rena_graph import kernel
from rena_graph.streams.buffer import InputBuffer
from rena_graph.streams.fast_window import FastWindow
from rena_graph.streams.outputs import Outputs
from rena_graph.transport import fast
from rena_graph.transport.interface import StreamReader, StreamWriter

if TYPE_CHECKING:
    from rena_graph.transport.ring import RingWriter

__all__ = ["SOME_LEFT", "open_send", "open_take"]

SOME_LEFT = 2
"""Bit of what a send returns: the outputs hold something that the kernel leaves to Python."""

Take = Callable[[], Any]
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


def open_take(reader: StreamReader, buffer: InputBuffer | None) -> Take | None:
    """A function that takes all that is pending into the window; None where that is not the ordinary case.

    It returns None where nothing is pending, NotImplemented, with nothing changed, where Python is to do it, else the
    first sample's sequence number, the timestamps of the first and the last sample, and the first one's origin (NaN
    where that is to be looked for further back).
    """
    if not fast.usable or kernel.core is None or not isinstance(reader, fast.FastRingReader):
        return None
    if not isinstance(buffer, FastWindow) or buffer.pick is not None or buffer.duration is not None:
        return None
    if buffer.dtype != reader.spec.numpy_dtype:
        return None
    return partial(kernel.core.take, reader, buffer)
