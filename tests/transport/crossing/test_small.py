"""Messages of one frame: there and back, and nothing else is believed."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.errors import WireError
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.crossing.messages import MAGIC, VERSION, unpack
from rena_graph.transport.crossing.small import HEADER_BYTES, MOST_BYTES, PREFIX, SmallCodec, identity_in

SPEC = StreamSpec("s", 3, "int16", 100.0)


def frame(spec: StreamSpec = SPEC, count: int = 4) -> bytes:
    data = (np.arange(count * spec.channels) % 2).reshape(count, spec.channels).astype(spec.numpy_dtype)
    return SmallCodec(spec).encode(7, 2, 40, 1.5, data, np.arange(count, dtype=np.float64))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "uint8", "bool", "int64"])
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_there_and_back_wherever_it_lies(dtype: str, offset: int) -> None:
    spec = StreamSpec("Größe", 3, dtype, 100.0)
    codec = SmallCodec(spec)
    view = memoryview(bytes(offset) + frame(spec))[offset:]
    assert identity_in(view) == codec.identity
    few = codec.decode(view)
    assert (few.generation, few.skipped, few.first, few.count, few.origin) == (7, 2, 40, 4, 1.5)
    assert few.data.dtype == spec.numpy_dtype
    assert np.array_equal(few.data, (np.arange(12) % 2).reshape(4, 3))
    assert np.array_equal(few.timestamps, np.arange(4.0))


@pytest.mark.parametrize(
    "other",
    [
        StreamSpec("t", 3, "int16", 100.0),
        StreamSpec("s", 4, "int16", 100.0),
        StreamSpec("s", 3, "uint16", 100.0),
        StreamSpec("s\0", 3, "int16", 100.0),
    ],
)
def test_another_stream_has_another_identity(other: StreamSpec) -> None:
    assert SmallCodec(other).identity != SmallCodec(SPEC).identity


@given(st.integers(0, len(frame())), st.binary(max_size=20))
def test_a_frame_that_is_cut_or_longer_is_refused(length: int, more: bytes) -> None:
    whole = frame()
    given_ = whole[:length] + more
    if len(given_) == len(whole):
        return
    with pytest.raises(WireError):
        SmallCodec(SPEC).decode(memoryview(given_))


@pytest.mark.parametrize("place", range(4))
def test_numbers_that_cannot_be_are_refused(place: int) -> None:
    changed = bytearray(frame())
    struct.pack_into("<Q", changed, 8 * (1 + place), 2**63)
    with pytest.raises(WireError):
        SmallCodec(SPEC).decode(memoryview(changed))
    empty = bytearray(frame()[: HEADER_BYTES + len(SmallCodec(SPEC).identity)])
    struct.pack_into("<Q", empty, 32, 0)
    with pytest.raises(WireError, match="0 samples"):
        SmallCodec(SPEC).decode(memoryview(empty))


def test_what_is_long_or_text_goes_in_frames_of_its_own() -> None:
    assert SmallCodec(StreamSpec("video", MOST_BYTES, "uint8", 30.0)).most == 0
    assert SmallCodec(StreamSpec("words", 1, "string", 0.0)).most == 0
    assert SmallCodec(StreamSpec("s" * 2000, 1, "float64", 1.0)).most == 0
    assert SmallCodec(StreamSpec("wide", 1, "float64", 1.0)).most == MOST_BYTES // 16


def test_it_is_of_the_version_of_all_other_messages() -> None:
    assert MAGIC + bytes([VERSION]) + b"S" == PREFIX
    with pytest.raises(WireError, match="unknown kind"):
        unpack([frame()])
