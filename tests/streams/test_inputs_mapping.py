"""Inputs against a model, under random operations, in both layouts; and what the script may do to it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from numpy.typing import NDArray

from rena_graph.streams.buffer import InputBuffer
from rena_graph.streams.fast_window import FastPort, FastWindow
from rena_graph.streams.inputs import InputPort, Inputs, Layout
from rena_graph.streams.shown import ShownWindow
from rena_graph.streams.spec import StreamSpec

NAMES = ("a", "b")
WINDOW = 6


class InputsMachine(RuleBasedStateMachine):
    """The model of a stream is a list of stamps; channel 0 of the data is the stamp, channel 1 its negative."""

    @initialize(layout=st.sampled_from(["samples_first", "channels_first"]))
    def start(self, layout: Layout) -> None:
        self.layout = layout
        spec = StreamSpec("s", 2, "float64", 10)
        self.inputs = Inputs([InputPort(name, InputBuffer(spec, WINDOW), layout) for name in NAMES])
        self.shown: dict[str, list[float]] = {}
        self.arrived: dict[str, list[float]] = {name: [] for name in NAMES}
        self.new: dict[str, list[float]] = {name: [] for name in NAMES}
        self.clock = 0.0

    def data(self, stamps: list[float]) -> NDArray[np.float64]:
        data = np.array([stamps, [-s for s in stamps]]).reshape(2, -1)
        return data if self.layout == "channels_first" else data.T

    @rule(name=st.sampled_from(NAMES), count=st.integers(0, 9))
    def arrive(self, name: str, count: int) -> None:
        stamps = [self.clock + i for i in range(1, count + 1)]
        self.clock += count
        self.arrived[name] += stamps
        self.inputs.port(name).buffer.append(np.array([stamps, [-s for s in stamps]]).T, np.array(stamps))  # type: ignore[union-attr]

    @rule()
    def begin_loop(self) -> None:
        self.inputs.begin_loop()
        for name, stamps in self.arrived.items():
            if stamps or name in self.shown:
                self.shown[name] = (self.shown.get(name, []) + stamps)[-WINDOW:]
            self.new[name] = stamps[-WINDOW:]
        self.arrived = {name: [] for name in NAMES}

    @rule(name=st.sampled_from(NAMES), views=st.booleans())
    def look_ahead(self, name: str, views: bool) -> None:
        port = self.inputs.port(name)
        (port.prepare if views else port.make_room)()

    # What a script does happens in a loop: right after one began.
    @rule(name=st.sampled_from(NAMES), how=st.sampled_from(["clear", "pop"]))
    def forget_one(self, name: str, how: str) -> None:
        self.begin_loop()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if how == "pop":
                self.inputs.buffer.pop(name, None)
            else:
                self.inputs.clear_stream_buffer(name)
        assert len(caught) == (name not in self.shown and how == "clear")
        self.shown.pop(name, None)

    @rule()
    def forget_all(self) -> None:
        self.begin_loop()
        self.inputs.clear_buffer()
        self.shown = {}

    @rule(name=st.sampled_from(NAMES))
    def empty_one(self, name: str) -> None:
        self.begin_loop()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.inputs.clear_stream_buffer_data(name)
        assert len(caught) == (name not in self.shown)
        if name in self.shown:
            self.shown[name] = []

    @rule()
    def empty_all(self) -> None:
        self.begin_loop()
        self.inputs.clear_buffer_data()
        self.shown = {name: [] for name in self.shown}

    @rule(back=st.integers(-1, 12), ignores=st.lists(st.sampled_from(NAMES), unique=True))
    def cut_all(self, back: int, ignores: list[str]) -> None:
        self.begin_loop()
        after = {
            name: stamps if name in ignores else [s for s in stamps if s > self.clock - back]
            for name, stamps in self.shown.items()
        }
        untouched = [name for name in self.shown if name not in ignores and after[name] == self.shown[name]]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.inputs.clear_up_to(self.clock - back, ignores)
        assert len(caught) == (len(untouched) == len(self.shown))
        self.shown = after

    @rule(name=st.sampled_from(NAMES), back=st.integers(-1, 12))
    def cut_one(self, name: str, back: int) -> None:
        self.begin_loop()
        self.inputs.clear_stream_up_to(name, self.clock - back)
        if name in self.shown:
            self.shown[name] = [s for s in self.shown[name] if s > self.clock - back]

    @rule(name=st.sampled_from(NAMES), index=st.integers(-8, 8))
    def cut_one_by_index(self, name: str, index: int) -> None:
        self.begin_loop()
        self.inputs.clear_stream_up_to_index(name, index)
        if name in self.shown:
            self.shown[name] = self.shown[name][index:]

    @rule(name=st.sampled_from(NAMES), count=st.integers(0, WINDOW))
    def assign(self, name: str, count: int) -> None:
        self.begin_loop()
        if name in self.shown:
            stamps = [self.clock + i / 100 for i in range(count)]
            self.inputs[name][0] = self.data(stamps)
            self.inputs[name][1] = np.array(stamps)
            self.shown[name] = stamps

    @rule(name=st.sampled_from(NAMES))
    def assign_nonsense(self, name: str) -> None:
        self.begin_loop()
        if name in self.shown:
            self.inputs[name][0] = np.zeros((3, 5))
            with pytest.warns(UserWarning, match="assigned to the input"):
                self.inputs.begin_loop()
            self.new = {name: [] for name in NAMES}
            self.shown[name] = []

    @invariant()
    def same(self) -> None:
        assert set(self.inputs) == set(self.inputs.keys()) == set(self.inputs.buffer) == set(self.shown)
        assert len(self.inputs) == len(self.shown)
        for name, stamps in self.shown.items():
            data, timestamps = self.inputs[name]
            np.testing.assert_array_equal(timestamps, stamps)
            np.testing.assert_array_equal(data, self.data(stamps))
            assert self.inputs.get_data(name) is data
            assert self.inputs.get_timestamps(name) is timestamps
            assert self.inputs.get_stream(name) is self.inputs[name]
        for name in NAMES:
            assert (name in self.inputs) == (name in self.shown)
            data, timestamps = self.inputs.new(name)
            np.testing.assert_array_equal(timestamps, self.new[name])
            np.testing.assert_array_equal(data, self.data(self.new[name]))


InputsMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestInputs = InputsMachine.TestCase


def one_input(samples: int = 3, layout: Layout = "samples_first") -> Inputs:
    inputs = Inputs([InputPort("EEG", InputBuffer(StreamSpec("EEG", 2, "float32", 10), 10), layout)])
    feed(inputs, samples)
    inputs.begin_loop()
    return inputs


def feed(inputs: Inputs, samples: int, first: float = 0.0) -> None:
    buffer = inputs.port("EEG").buffer
    assert isinstance(buffer, InputBuffer)
    stamps = first + np.arange(samples, dtype=np.float64)
    buffer.append(np.stack([stamps, -stamps], axis=1).astype(np.float32), stamps)


def test_a_stream_that_nothing_changed_keeps_its_very_arrays() -> None:
    inputs = one_input()
    pair = inputs["EEG"]
    inputs.begin_loop()
    assert inputs["EEG"] is pair
    assert len(inputs.new("EEG")[1]) == 0


def test_arrays_assigned_that_are_too_long_lose_their_oldest_samples() -> None:
    inputs = one_input()
    inputs["EEG"][:] = [np.zeros((20, 2)), np.arange(20.0)]
    assert len(inputs["EEG"][1]) == 20, "this loop sees the script's own"
    feed(inputs, 2, first=20.0)
    inputs.begin_loop()
    assert inputs["EEG"][1].tolist() == list(range(12, 22))
    assert inputs.new("EEG")[1].tolist() == [20, 21]


@pytest.mark.parametrize("kind", [(InputPort, InputBuffer), (FastPort, FastWindow)])
def test_what_a_script_writes_lasts_also_where_the_window_moved_meanwhile(kind: tuple[Any, Any]) -> None:
    port_of, window_of = kind
    port = port_of("EEG", window_of(StreamSpec("EEG", 2, "float32", 10), 10))
    inputs = Inputs([port])
    for second in range(30):
        feed(inputs, 3, first=3.0 * second)
        inputs.begin_loop()
        inputs.new("EEG")
        port.prepare()
        inputs.begin_loop()  # another stream's samples began this one: nothing new here
        inputs["EEG"][0][-1, 1] = 1000.0 + second
    held = [float(value) for value in inputs["EEG"][0][:, 1] if value >= 1000.0]
    assert held == [1026.0, 1027.0, 1028.0, 1029.0]


def test_what_a_loop_kept_is_not_what_the_next_one_gets() -> None:
    inputs = one_input()
    kept = inputs["EEG"]
    feed(inputs, 2, first=3.0)
    inputs.begin_loop()
    assert len(kept[1]) == 3
    assert len(inputs["EEG"][1]) == 5


def test_new_survives_clearing_in_the_same_loop() -> None:
    inputs = one_input()
    inputs.clear_buffer()
    assert inputs.new("EEG")[1].tolist() == [0, 1, 2]


@pytest.mark.parametrize("layout", ["samples_first", "channels_first"])
def test_ranges(layout: Layout) -> None:
    inputs = one_input(8, layout)
    data, stamps = inputs.get_stream_in_time_range("EEG", 2.0, 4.0)
    assert stamps.tolist() == [2, 3, 4]
    assert (data[:, 0] if layout == "samples_first" else data[0]).tolist() == [2, 3, 4]
    data, stamps = inputs.get_stream_in_index_range("EEG", 2, 4)
    assert stamps.tolist() == [2, 3]
    assert (data[:, 1] if layout == "samples_first" else data[1]).tolist() == [-2, -3]


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (0, -1), (3, 2)])
def test_bad_index_ranges(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="index range"):
        one_input().get_stream_in_index_range("EEG", start, end)


@pytest.mark.parametrize(("start", "end"), [(2.0, 1.0), (float("nan"), 1.0), (0.0, float("nan"))])
def test_bad_time_ranges(start: float, end: float) -> None:
    with pytest.raises(ValueError, match="time range"):
        one_input().get_stream_in_time_range("EEG", start, end)


def test_unknown_names_say_what_was_meant() -> None:
    inputs = Inputs([InputPort("EEG", InputBuffer(StreamSpec("EEG", 2), 4))])
    inputs.begin_loop()
    for look in (inputs.get_data, inputs.get_timestamps, inputs.get_stream, inputs.__getitem__):
        with pytest.raises(KeyError, match="no data from 'EEG' yet"):
            look("EEG")
        with pytest.raises(KeyError, match="did you mean 'EEG'"):
            look("EGG")
        with pytest.raises(KeyError, match="the inputs are 'EEG'"):
            look("something else")
    with pytest.raises(KeyError, match="did you mean 'EEG'"):
        inputs.new("EEG2")
    inputs.clear_stream_up_to("other", 3.0)
    inputs.clear_stream_up_to_index("other", 3)
    with pytest.warns(UserWarning, match="no input is named 'other'"):
        inputs.clear_stream_buffer("other")


def test_names_that_the_script_adds_live_and_go_as_in_a_dictionary() -> None:
    inputs = one_input()
    own: list[NDArray[Any]] = [np.zeros((1, 1)), np.zeros(1)]
    inputs.buffer["mine"] = own
    inputs.begin_loop()
    assert inputs["mine"] is own
    inputs.clear_stream_buffer("mine")
    assert "mine" not in inputs


def test_repr_tells_the_shapes() -> None:
    assert repr(one_input()) == "Inputs('EEG': (3, 2))"
    assert repr(Inputs([])) == "Inputs(no data yet)"


def shown_input() -> tuple[Inputs, InputPort]:
    port = InputPort("cam", ShownWindow(StreamSpec("cam", 1, "int64", 10), 5), "samples_first")
    return Inputs([port]), port


def show(inputs: Inputs, port: InputPort, first: int, end: int, new: int) -> None:
    stamps = np.arange(first, end)
    port.show(stamps.reshape(-1, 1), stamps.astype(float), new)
    inputs.begin_loop()


def test_a_view_is_read_only_and_new_samples_are_told() -> None:
    inputs, port = shown_input()
    inputs.begin_loop()
    assert "cam" not in inputs
    show(inputs, port, 0, 3, new=3)
    data, stamps = inputs["cam"]
    assert not data.flags.writeable
    assert not stamps.flags.writeable
    show(inputs, port, 2, 7, new=4)
    assert inputs["cam"][1].tolist() == [2, 3, 4, 5, 6]
    assert inputs.new("cam")[1].tolist() == [3, 4, 5, 6]
    show(inputs, port, 15, 20, new=13)
    assert inputs.new("cam")[1].tolist() == [15, 16, 17, 18, 19]
    inputs.begin_loop()
    assert len(inputs.new("cam")[1]) == 0


def test_the_arrays_shown_stay_writable_for_their_owner() -> None:
    inputs, port = shown_input()
    owned, stamps = np.zeros((3, 1)), np.zeros(3)
    port.show(owned, stamps, 3)
    inputs.begin_loop()
    owned[0] = 1
    assert owned.flags.writeable
    assert stamps.flags.writeable


def test_what_is_cleared_in_a_view_stays_away_by_its_place_in_the_stream() -> None:
    inputs, port = shown_input()
    show(inputs, port, 0, 5, new=5)
    inputs.clear_stream_up_to("cam", 2)
    assert inputs["cam"][1].tolist() == [3, 4]
    show(inputs, port, 1, 6, new=1)
    assert inputs["cam"][1].tolist() == [3, 4, 5]
    inputs.clear_stream_up_to_index("cam", 1)
    show(inputs, port, 2, 7, new=1)
    assert inputs["cam"][1].tolist() == [4, 5, 6]
    inputs.clear_buffer()
    assert "cam" not in inputs
    show(inputs, port, 2, 7, new=0)
    assert "cam" not in inputs
    show(inputs, port, 3, 8, new=1)
    assert inputs["cam"][1].tolist() == [7]
    inputs.clear_buffer_data()
    assert inputs["cam"][0].shape == (0, 1)


def test_a_view_cannot_be_replaced() -> None:
    inputs, port = shown_input()
    show(inputs, port, 0, 2, new=2)
    inputs["cam"][0] = np.zeros((2, 1))
    with pytest.warns(UserWarning, match="use access 'copy'"):
        inputs.begin_loop()


def test_only_views_are_shown() -> None:
    inputs = one_input()
    with pytest.raises(TypeError, match="append to it"):
        inputs.port("EEG").show(np.zeros((1, 2)), np.zeros(1), 1)
