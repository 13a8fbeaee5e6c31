"""``DataBuffer`` and ``DataBufferSingleStream`` beside the original's: same operations, same arrays, same errors."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rena_graph.streams.data_buffer import DataBuffer, DataBufferSingleStream
from tests.original.environment import Original

compared = settings(
    max_examples=150,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
"""The server is the session's; each example asks it for a buffer of its own."""

NAMES = ("a", "b", "c")
names = st.sampled_from(NAMES)
Operation = tuple[Any, ...]


class Data:
    """Frames that differ, at times that do not run backwards and may stand still."""

    def __init__(self) -> None:
        self.time, self.count = 100.0, 0

    def update(self, name: str, channels: int, steps: list[float], dtype: str) -> dict[str, Any]:
        stamps = self.time + np.cumsum(np.array(steps))
        self.time = float(stamps[-1]) if len(steps) else self.time
        size = channels * len(steps)
        frames = (np.arange(self.count, self.count + size) % 120).reshape(channels, len(steps)).astype(dtype)
        self.count += size
        return {"stream_name": name, "frames": frames, "timestamps": stamps}


def run(made: Any, operations: list[Operation]) -> list[dict[str, Any]]:
    """What the server does with the original's, done with ours."""
    steps: list[dict[str, Any]] = []
    for name, *arguments in operations:
        result: Any = None
        error = None
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                result = getattr(made, name)(*arguments)
            except Exception as raised:  # noqa: BLE001 - whatever it raises is compared
                error = type(raised).__name__
        state = (
            {key: list(pair) for key, pair in made.buffer.items()}
            if isinstance(made, DataBuffer)
            else list(made.buffer)
        )
        result = list(result) if isinstance(result, list) else result if isinstance(result, np.ndarray) else None
        steps.append({"given": result, "error": error, "warned": len(warned), "state": state})
    return steps


def same(ours: Any, theirs: Any) -> bool:
    """Whether both hold the same values in the same shape."""
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, np.ndarray):
        return ours.shape == theirs.shape and bool(np.array_equal(ours, theirs))
    return bool(ours == theirs)


@st.composite
def buffer_operations(draw: st.DrawFn) -> list[Operation]:
    """A buffer's life: updates, now and then with another number of channels, and every way to read and clear."""
    data = Data()
    dtypes = {name: draw(st.sampled_from(["float32", "float64", "int16", "uint8"])) for name in NAMES}
    made: list[Operation] = []
    for _ in range(draw(st.integers(1, 20))):
        name = draw(names)
        moment = st.floats(99.0, data.time + 2.0) | st.just(data.time)
        kind = draw(st.integers(0, 9))
        if kind <= 3:
            steps = draw(st.lists(st.floats(0, 2), max_size=7))
            channels = draw(st.sampled_from([2, 2, 2, 2, 3]))
            made.append(("update_buffer", data.update(name, channels, steps, dtypes[name])))
        elif kind == 4:
            made.append((draw(st.sampled_from(["clear_buffer", "clear_buffer_data"])),))
        elif kind == 5:
            made.append((draw(st.sampled_from(["clear_stream_buffer", "clear_stream_buffer_data"])), name))
        elif kind == 6:
            made.append(("clear_stream_up_to", name, draw(moment)))
        elif kind == 7:
            made.append(("clear_stream_up_to_index", name, draw(st.integers(-6, 8))))
        elif kind == 8:
            made.append(("clear_up_to", draw(moment), draw(st.lists(names, unique=True, max_size=3))))
        else:
            made.append((draw(st.sampled_from(["get_stream", "get_data", "get_timestamps", "__getitem__"])), name))
    return made


@compared
@given(st.none() | st.dictionaries(names, st.integers(1, 8)), buffer_operations())
def test_data_buffer(original: Original, sizes: dict[str, int] | None, operations: list[Operation]) -> None:
    theirs = original.ask("buffer", kind="DataBuffer", made_with=[sizes], operations=[list(o) for o in operations])
    ours = run(DataBuffer(sizes), operations)
    cleared = False
    for operation, mine, other in zip(operations, ours, theirs, strict=True):
        assert mine["error"] == other["error"], operation
        assert same(mine["state"], other["state"]), (operation, mine["state"], other["state"])
        assert same(mine["given"], other["given"]), operation
        # On purpose: a buffer that starts anew says so here, and the dtype outlives clearing.
        started_anew = operation[0] == "update_buffer" and mine["warned"] > other["warned"]
        assert started_anew or mine["warned"] == other["warned"], operation
        cleared = cleared or "clear" in operation[0]
        if not cleared:
            assert dtypes(mine["state"]) == dtypes(other["state"]), operation


def dtypes(state: dict[str, list[NDArray[Any]]]) -> dict[str, list[np.dtype[Any]]]:
    return {name: [array.dtype for array in pair] for name, pair in state.items()}


@st.composite
def single_operations(draw: st.DrawFn) -> list[Operation]:
    data = Data()
    pieces = draw(st.lists(st.lists(st.floats(0, 2), min_size=1, max_size=9), min_size=1, max_size=8))
    return [
        ("update_buffer", data.update("s", draw(st.sampled_from([2, 2, 2, 3])), piece, "float64")) for piece in pieces
    ]


@compared
@given(st.none() | st.just(2), st.integers(1, 12), single_operations())
def test_data_buffer_of_a_single_stream(
    original: Original, channels: int | None, size: int, operations: list[Operation]
) -> None:
    made_with = [channels, size]
    theirs = original.ask(
        "buffer", kind="DataBufferSingleStream", made_with=made_with, operations=[list(o) for o in operations]
    )
    ours = run(DataBufferSingleStream(channels, size), operations)
    for operation, mine, other in zip(operations, ours, theirs, strict=True):
        # The original compares with None where it was not told the number of channels, and so refuses all data.
        if channels is None:
            assert other["error"] == "ChannelMismatchError"
            continue
        assert (mine["error"] is None) == (other["error"] is None), operation
        assert same(mine["state"], other["state"]), operation
