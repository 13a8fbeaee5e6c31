"""The contract's second section, row by row: what a script may rely on of its inputs."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest

from rena_graph import compat
from rena_graph.compat.scripting import RenaScript as OriginalScript
from rena_graph.script import RenaScript, conventions
from rena_graph.streams.spec import StreamSpec
from tests.contract.one_node import EEG, MARKERS, Idle, Node


class Original(OriginalScript):
    """A script with PhysioLabXR's names."""

    def loop(self) -> None:
        pass


def test_inputs_name_is_a_pair_indexable_unpackable_assignable_in_place() -> None:
    node = Node()
    node.count(3)
    pair = node.begin()["EEG"]
    data, timestamps = pair
    assert data is pair[0]
    assert timestamps is pair[1]
    node.inputs["EEG"][0][1] = 77
    node.inputs["EEG"][1][1] = 0.15
    node.count(2, first=3)
    data, timestamps = node.begin()["EEG"]
    assert data[:, 0].tolist() == [0, 77, 2, 3, 4]
    assert timestamps.tolist() == [0, 0.15, 0.2, 0.3, 0.4]
    node.inputs.clear_buffer()
    node.count(2, first=5)
    assert node.begin()["EEG"][0][:, 0].tolist() == [5, 6]


def test_what_is_written_stays_however_often_the_array_is_replaced() -> None:
    node = Node()
    node.count(1)
    node.begin()["EEG"][0][0, 1] = 5
    for number in range(1, 10):
        node.count(1, first=number)
        assert node.begin()["EEG"][0][0, 1] == 5
    for number in range(10, 60):
        node.count(1, first=number)
        data = node.begin()["EEG"][0]
        data[:, 2] += 1
    assert data[:, 2].tolist() == list(range(10, 0, -1))


def test_a_whole_array_assigned_is_what_later_loops_see() -> None:
    node = Node()
    node.count(3)
    inputs = node.begin()
    inputs["EEG"][0] = inputs["EEG"][0] * 2
    node.count(1, first=3)
    assert node.begin()["EEG"][0][:, 0].tolist() == [0, 2, 4, 3]


@pytest.mark.parametrize(
    ("script", "layout", "shape"),
    [
        (Idle, None, (4, 3)),
        (Original, None, (3, 4)),
        (Idle, "channels_first", (3, 4)),
        (Original, "samples_first", (4, 3)),
    ],
)
def test_which_way_round(script: type[RenaScript], layout: str | None, shape: tuple[int, int]) -> None:
    node = Node(script, layout=layout)  # type: ignore[arg-type]
    node.count(4)
    assert node.begin().get_data("EEG").shape == shape


def test_the_old_root_gives_samples_first() -> None:
    compat.install()
    try:
        module = importlib.import_module("rena.scripting.RenaScript")
        assert conventions(module.RenaScript).layout == "samples_first"
    finally:
        compat.uninstall()


def test_before_any_data_inputs_raise_key_error() -> None:
    node = Node()
    inputs = node.begin()
    assert list(inputs) == []
    assert "EEG" not in inputs
    with pytest.raises(KeyError, match="no data from 'EEG' yet"):
        inputs["EEG"]


def test_how_much_of_a_regular_stream() -> None:
    node = Node(duration=1.05)
    for number in range(30):
        node.count(1, first=number)
        node.begin()
    assert node.inputs.get_data("EEG")[:, 0].tolist() == list(range(19, 30))


def test_how_much_of_an_irregular_stream() -> None:
    node = Node(inputs=[MARKERS], duration=2.0, max_samples=4)
    node.feed("markers", [["a"], ["b"], ["c"]], [0.0, 1.0, 2.5])
    assert node.begin().get_timestamps("markers").tolist() == [1.0, 2.5]
    node.feed("markers", [["d"], ["e"], ["f"], ["g"]], [2.6, 2.7, 2.8, 2.9])
    assert node.begin().get_data("markers")[:, 0].tolist() == ["d", "e", "f", "g"]


def test_kept_or_cleared() -> None:
    node = Node()
    node.count(3)
    node.begin()
    assert len(node.begin().get_timestamps("EEG")) == 3, "what is not cleared is still there"
    node.inputs.clear_buffer()
    assert "EEG" not in node.inputs
    assert "EEG" not in node.begin(), "until something arrives"
    node.count(1)
    assert "EEG" in node.begin()


def test_reading() -> None:
    node = Node()
    node.count(5)
    inputs = node.begin()
    assert inputs.get_stream("EEG")[0] is inputs.get_data("EEG")
    assert inputs.get_timestamps("EEG").tolist() == [0, 0.1, 0.2, 0.3, 0.4]
    assert list(inputs.keys()) == list(inputs.buffer.keys()) == list(inputs.buffer) == ["EEG"]
    assert "EEG" in inputs
    assert "EEG" in inputs.buffer
    assert inputs.get_stream_in_time_range("EEG", 0.1, 0.3)[1].tolist() == [0.1, 0.2, 0.3]
    assert inputs.get_stream_in_index_range("EEG", 1, 3)[1].tolist() == [0.1, 0.2]
    assert [name for name, _ in inputs.items()] == ["EEG"]


def test_clearing() -> None:
    node = Node(inputs=[EEG, MARKERS], duration=10)
    node.count(10)
    node.feed("markers", [["a"], ["b"]], [0.25, 0.75])
    inputs = node.begin()
    inputs.clear_up_to(0.2, ignores=["markers"])
    assert inputs.get_timestamps("EEG")[0] == pytest.approx(0.3)
    inputs.clear_up_to(0.5)
    assert inputs.get_timestamps("EEG")[0] == pytest.approx(0.6)
    assert inputs.get_data("markers").tolist() == [["b"]]
    inputs.clear_stream_up_to("EEG", 0.6)
    inputs.clear_stream_up_to_index("EEG", 1)
    assert inputs.get_timestamps("EEG").tolist() == [0.8, 0.9]
    inputs.clear_stream_buffer_data("markers")
    assert inputs.get_data("markers").shape == (0, 1)
    inputs.clear_buffer_data()
    assert inputs.get_data("EEG").shape == (0, 3)
    inputs.clear_stream_buffer("EEG")
    assert list(inputs) == ["markers"]
    inputs.clear_buffer()
    assert list(inputs) == []


def test_clearing_unknown_names_warns_or_passes_as_in_the_original() -> None:
    inputs = Node().begin()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inputs.clear_stream_up_to("EEG", 1.0)
        inputs.clear_stream_up_to_index("EEG", 1)
        inputs.clear_buffer()
        inputs.clear_buffer_data()
    for clear in (inputs.clear_stream_buffer, inputs.clear_stream_buffer_data):
        with pytest.warns(UserWarning, match="no data from 'EEG' yet"):
            clear("EEG")
    with pytest.warns(UserWarning, match="nothing is cleared"):
        inputs.clear_up_to(1.0)


@pytest.mark.parametrize(
    ("script", "legacy", "declared", "handed"),
    [
        (Idle, None, "float32", "float32"), (Idle, None, "int16", "int16"), (Idle, True, "float32", "float64"),
        (Original, None, "float32", "float64"), (Original, None, "int16", "int64"), (Original, False, "int8", "int8"),
    ],
)  # fmt: skip
def test_dtype(script: type[RenaScript], legacy: bool | None, declared: str, handed: str) -> None:
    node = Node(script, inputs=[StreamSpec("EEG", 3, declared, 10.0)], legacy_float64=legacy)
    for first in range(0, 40, 3):
        node.count(3, first=first)
        inputs = node.begin()
        assert inputs.get_data("EEG").dtype == np.dtype(handed)
        inputs.clear_buffer_data()
        assert inputs.get_data("EEG").dtype == np.dtype(handed), "also after clearing"


def test_channel_count_changes(caplog: pytest.LogCaptureFixture) -> None:
    node = Node()
    node.count(3)
    node.begin()
    node.feed("EEG", np.ones((2, 5)), [0.3, 0.4])
    assert node.begin().get_data("EEG").shape == (2, 5)
    assert "its buffer starts anew" in caplog.text


def test_new_since_last_loop() -> None:
    node = Node()
    assert node.begin().new("EEG")[0].shape == (0, 3)
    node.count(3)
    data, timestamps = node.begin().new("EEG")
    assert data[:, 0].tolist() == [0, 1, 2]
    node.count(2, first=3)
    data, timestamps = node.begin().new("EEG")
    assert data[:, 0].tolist() == [3, 4]
    assert timestamps.tolist() == [0.3, 0.4]
    assert node.begin().new("EEG")[0].shape == (0, 3)
    node.count(25, first=5)
    assert node.begin().new("EEG")[0][:, 0].tolist() == list(range(20, 30)), "as far as the window goes"


def test_strings() -> None:
    node = Node(inputs=[MARKERS], duration=10)
    node.feed("markers", [["go"], ["stop"]], [1.0, 2.0])
    data, timestamps = node.begin()["markers"]
    assert data.dtype == object
    assert [type(item) for item in data[:, 0]] == [str, str]
    assert timestamps.tolist() == [1.0, 2.0]


def test_video_of_a_million_channels() -> None:
    frames = StreamSpec("video", 1920 * 1080 * 3, "uint8", 30.0)
    node = Node(inputs=[frames], duration=0.1)
    frame = np.zeros((1, frames.channels), np.uint8)
    for number in range(7):
        frame[0, -1] = number
        node.feed("video", frame, [number / 30])
        data = node.begin().get_data("video")
    assert data[:, -1].tolist() == [4, 5, 6]


def test_names() -> None:
    node = Node(renamed={"EEG": "signal"}, outputs=[StreamSpec("alpha", 1)])
    assert node.script.input_names == ["signal"]
    node.feed("signal", np.ones((1, 3)), [0.0])
    assert list(node.begin()) == ["signal"]


def test_what_a_script_knows_of_its_streams() -> None:
    outputs = [StreamSpec("psd", 2, "float64", 1.0)]
    script = Node(Original, outputs=outputs, duration=2.0).script
    assert script.input_names == ["EEG"]
    assert script.output_names == ["psd"]
    assert script.output_num_channels == {"psd": 2}
    assert script.input_shapes == {"EEG": (3, 20)}
    assert Node(outputs=outputs, duration=2.0).script.input_shapes == {"EEG": (20, 3)}
    assert script.get_stream_info("EEG", "NominalSamplingRate") == 10.0
    assert script.get_stream_info("EEG", "ChannelNames") == ["C3", "Cz", "C4"]
    assert script.get_stream_info("psd", "ChannelNames") == ["c 0", "c 1"]
    assert script.get_stream_info("EEG", "DataType") == "float32"
    assert script.presets["EEG"].nominal_sampling_rate == 10.0
    assert script.presets.stream_presets["psd"].num_channels == 2
    with pytest.raises(KeyError, match="did you mean 'EEG'"):
        script.get_stream_info("EGG", "DataType")
    with pytest.raises(ValueError, match="NominalSamplingRate, ChannelNames and DataType"):
        script.get_stream_info("EEG", "Rate")


def test_conventions_follow_the_class_and_then_the_graph() -> None:
    assert conventions(Idle) == ("samples_first", "samples_first", False)
    assert conventions(Original) == ("channels_first", "original", True)
    assert conventions(Original, "channels_first", False) == ("channels_first", "channels_first", False)
    assert conventions(Idle, "channels_first", True) == ("channels_first", "channels_first", True)
