"""The functions that scripts take from the original's helper modules."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from rena_graph.compat import buffers, data_utils, rpc
from rena_graph.streams.data_buffer import DataBuffer


def test_window_slice() -> None:
    data = np.arange(10).reshape(10, 1)
    assert data_utils.window_slice(data, 3, 2)[..., 0].tolist() == [[0, 1, 2], [2, 3, 4], [4, 5, 6], [6, 7, 8]]
    assert data_utils.window_slice(data, 10, 2).shape == (1, 10, 1)
    assert data_utils.window_slice(data.T, 3, 2, "channel_first").shape == (4, 3, 1)


@pytest.mark.parametrize(("window", "stride", "mode"), [(11, 1, "channel_last"), (3, 0, "channel_last"), (3, 1, "x")])
def test_window_slice_refuses(window: int, stride: int, mode: Any) -> None:
    with pytest.raises(ValueError):
        data_utils.window_slice(np.zeros((10, 1)), window, stride, mode)


def test_integer_one_hot() -> None:
    assert data_utils.integer_one_hot([0, 2, 1], 3).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_interp_negative() -> None:
    values = np.array([1.0, -1, -1, 4, 5, -2])
    assert data_utils.interp_negative(values).tolist() == [1, 2, 3, 4, 5, 5]
    assert values[1] == -1, "the argument is left"
    assert data_utils.interp_negative(np.array([-1.0])).tolist() == [-1]


def test_reject_outliers() -> None:
    assert data_utils.reject_outliers(np.array([1.0, 2, 3, 4, 100])).tolist() == [2, 3, 4]
    assert data_utils.reject_outliers(np.array([1.0, 1, 1, 5])).tolist() == [1, 1, 1, 5]


def test_mode_by_column() -> None:
    array = np.array([[1, 0, 7], [1, 0, 7], [2, 0, 8], [2, 0, 8]])
    assert data_utils.mode_by_column(array, ignore=0) == [1, 0, 7]


def test_signal_generator() -> None:
    wave = data_utils.signal_generator(f=10, fs=100, duration=0.1, amp=2)
    assert wave.dtype == np.float32
    np.testing.assert_allclose(wave, 2 * np.sin(2 * np.pi * np.arange(10) / 10), atol=1e-6)


def test_date_string() -> None:
    assert re.fullmatch(r"\d\d_\d\d_\d{4}_\d\d_\d\d_\d\d", data_utils.get_date_string())


def test_is_homogeneous_type() -> None:
    assert data_utils.is_homogeneous_type([1, 2]) is int
    assert data_utils.is_homogeneous_type([1, 2.0]) is False


def test_snake_case() -> None:
    assert data_utils.camel_to_snake_case("StreamNameXy") == "stream_name_xy"
    assert data_utils.convert_dict_keys_to_snake_case({"NumChannels": 3}) == {"num_channels": 3}


def test_buffer_helpers() -> None:
    assert buffers.flatten([[1], [2, 3]]) == [1, 2, 3]
    assert buffers.get_fps([0.0, 0.5, 1.0]) == 3
    assert buffers.get_fps([1.0]) == buffers.get_fps([]) == 0
    held = DataBuffer()
    held.update_buffer({"stream_name": "a", "frames": np.zeros((1, 3)), "timestamps": np.array([1.0, 2, 2])})
    buffers.check_buffer_timestamps_monotonic(held)
    held.update_buffer({"stream_name": "a", "frames": np.zeros((1, 1)), "timestamps": np.array([1.0])})
    with pytest.raises(ValueError, match="'a' run backwards"):
        buffers.check_buffer_timestamps_monotonic(held)


def test_rpc_marks_methods_and_changes_nothing() -> None:
    class Script:
        @rpc.rpc
        def Train(self, epochs: int) -> int:
            return epochs

        @rpc.async_rpc
        def Reset(self) -> None:
            pass

        def loop(self) -> None:
            pass

    assert Script().Train(3) == 3
    assert rpc.rpc_methods(Script) == {"Reset": "async_rpc", "Train": "rpc"}
    with pytest.raises(TypeError, match="@rpc stands before a method"):
        rpc.rpc("Train")  # type: ignore[type-var]
