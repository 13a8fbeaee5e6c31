"""The helper functions that scripts import, beside the original's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rena_graph.compat import buffers, data_utils
from tests.original.environment import Original

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("window_slice", [np.arange(20).reshape(10, 2), 3, 2]),
        ("window_slice", [np.arange(20).reshape(10, 2), 10, 1]),
        ("window_slice", [np.arange(20).reshape(2, 10), 4, 3, "channel_first"]),
        ("window_slice", [np.arange(20).reshape(10, 2), 11, 1]),
        ("integer_one_hot", [np.array([0, 2, 1]), 3]),
        ("interp_negative", [np.array([1.0, -1, -1, 4, 5, -2])]),
        ("interp_negative", [RNG.normal(1, 1, 50)]),
        ("is_homogeneous_type", [[1, 2.0]]),
        ("signal_generator", [10, 100, 0.1, 2]),
        ("signal_generator", [3.3, 250, 1, 0.5]),
        ("camel_to_snake_case", ["PresetStreamNames"]),
        ("convert_dict_keys_to_snake_case", [{"StreamName": 1, "ABc": 2}]),
    ],
)
def test_data_utils(name: str, arguments: list[Any], original: Original) -> None:
    theirs = original.ask("helper", module="data_utils", name=name, arguments=arguments)
    if theirs["error"] is not None:
        with pytest.raises(ValueError):
            getattr(data_utils, name)(*arguments)
        return
    ours = getattr(data_utils, name)(*arguments)
    np.testing.assert_equal(ours, theirs["given"])
    if isinstance(ours, np.ndarray):
        assert ours.dtype == theirs["given"].dtype


@pytest.mark.parametrize("queue", [[0.0, 0.5, 1.0], [1.0], [2.0, 2.0]])
def test_frames_per_second(queue: list[float], original: Original) -> None:
    theirs = original.ask("helper", module="buffers", name="get_fps", arguments=[queue])
    assert buffers.get_fps(queue) == theirs["given"]


def test_flatten(original: Original) -> None:
    theirs = original.ask("helper", module="buffers", name="flatten", arguments=[[[1, 2], [], [3]]])
    assert buffers.flatten([[1, 2], [], [3]]) == theirs["given"]
