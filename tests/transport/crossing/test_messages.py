"""The messages between hosts: there and back, and nothing else is believed."""

from __future__ import annotations

import pickle

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.errors import WireError
from rena_graph.transport.crossing import messages
from rena_graph.transport.crossing.messages import Data, Grant, Offer, Position, Time, TimeAsked, pack, unpack

ALL = [Offer("S", 9), Position("S", 3, 4, True), Grant("ü", 1, 2, 2, 0, 3), TimeAsked(1.5), Time(1.0, 2.0, 3.0)]


@pytest.mark.parametrize("message", ALL, ids=lambda m: type(m).__name__)
def test_there_and_back(message: messages.Message) -> None:
    assert unpack([pack(message)]) == message
    assert unpack([pack(Data("S", 1, 2)), b"", b"", b""]) == Data("S", 1, 2)


def _header(kind: bytes, *values: object) -> bytes:
    return messages.MAGIC + bytes([messages.VERSION]) + kind + bytes(msgpack.packb(values))


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [b"RGX"],
        [b"RGX\x02"],
        [b"RGX\x01O" + msgpack.packb(["S", 1])],
        [_header(b"?", 1)],
        [_header(b"O", "S", 1), b"more"],
        [_header(b"D", "S", 1, 2), b"too few"],
        [_header(b"O", "S")],
        [_header(b"O", "S", True)],
        [_header(b"O", "S", -1)],
        [_header(b"G", "S", 1, 2, 2, 0, 2**63), _header(b"G", "S", 1, 2, 3)],
        [_header(b"O", b"bytes", 1)],
        [_header(b"O", "S" * 5000, 1)],
        [b"RGX\x02O\xdd\xff\xff\xff\xff"],
        [pickle.dumps("S")],
    ],
)
def test_what_is_not_ours_is_refused(frames: list[bytes]) -> None:
    with pytest.raises(WireError):
        unpack(frames)


def test_samples_may_come_in_pieces_but_not_in_any_number_of_them() -> None:
    assert unpack([pack(Data("S", 1, 2)), *[b""] * 40]) == Data("S", 1, 2)
    with pytest.raises(WireError, match="frames"):
        unpack([pack(Data("S", 1, 2)), *[b""] * (messages.DATA_FRAMES + messages.MOST_PIECES + 1)])


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_no_bytes_make_it_raise_anything_else(frames: list[bytes]) -> None:
    for changed in (frames, [b"RGX\x01" + frame for frame in frames]):
        try:
            unpack(changed)
        except WireError:
            continue
