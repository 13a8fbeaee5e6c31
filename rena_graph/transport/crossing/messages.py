"""What two hosts say to each other: a versioned msgpack header, and for samples the frames of the wire format.

The first frame is :data:`MAGIC`, one byte of version, one letter, and a msgpack array::

    O   [stream, source]                    sender: I have this stream; `source` is the ring that it lies in
    D   [stream, generation, skipped]       sender: samples; the three frames of a wire ``D`` follow, the last one of
                                            them in as many pieces as its sender likes
    S                                       sender: few samples, all in this frame, and no msgpack; see
                                            :mod:`~rena_graph.transport.crossing.small`
    P   [stream, generation, next, ended]   sender: all before `next` was sent; whether no more comes
    G   [stream, generation, next, taken, lost, limit]
                                            receiver: all before `next` is here, all before `taken` is in the ring but
                                            for `lost` samples that never come; send what lies below `limit`
    T   [t0]                                what time is it?
    R   [t0, t1, t2]                        the answer: arrived at t1, left at t2

Each end counts on nothing but its own state: every message may be lost, and is sent again in another form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgpack

from rena_graph.errors import WireError

__all__ = [
    "DATA_FRAMES",
    "LARGEST",
    "MAGIC",
    "VERSION",
    "Data",
    "Grant",
    "Message",
    "Offer",
    "Position",
    "Time",
    "TimeAsked",
    "pack",
    "unpack",
]

MAGIC = b"RGX"
VERSION = 2
DATA_FRAMES = 3
MOST_PIECES = 1 << 14
_PREFIX = MAGIC + bytes([VERSION])
_LONGEST_HEADER = 4096
LARGEST = 2**62
"""No honest number comes near."""


@dataclass(frozen=True)
class Offer:
    """The sender has a stream, which lies in the ring `source`: another ring, other sequence numbers."""

    kind: ClassVar[bytes] = b"O"
    stream: str
    source: int


@dataclass(frozen=True)
class Data:
    """Samples follow; `skipped` ones before them are no longer to be had."""

    kind: ClassVar[bytes] = b"D"
    stream: str
    generation: int
    skipped: int


@dataclass(frozen=True)
class Position:
    """All before `next` was sent in this generation."""

    kind: ClassVar[bytes] = b"P"
    stream: str
    generation: int
    next: int
    ended: bool


@dataclass(frozen=True)
class Grant:
    """All before `next` has arrived; what lies below `limit` may be sent. A new generation begins again at `next`.

    All before `taken` lies in the receiver's ring, but for `lost` samples that the link lost for good.
    """

    kind: ClassVar[bytes] = b"G"
    stream: str
    generation: int
    next: int
    taken: int
    lost: int
    limit: int


@dataclass(frozen=True)
class TimeAsked:
    """A host's own clock, in seconds."""

    kind: ClassVar[bytes] = b"T"
    sent: float


@dataclass(frozen=True)
class Time:
    """The answer to :class:`TimeAsked`, by the other host's clock."""

    kind: ClassVar[bytes] = b"R"
    sent: float
    arrived: float
    left: float


Message = Offer | Data | Position | Grant | TimeAsked | Time

_KINDS: dict[bytes, tuple[type[Any], tuple[type, ...]]] = {
    b"O": (Offer, (str, int)),
    b"D": (Data, (str, int, int)),
    b"P": (Position, (str, int, int, bool)),
    b"G": (Grant, (str, int, int, int, int, int)),
    b"T": (TimeAsked, (float,)),
    b"R": (Time, (float, float, float)),
}


def pack(message: Message) -> bytes:
    """The first frame."""
    # The fields in their order, without the deep copies of `dataclasses.astuple`, which take longer than all the rest.
    return _PREFIX + message.kind + bytes(msgpack.packb([*vars(message).values()]))


def unpack(frames: Sequence[bytes | memoryview]) -> Message:
    """What the first frame says, and whether as many follow as must.

    Raises
    ------
    WireError
        Anything that is not exactly this format and this version.
    """
    if not frames or len(frames[0]) > _LONGEST_HEADER:
        raise WireError(f"a message of {len(frames)} frames, the first of {len(frames[0]) if frames else 0} bytes")
    head = bytes(frames[0])
    if head[:3] != MAGIC or len(head) < 5:
        raise WireError(f"a message that begins {head[:5]!r}, expected {MAGIC!r}, version and kind")
    if head[3] != VERSION:
        raise WireError(f"a message of version {head[3]}, this side speaks {VERSION}: run one rena_graph on all hosts")
    if head[4:5] not in _KINDS:
        raise WireError(f"a message of unknown kind {head[4:5]!r}")
    kind, types = _KINDS[head[4:5]]
    least, most = (DATA_FRAMES, DATA_FRAMES + MOST_PIECES) if kind is Data else (0, 0)
    if not least <= len(frames) - 1 <= most:
        raise WireError(f"{len(frames)} frames in a message of kind {head[4:5]!r}, expected {1 + least}")
    return kind(*_values(head[5:], types))  # type: ignore[no-any-return]


def _values(body: bytes, types: tuple[type, ...]) -> list[Any]:
    try:
        values = msgpack.unpackb(
            body, max_array_len=len(types), max_str_len=len(body), max_bin_len=0, max_map_len=0, max_ext_len=0
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as problem:
        raise WireError(f"{len(body)} bytes that are not msgpack of ours ({problem})") from problem
    if type(values) is not list or tuple(map(type, values)) != types:
        raise WireError(f"{values!r:.200}, expected {', '.join(t.__name__ for t in types)}")
    if any(type(value) is int and not 0 <= value < LARGEST for value in values):
        raise WireError(f"{values!r:.200}, expected whole numbers from 0 on")
    return values
