"""InputBuffer against a model of plain lists, under random operations, and what a model cannot show."""

from __future__ import annotations

import copy
import gc
import logging
import weakref
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray

from rena_graph import kernel
from rena_graph.errors import EnvironmentRefused
from rena_graph.streams import buffer as buffer_module
from rena_graph.streams.buffer import InputBuffer, legacy_dtype
from rena_graph.streams.fast_window import FastWindow
from rena_graph.streams.spec import StreamSpec

CHANNELS = 2


@dataclass
class Row:
    values: list[float]
    stamp: float
    seen: bool = False


@dataclass
class Model:
    """What an InputBuffer does, as slowly and plainly as can be."""

    window: int
    duration: float | None
    rows: list[Row] = field(default_factory=list)
    before: list[Row] | None = None

    def append(self, rows: list[Row]) -> int:
        self.before = copy.deepcopy(self.rows)
        self.rows += rows
        lost = 0
        while len(self.rows) > self.window or self._outdated():
            lost += not self.rows.pop(0).seen
        return lost

    def _outdated(self) -> bool:
        return self.duration is not None and abs(self.rows[0].stamp - self.rows[-1].stamp) > self.duration


class BufferMachine(RuleBasedStateMachine):
    """Appends, takes back, marks, clears, writes and replaces at random; keeps views and looks at them again."""

    kind: ClassVar[type[InputBuffer]] = InputBuffer

    @initialize(window=st.integers(1, 12), duration=st.none() | st.floats(0.5, 20), large=st.booleans())
    def start(self, window: int, duration: float | None, large: bool) -> None:
        self.patch = pytest.MonkeyPatch()
        if large:  # so that the spare rows are few and arrays are replaced often
            self.patch.setattr(buffer_module, "_LARGE", 0)
        if duration is not None:
            self.patch.setattr(buffer_module, "_FIRST_ROWS", 2)
        rate = 0.0 if duration is not None else 100.0
        self.buffer = self.kind(StreamSpec("s", CHANNELS, "float32", rate), window, duration=duration)
        self.model = Model(window, duration)
        self.kept: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self.clock = 0.0
        self.value = 0.0
        self.appended = 0

    def teardown(self) -> None:
        self.patch.undo()

    def rows(self, steps: list[float]) -> tuple[NDArray[Any], NDArray[np.float64], list[Row]]:
        rows = []
        for step in steps:
            self.clock += step
            self.value += 1
            rows.append(Row([self.value, -self.value], self.clock))
        data = np.array([row.values for row in rows], np.float32).reshape(-1, CHANNELS)
        return data, np.array([row.stamp for row in rows]), rows

    @rule(steps=st.lists(st.floats(-3, 6), max_size=30))
    def append(self, steps: list[float]) -> None:
        data, stamps, rows = self.rows(steps)
        lost = self.buffer.append(data, stamps)
        data[:], stamps[:] = -7, -7  # the transport's memory is written over
        if rows:
            assert lost == self.model.append(rows)
            self.appended = len(rows)
        else:
            assert lost == 0

    @precondition(lambda self: self.model.before is not None)
    @rule(named=st.booleans())
    def retract(self, named: bool) -> None:
        assert self.model.before is not None
        self.buffer.retract(self.appended if named else None)
        self.model.rows, self.model.before = self.model.before, None
        # What was taken back may be written over: it had not been shown to anybody.
        self.kept.clear()

    @precondition(lambda self: self.model.before is None)
    @rule()
    def nothing_to_retract(self) -> None:
        with pytest.raises(ValueError, match="take back"):
            self.buffer.retract()

    @rule()
    def mark(self) -> None:
        self.buffer.mark()
        self.model.before = None
        for row in self.model.rows:
            row.seen = True

    @rule(count=st.integers(0, 30))
    def make_room(self, count: int) -> None:
        self.buffer.make_room(count)

    @rule()
    def keep_view(self) -> None:
        self.kept += [(view, view.copy()) for view in (self.buffer.data, self.buffer.timestamps)]

    @precondition(lambda self: self.model.rows)
    @rule(index=st.integers(0, 11), value=st.floats(-99, 99, width=32))
    def write(self, index: int, value: float) -> None:
        index %= len(self.model.rows)
        self.buffer.data[index, 1] = value
        self.model.rows[index].values[1] = value
        self.model.before = None  # whether a write is undone with the append is nobody's concern
        self.buffer.mark()
        for row in self.model.rows:
            row.seen = True
        self.kept = [pair for pair in self.kept if not np.shares_memory(pair[0], self.buffer.data)]

    @rule()
    def clear_data(self) -> None:
        self.buffer.clear_data()
        self.model.rows, self.model.before = [], None

    @rule(back=st.floats(-2, 30))
    def clear_up_to(self, back: float) -> None:
        timestamp = self.clock - back
        last = max((i for i, row in enumerate(self.model.rows) if row.stamp <= timestamp), default=-1)
        self.buffer.clear_up_to(timestamp)
        if last >= 0:
            self.model.rows, self.model.before = self.model.rows[last + 1 :], None

    @rule(index=st.integers(-15, 15))
    def clear_up_to_index(self, index: int) -> None:
        self.buffer.clear_up_to_index(index)
        self.model.rows, self.model.before = self.model.rows[index:], None

    @rule(steps=st.lists(st.just(0.25), max_size=20))
    def replace(self, steps: list[float]) -> None:
        data, stamps, rows = self.rows(steps)
        for row in rows:
            row.seen = True
        arrived = [row for row in self.model.rows if not row.seen]
        self.buffer.replace(data, stamps)
        self.model.rows, self.model.before = (rows + arrived)[-self.model.window :], None

    @invariant()
    def same(self) -> None:
        rows = self.model.rows
        expected = np.array([row.values for row in rows], np.float32).reshape(-1, CHANNELS)
        np.testing.assert_array_equal(self.buffer.data, expected)
        np.testing.assert_array_equal(self.buffer.timestamps, [row.stamp for row in rows])
        assert len(self.buffer) == len(rows)
        new = [row for row in rows if not row.seen]
        assert self.buffer.new_count == len(new)
        np.testing.assert_array_equal(self.buffer.new[1], [row.stamp for row in new])
        assert self.buffer.data.dtype == np.float32
        for view, content in self.kept:
            np.testing.assert_array_equal(view, content)


BufferMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestBuffer = BufferMachine.TestCase


class FastMachine(BufferMachine):
    """The same with the window that the compiled kernel fills, where there is one."""

    kind: ClassVar[type[InputBuffer]] = FastWindow


FastMachine.TestCase.settings = BufferMachine.TestCase.settings
TestFastWindow = pytest.mark.skipif(kernel.core is None, reason=f"needs a C compiler: {kernel.missing}")(
    FastMachine.TestCase
)


def filled(spec: StreamSpec, window: int, samples: int, **options: Any) -> InputBuffer:
    buffer = InputBuffer(spec, window, **options)
    data = np.arange(samples * spec.channels).reshape(samples, spec.channels).astype(spec.numpy_dtype)
    buffer.append(data, np.arange(samples, dtype=float))
    return buffer


def test_arrays_are_used_again_once_nobody_sees_them() -> None:
    buffer = filled(StreamSpec("s", 3, "int16", 100), 4, 4)
    owners = {id(buffer.data.base)}
    for stamp in range(100):
        buffer.append(np.zeros((1, 3), np.int16), np.array([float(stamp)]))
        owners.add(id(buffer.data.base))
    assert len(owners) == 2


def test_an_array_that_a_script_holds_is_never_used_again() -> None:
    buffer = filled(StreamSpec("s", 3, "int16", 100), 4, 4)
    held = [buffer.data[1:, ::2].T, buffer.data.data, buffer.timestamps]
    before = [np.array(view) for view in held]
    for stamp in range(100):
        buffer.append(np.full((1, 3), 77, np.int16), np.array([1000.0 + stamp]))
    for view, content in zip(held, before, strict=True):
        np.testing.assert_array_equal(np.asarray(view), content)


def test_memory_of_arrays_held_is_given_back() -> None:
    buffer = filled(StreamSpec("s", 1, "float64", 100), 4, 4)
    held = [buffer.data]
    for stamp in range(50):
        buffer.append(np.ones((1, 1)), np.array([float(stamp)]))
        held.append(buffer.data)
    arrays = {id(view.base): weakref.ref(view.base) for view in held if view.base is not None}
    assert len(arrays) > 2
    del held
    gc.collect()
    assert sum(array() is not None for array in arrays.values()) <= 2


@pytest.mark.parametrize("kind", [InputBuffer, FastWindow])
def test_where_room_was_made_the_next_samples_move_nothing(kind: type[InputBuffer]) -> None:
    buffer = kind(StreamSpec("s", 3, "float64", 100), 8)
    moved_by_append = moved_ahead = 0
    for stamp in range(100):
        before = buffer.data.base
        buffer.make_room(2)
        ahead = buffer.data.base
        buffer.append(np.full((2, 3), float(stamp)), np.array([stamp, stamp + 0.5]))
        buffer.mark()
        moved_ahead += ahead is not before
        moved_by_append += buffer.data.base is not ahead
        np.testing.assert_array_equal(buffer.data[-2:], np.full((2, 3), float(stamp)))
    assert moved_by_append == 0
    assert 20 <= moved_ahead <= 27, "200 samples, 8 spare rows"


def test_no_room_is_made_for_more_than_there_can_be() -> None:
    buffer = filled(StreamSpec("s", 3, "int16", 100), 4, 4)
    before, version = buffer.data.base, buffer.version
    buffer.make_room(5)
    irregular = filled(StreamSpec("marker", 1, "float64", 0), 100, 60, duration=1e9)
    of_irregular = irregular.data.base
    irregular.make_room(10)
    assert buffer.data.base is before
    assert buffer.version == version
    assert irregular.data.base is of_irregular


def test_windows_begin_at_different_places_so_that_they_do_not_all_move_at_once() -> None:
    def samples_until_it_moves() -> int:
        buffer = InputBuffer(StreamSpec("s", 1, "float32", 100), 50)
        first = buffer.data.base
        for stamp in range(101):
            buffer.append(np.zeros((1, 1), np.float32), np.array([float(stamp)]))
            if buffer.data.base is not first:
                return stamp
        raise AssertionError("it never moved")

    found = {samples_until_it_moves() for _ in range(30)}
    assert len(found) > 5
    assert all(50 <= samples <= 100 for samples in found)


def test_a_large_window_has_few_spare_rows() -> None:
    spec = StreamSpec("video", 1_000_000, "uint8", 30)
    buffer = InputBuffer(spec, 80)
    assert buffer.data.base is not None
    assert len(buffer.data.base) == 100


def test_an_irregular_stream_takes_memory_for_what_came_only() -> None:
    buffer = filled(StreamSpec("marker", 1000, "float64", 0), 100_000, 10, duration=1e9)
    assert buffer.data.base is not None
    assert buffer.data.base.nbytes < 2_000_000
    assert len(buffer) == 10


def test_columns_are_picked_in_the_order_asked_for() -> None:
    spec = StreamSpec("s", 4, "int32", 100)
    buffer = InputBuffer(spec, 5, pick=[3, 1])
    buffer.append(np.array([[0, 1, 2, 3], [4, 5, 6, 7]], np.int32), np.array([0.0, 1.0]))
    np.testing.assert_array_equal(buffer.data, [[3, 1], [7, 5]])


def test_strings_are_held_as_objects() -> None:
    buffer = InputBuffer(StreamSpec("marker", 1, "string", 0), 3, duration=10.0)
    for number in range(9):
        buffer.append(np.array([[f"m{number}"]], object), np.array([float(number)]))
    assert buffer.data.tolist() == [["m6"], ["m7"], ["m8"]]


def test_another_channel_count_starts_the_buffer_anew_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    buffer = filled(StreamSpec("s", 2, "float32", 100), 5, 3)
    with caplog.at_level(logging.WARNING):
        buffer.append(np.ones((2, 3), np.float32), np.array([8.0, 9.0]))
    assert "'s' came with 3 channels instead of 2" in caplog.text
    assert buffer.data.shape == (2, 3)


def test_after_a_wild_timestamp_the_window_finds_itself_again() -> None:
    buffer = InputBuffer(StreamSpec("s", 1, "float32", 0), 100, duration=2.0)
    for stamp in (1.0, 2.0, 200_000.0, 3.0, np.nan, 3.5):
        buffer.append(np.ones((1, 1), np.float32), np.array([stamp]))
    np.testing.assert_array_equal(buffer.timestamps, [3.0, np.nan, 3.5])


def test_data_and_timestamps_must_agree() -> None:
    buffer = InputBuffer(StreamSpec("s", 1, "float32", 10), 4)
    with pytest.raises(ValueError, match="3 samples with 2 timestamps"):
        buffer.append(np.ones((3, 1), np.float32), np.zeros(2))


def test_a_window_that_no_memory_holds_is_refused_with_a_remedy() -> None:
    with pytest.raises(EnvironmentRefused, match=r"'s'.*buffer_duration"):
        InputBuffer(StreamSpec("s", 100_000_000, "float64", 1000), 10**9)


@pytest.mark.parametrize(
    ("declared", "handed"),
    [
        ("float32", "float64"), ("float64", "float64"), ("int8", "int64"), ("uint8", "uint8"),
        ("uint64", "uint64"), ("bool", "bool"), ("object", "object"),
    ],
)  # fmt: skip
def test_legacy_dtypes(declared: str, handed: str) -> None:
    assert legacy_dtype(np.dtype(declared)) == np.dtype(handed)
