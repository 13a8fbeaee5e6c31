"""The wire format: what is encoded comes back, and nothing else does any harm."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.errors import WireError
from rena_graph.graph.document import DTYPES
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport import wire
from rena_graph.transport.interface import ChunkInfo

SPECS = [StreamSpec("s", channels, dtype, 100.0) for dtype in DTYPES for channels in (1, 3)]
PREFIX = wire.MAGIC + bytes([wire.VERSION])


def _as_sent(frames: list[Any]) -> list[bytes]:
    return [bytes(memoryview(frame).cast("B")) for frame in frames]


@st.composite
def chunks(draw: st.DrawFn) -> tuple[StreamSpec, wire.Chunk]:
    spec = draw(st.sampled_from(SPECS))
    count = draw(st.integers(1, 20))
    if spec.is_string:
        data = np.empty((count, spec.channels), object)
        data.ravel()[:] = draw(st.lists(st.text(st.characters()), min_size=data.size, max_size=data.size))
    else:
        raw = draw(st.binary(min_size=count * spec.sample_bytes, max_size=count * spec.sample_bytes))
        data = np.frombuffer(raw, np.uint8).reshape(count, -1)
        data = data % 2 == 1 if spec.dtype == "bool" else data.view(spec.dtype)
    numbers = st.integers(0, 2**62 - 1)
    info = ChunkInfo(draw(numbers), count, draw(st.floats()), draw(st.floats()), draw(numbers))
    times = np.array(draw(st.lists(st.floats(), min_size=count, max_size=count)))
    return spec, wire.Chunk(info, data, times)


@given(chunks())
def test_chunks_come_back(made: tuple[StreamSpec, wire.Chunk]) -> None:
    spec, chunk = made
    codec = wire.Codec(spec)
    got = codec.decode(_as_sent(codec.encode(chunk.info, chunk.data, chunk.timestamps)))
    assert isinstance(got, wire.Chunk)
    assert repr(got.info) == repr(chunk.info)
    assert got.timestamps.tobytes() == chunk.timestamps.tobytes()
    assert got.data.dtype == spec.numpy_dtype
    if spec.is_string:
        assert got.data.tolist() == chunk.data.tolist()
    else:
        assert got.data.tobytes() == chunk.data.tobytes()


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**62 - 1), st.integers(0, 2**62 - 1))
def test_hello_and_end_come_back(token: bytes, epoch: int, sequence: int) -> None:
    codec = wire.Codec(SPECS[0])
    assert codec.decode(wire.hello(token, epoch, sequence)) == wire.Hello(token, epoch, sequence)
    assert codec.decode(wire.end(epoch, sequence)) == wire.End(epoch, sequence)
    assert wire.hello(token, epoch, sequence)[0].startswith(wire.hello_topic(token))


def _decodes_or_refuses(codec: wire.Codec, frames: list[bytes]) -> None:
    try:
        message = codec.decode(frames)
    except WireError:
        return
    if isinstance(message, wire.Chunk):
        assert message.data.shape == (message.info.count, codec.spec.channels)
        assert message.timestamps.shape == (message.info.count,)
        assert message.data.dtype == codec.spec.numpy_dtype


@given(st.sampled_from(SPECS), st.lists(st.binary(max_size=60), max_size=10))
def test_random_bytes_raise_nothing_but_wire_errors(spec: StreamSpec, frames: list[bytes]) -> None:
    _decodes_or_refuses(wire.Codec(spec), frames)


@given(
    st.sampled_from(SPECS),
    st.sampled_from([b"D", b"E", b"H", b"H" + bytes(16), b"X"]),
    st.binary(max_size=60),
    st.lists(st.binary(max_size=60), max_size=3),
)
def test_random_bytes_behind_a_right_beginning(spec: StreamSpec, kind: bytes, body: bytes, more: list[bytes]) -> None:
    _decodes_or_refuses(wire.Codec(spec), [PREFIX + kind + body, *more])


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(st.sampled_from(SPECS), st.lists(anything, max_size=8), anything, st.binary(max_size=24))
def test_well_formed_msgpack_of_the_wrong_things(spec: StreamSpec, facts: list[Any], body: Any, times: bytes) -> None:
    _decodes_or_refuses(wire.Codec(spec), [PREFIX + b"D" + msgpack.packb(facts), times, msgpack.packb(body)])


@given(chunks(), st.data())
def test_damaged_chunks(made: tuple[StreamSpec, wire.Chunk], data: st.DataObject) -> None:
    spec, chunk = made
    codec = wire.Codec(spec)
    frames = _as_sent(codec.encode(chunk.info, chunk.data, chunk.timestamps))
    which = data.draw(st.integers(0, 2))
    frame = bytearray(frames[which])
    place = data.draw(st.integers(0, len(frame) - 1))
    frame[place] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(place, len(frame)))
    _decodes_or_refuses(codec, [*frames[:which], bytes(frame[:cut]), *frames[which + 1 :]])


GOOD = ["float32", 2, 3, 0, 0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (0, "float64", "2 x 'float64', expected 2 x float32"),
        (0, 7, "2 x 7"),
        (1, 3, "3 x 'float32', expected 2 x float32"),
        (1, 2.0, "2.0 x 'float32'"),
        (2, -1, "count -1"),
        (2, 0, "24 bytes of timestamps for 0 samples"),
        (2, 2**40, "expected 8 for each"),
        (2, True, "count True"),
        (3, -5, "first -5"),
        (3, 2**63, "first 9223372036854775808"),
        (4, 1.5, "epoch 1.5"),
        (5, 1, "times 1 and 2.0"),
        (6, None, "times 1.0 and None"),
    ],
)
def test_each_fact_is_checked(place: int, value: object, says: str) -> None:
    codec = wire.Codec(StreamSpec("s", 2, "float32"))
    facts: list[Any] = list(GOOD)
    rest = [bytes(24), bytes(24)]
    assert isinstance(codec.decode([PREFIX + b"D" + msgpack.packb(facts), *rest]), wire.Chunk)
    facts[place] = value
    with pytest.raises(WireError) as caught:
        codec.decode([PREFIX + b"D" + msgpack.packb(facts), *rest])
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([], "without frames"),
        ([b""], "begins b''"),
        ([b"RGW"], "begins b'RGW'"),
        ([b"RGX\x01D"], "begins"),
        ([b"RGW\x02D"], "version 2, this side speaks 1"),
        ([PREFIX + b"Q"], "unknown kind b'Q'"),
        ([PREFIX + b"E", b""], "2 frames"),
        ([PREFIX + b"E" + msgpack.packb([1])], "1 numbers"),
        ([PREFIX + b"E" + msgpack.packb(3)], "a int where an array"),
        ([PREFIX + b"D" + msgpack.packb(GOOD), bytes(24)], "7 facts and 2 frames"),
        ([PREFIX + b"D" + msgpack.packb(GOOD), bytes(24), bytes(23)], "23 bytes of samples, expected 24"),
        ([PREFIX + b"D" + msgpack.packb(GOOD), bytes(23), bytes(24)], "23 bytes of timestamps"),
        ([PREFIX + b"D" + b"\xdd\xff\xff\xff\xff"], "not msgpack of ours"),
        ([PREFIX + b"D" + b"\x91" * 5000], "not msgpack of ours"),
    ],
)
def test_other_messages_are_named(frames: list[bytes], says: str) -> None:
    with pytest.raises(WireError) as caught:
        wire.Codec(StreamSpec("s", 2, "float32")).decode(frames)
    assert says in str(caught.value)


def test_bytes_that_are_no_bool_become_one() -> None:
    codec = wire.Codec(StreamSpec("s", 4, "bool"))
    frames = [PREFIX + b"D" + msgpack.packb(["bool", 4, 1, 0, 0, 1.0, 1.0]), bytes(8), b"\x00\x01\x02\xff"]
    got = codec.decode(frames)
    assert isinstance(got, wire.Chunk)
    assert got.data.tolist() == [[False, True, True, True]]


def test_text_of_another_count_or_type_is_refused() -> None:
    codec = wire.Codec(StreamSpec("s", 1, "string"))
    head = PREFIX + b"D" + msgpack.packb(["string", 1, 2, 0, 0, 1.0, 1.0])
    for body in (["a"], ["a", "b", "c"], ["a", 1], ["a", b"b"]):
        with pytest.raises(WireError):
            codec.decode([head, bytes(16), msgpack.packb(body)])
