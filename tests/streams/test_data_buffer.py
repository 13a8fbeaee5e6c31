"""DataBuffer: what scripts written for PhysioLabXR 1.1.3 do with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.streams.data_buffer import DataBuffer, DataBufferSingleStream


def chunk(name: str, first: int, count: int, channels: int = 2) -> dict[str, Any]:
    stamps = np.arange(first, first + count, dtype=float)
    frames = np.tile(stamps, (channels, 1)).astype(np.float32)
    return {"stream_name": name, "frames": frames, "timestamps": stamps}


def buffered(count: int = 5) -> DataBuffer:
    buffer = DataBuffer({"EEG": 10})
    buffer.update_buffer(chunk("EEG", 0, count))
    return buffer


def test_channels_come_first_and_sizes_hold() -> None:
    buffer = buffered()
    buffer.update_buffers({"EEG": (chunk("EEG", 5, 8)["frames"], chunk("EEG", 5, 8)["timestamps"])})
    buffer.update_buffer(chunk("other", 0, 50))
    assert buffer["EEG"][0].shape == (2, 10)
    assert buffer.get_timestamps("EEG").tolist() == list(range(3, 13))
    assert buffer.get_data("other").shape == (2, 50), "without a size there is no limit"
    buffer.update_buffer_size("other", 5)
    buffer.update_buffer(chunk("other", 50, 1))
    assert buffer.get_stream("other")[1].tolist() == [46, 47, 48, 49, 50]
    assert list(buffer.keys()) == ["EEG", "other"]


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 12))
def test_the_last_samples_are_kept(counts: list[int], size: int) -> None:
    buffer = DataBuffer({"s": size})
    total = 0
    for count in counts:
        buffer.update_buffer(chunk("s", total, count))
        total += count
    if counts:
        assert buffer.get_timestamps("s").tolist() == list(range(total))[-size:]
        np.testing.assert_array_equal(buffer.get_data("s")[1], list(range(total))[-size:])


def test_an_empty_update_does_nothing() -> None:
    buffer = buffered()
    buffer.update_buffer({})
    assert buffer.get_data("EEG").shape == (2, 5)


def test_a_kept_pair_is_the_live_one() -> None:
    buffer = buffered()
    pair = buffer["EEG"]
    buffer.update_buffer(chunk("EEG", 5, 1))
    assert pair[0].shape == (2, 6)


def test_writing_into_it_stays() -> None:
    buffer = buffered()
    buffer["EEG"][0][0, 0] = 99
    buffer.update_buffer(chunk("EEG", 5, 1))
    assert buffer["EEG"][0][0, 0] == 99


def test_another_channel_count_starts_anew_with_a_warning() -> None:
    buffer = buffered()
    with pytest.warns(UserWarning, match="3 channels instead of 2"):
        buffer.update_buffer(chunk("EEG", 9, 2, channels=3))
    assert buffer.get_data("EEG").shape == (3, 2)


def test_clearing() -> None:
    buffer = buffered()
    buffer.clear_stream_buffer_data("EEG")
    assert buffer.get_data("EEG").shape == (2, 0)
    assert buffer.get_data("EEG").dtype == np.float32, "the original's becomes float64"
    buffer.update_buffer(chunk("EEG", 0, 5))
    buffer.clear_stream_up_to("EEG", 1.5)
    assert buffer.get_timestamps("EEG").tolist() == [2, 3, 4]
    buffer.clear_stream_up_to_index("EEG", 1)
    assert buffer.get_timestamps("EEG").tolist() == [3, 4]
    buffer.clear_up_to(3)
    assert buffer.get_timestamps("EEG").tolist() == [4]
    buffer.clear_up_to(4, ignores=["EEG"])
    assert buffer.get_timestamps("EEG").tolist() == [4]
    buffer.clear_buffer_data()
    assert "EEG" in buffer
    buffer.clear_stream_buffer("EEG")
    assert "EEG" not in buffer
    buffer.update_buffer(chunk("EEG", 0, 5))
    buffer.clear_buffer()
    assert list(buffer.items()) == []


def test_unknown_names_warn_pass_or_raise_as_in_the_original() -> None:
    buffer = buffered()
    for warns in (buffer.clear_stream_buffer, buffer.clear_stream_buffer_data):
        with pytest.warns(UserWarning, match="'x': no such stream"):
            warns("x")
    buffer.clear_stream_up_to("x", 1)
    buffer.clear_stream_up_to_index("x", 1)
    for raises in (buffer.get_data, buffer.get_timestamps, buffer.get_stream, buffer.__getitem__):
        with pytest.raises(KeyError):
            raises("x")
    with pytest.warns(UserWarning, match="nothing is cleared"):
        buffer.clear_up_to(-1)


def test_ranges() -> None:
    buffer = buffered()
    data, stamps = buffer.get_stream_in_time_range("EEG", 1, 3)
    assert stamps.tolist() == [1, 2, 3]
    assert data.shape == (2, 3)
    data, stamps = buffer.get_stream_in_index_range("EEG", 1, 3)
    assert stamps.tolist() == [1, 2]
    assert data.shape == (2, 2)
    with pytest.raises(ValueError, match="negative"):
        buffer.get_stream_in_index_range("EEG", -1, 2)
    with pytest.raises(ValueError, match="greater than its end"):
        buffer.get_stream_in_index_range("EEG", 3, 2)
    with pytest.raises(ValueError, match="later than its end"):
        buffer.get_stream_in_time_range("EEG", 3, 2)


def test_frames_and_timestamps_must_agree() -> None:
    with pytest.raises(ValueError, match="'EEG': 2 samples with 3 timestamps"):
        DataBuffer().update_buffer({"stream_name": "EEG", "frames": np.zeros((1, 2)), "timestamps": np.zeros(3)})


@pytest.mark.parametrize("channels", [2, None])
def test_a_single_stream_is_pushed_through_from_the_end(channels: int | None) -> None:
    buffer = DataBufferSingleStream(channels, 4)
    assert not buffer.has_data()
    buffer.update_buffer(chunk("", 1, 3))
    assert buffer.buffer[0].tolist() == [[0, 1, 2, 3], [0, 1, 2, 3]]
    buffer.update_buffer(chunk("", 4, 9))
    assert buffer.buffer[1].tolist() == [9, 10, 11, 12]
    assert buffer.has_data()
    assert buffer.samples_received == 12
    with pytest.raises(ValueError, match="expected 2 channels, got 3"):
        buffer.update_buffer(chunk("", 0, 1, channels=3))
    buffer.reset_buffer()
    assert not buffer.has_data()
    assert buffer.buffer[0].tolist() == [[0, 0, 0, 0]] * 2
