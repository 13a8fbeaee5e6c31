"""PhysioLabXR's messages: round trips, and whatever else may come."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rena_graph.bridges.zmq_wire import Foreign, Malformed, Message, SampleCodec
from rena_graph.errors import StreamFormatError
from rena_graph.streams.spec import StreamSpec

DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "bool"]
CODEC = SampleCodec(StreamSpec("EEG", 3, "float32"), "EEG")
SAMPLE = np.array([1, 2, 3], "<f4").tobytes()


@given(st.data(), st.sampled_from(DTYPES), st.integers(1, 5), st.floats(allow_nan=False))
def test_what_is_sent_is_what_is_read(data: st.DataObject, dtype: str, channels: int, stamp: float) -> None:
    codec = SampleCodec(StreamSpec("S", channels, dtype), "S")
    sample = data.draw(hnp.arrays(dtype, channels))
    before, parts = codec.encode(np.stack([np.zeros_like(sample), sample]), [0.0, stamp])
    message = codec.decode([bytes(part) for part in parts])
    assert isinstance(message, Message)
    assert message.timestamp == stamp
    assert bytes(before[2]) == bytes(sample.nbytes)
    back = codec.join([message.payload, message.payload])
    assert back.dtype == sample.dtype
    np.testing.assert_array_equal(back, [sample, sample])


def test_the_bytes_are_those_of_the_original() -> None:
    ((topic, stamp, sample),) = CODEC.encode(np.array([[1, 2, 3]], np.float32), [1.5])
    assert [topic, stamp, bytes(sample)] == [b"EEG", struct.pack("<d", 1.5), struct.pack("<3f", 1, 2, 3)]


def test_three_parts_two_parts_and_a_short_timestamp() -> None:
    assert CODEC.decode([b"EEG", struct.pack("<d", 2.5), SAMPLE]) == Message(2.5, SAMPLE)
    assert CODEC.decode([b"EEG", struct.pack("<f", 2.5), SAMPLE]) == Message(2.5, SAMPLE)
    assert CODEC.decode([b"EEG", SAMPLE]) == Message(None, SAMPLE)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "no parts"),
        ([b"EEG"], "1 parts"),
        ([b"EEG", b"", b"", b""], "4 parts"),
        ([b"EEG", b"12345678", SAMPLE[:-1]], r"11 bytes of samples, needed are 12 \(3 x float32\)"),
        ([b"EEG", b"12345678", SAMPLE * 2], "24 bytes"),
        ([b"EEG", b"", SAMPLE], "a timestamp of 0 bytes"),
        ([b"EEG", b"123456789", SAMPLE], "a timestamp of 9 bytes"),
        ([b"EEG", b""], "0 bytes of samples"),
    ],
)
def test_malformed_messages_say_what_is_wrong(parts: list[bytes], reason: str) -> None:
    import re

    found = CODEC.decode(parts)
    assert isinstance(found, Malformed)
    assert re.search(reason, found.reason)


def test_a_topic_that_begins_like_ours_is_not_ours() -> None:
    assert isinstance(CODEC.decode([b"EEG2", struct.pack("<d", 1.0), SAMPLE]), Foreign)
    assert isinstance(CODEC.decode([b"eeg", struct.pack("<d", 1.0), SAMPLE]), Foreign)


@given(st.lists(st.one_of(st.binary(max_size=40), st.just(b"EEG"), st.just(SAMPLE)), max_size=10))
def test_anything_may_come(parts: list[bytes]) -> None:
    found: Any = CODEC.decode(parts)
    if isinstance(found, Message):
        assert CODEC.join([found.payload]).shape == (1, 3)
    else:
        assert isinstance(found, Malformed | Foreign)


def test_text_has_no_such_format() -> None:
    with pytest.raises(StreamFormatError, match="numbers only"):
        SampleCodec(StreamSpec("S", 1, "string"), "S")


def test_a_byte_that_is_no_bool_is_true() -> None:
    codec = SampleCodec(StreamSpec("S", 3, "bool"), "S")
    assert codec.join([b"\x00\x01\xff"]).tolist() == [[False, True, True]]
