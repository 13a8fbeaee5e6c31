"""The contract's third section, row by row: what a script may rely on of its outputs."""

from __future__ import annotations

import numpy as np
import pytest

from rena_graph.compat.scripting import RenaScript as OriginalScript
from rena_graph.script import RenaScript
from rena_graph.streams.inputs import Layout
from rena_graph.streams.spec import StreamSpec
from tests.contract.one_node import Idle, Node

PSD = StreamSpec("psd", 2, "float32", 10.0)
COUNT = StreamSpec("count", 1, "int16", 0.0)


class Original(OriginalScript):
    """A script with PhysioLabXR's names."""

    def loop(self) -> None:
        pass


def desk(script: type[RenaScript] = Idle, layout: Layout | None = None) -> Node:
    return Node(script, inputs=[], outputs=[PSD, COUNT], layout=layout)


def test_none_sends_nothing_and_is_the_default() -> None:
    node = desk()
    assert node.script.outputs == {"psd": None, "count": None}, "from init() on"
    node.loop()
    node.send("psd", None)
    assert node.sent == {}
    node.send("psd", [1, 2])
    assert node.script.outputs == {"psd": None, "count": None}, "at each loop's start"


@pytest.mark.parametrize("value", [[1, 2], (1, 2), np.array([1, 2]), np.array([1.0, 2.0], np.float32), [1, 2.0]])
def test_one_dimension_is_one_sample(value: object) -> None:
    node = desk()
    node.send("psd", value)
    data, stamps = node.sent["psd"][0]
    assert data.tolist() == [[1, 2]]
    assert data.dtype == np.float32
    assert stamps.tolist() == [1000.0]


def test_a_scalar_is_one_sample_of_one_channel() -> None:
    node = desk()
    node.send("count", 3)
    assert node.sent["count"][0][0].tolist() == [[3]]


def test_one_dimension_on_one_channel_is_many_samples() -> None:
    node = desk()
    node.send("count", [1, 2, 3])
    assert node.sent["count"][0][0].tolist() == [[1], [2], [3]]


def test_two_dimensions_are_many_samples() -> None:
    node = desk()
    node.send("psd", [[1, 2], [3, 4], [5, 6]])
    assert node.sent["psd"][0][0].tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("script", "layout", "value", "samples"),
    [
        (Original, None, [[1, 2, 3], [4, 5, 6]], [[1, 4], [2, 5], [3, 6]]),
        (Original, None, [[1, 2], [3, 4], [5, 6]], [[1, 2], [3, 4], [5, 6]]),
        (Original, None, [[1, 2], [3, 4]], [[1, 3], [2, 4]]),
        (Idle, None, [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        (Idle, "channels_first", [[1, 2], [3, 4]], [[1, 3], [2, 4]]),
        (Idle, "channels_first", [[1, 2, 3], [4, 5, 6]], [[1, 4], [2, 5], [3, 6]]),
        (Original, "samples_first", [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
    ],
)
def test_which_way_round(
    script: type[RenaScript], layout: Layout | None, value: list[list[int]], samples: list[list[int]]
) -> None:
    node = desk(script, layout)
    node.send("psd", value)
    assert node.refused == []
    assert node.sent["psd"][0][0].tolist() == samples


@pytest.mark.parametrize("layout", ["samples_first", "channels_first"])
def test_where_only_the_transpose_fits_the_error_suggests_it(layout: Layout) -> None:
    node = desk(layout=layout)
    node.send("psd", np.zeros((2, 5) if layout == "samples_first" else (5, 2)))
    assert node.sent == {}
    assert "assign its transpose, x.T" in node.refused[0]


def test_set_output_with_one_timestamp_with_one_for_each_and_with_none() -> None:
    node = desk()
    for timestamp in (999.5, [999.6, 999.9], None):
        node.script.set_output("psd", [[1, 2], [3, 4]], timestamp=timestamp)
        node.collect()
    stamps = [stamps for _, stamps in node.sent["psd"]]
    np.testing.assert_allclose(stamps[0], [999.4, 999.5])
    np.testing.assert_allclose(stamps[1], [999.6, 999.9])
    np.testing.assert_allclose(stamps[2], [1000.0, 1000.1])


def test_set_output_with_a_wrong_count_of_timestamps_is_an_error() -> None:
    node = desk()
    node.script.set_output("psd", [[1, 2], [3, 4]], timestamp=[1.0, 2.0, 3.0])
    node.collect()
    assert node.sent == {}
    assert "one for each of its 2 samples" in node.refused[0]


def test_timestamps_are_graph_time() -> None:
    node = desk()
    assert node.script.local_clock() == 1000.0
    node.now = 1001.0
    assert node.script.local_clock() == 1001.0


def test_timestamps_of_chunks_without_any_are_monotonic() -> None:
    node = desk()
    for _ in range(20):
        node.now += 0.033
        node.send("psd", np.zeros((3, 2)))
    stamps = np.concatenate([stamps for _, stamps in node.sent["psd"]])
    assert (np.diff(stamps) > 0).all()


def test_dtype_is_cast_nan_and_infinity_pass() -> None:
    node = desk()
    node.send("psd", np.array([np.nan, np.inf]))
    assert node.refused == []
    np.testing.assert_array_equal(node.sent["psd"][0][0], np.array([[np.nan, np.inf]], np.float32))


@pytest.mark.parametrize("value", [40_000, -40_000, 1e9, np.nan, np.inf])
def test_dtype_out_of_range_for_an_integer_is_an_error_not_a_wrap(value: float) -> None:
    node = desk()
    node.send("count", value)
    assert node.sent == {}
    assert "outside of -32768 to 32767" in node.refused[0]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("pds", [1, 2], "did you mean 'psd'"),
        ("psd", [1, 2, 3], "expected 2 channels of float32"),
        ("psd", [[1, 2], [3]], "ragged list"),
        ("psd", [1, "b"], "got text"),
        ("psd", np.array([1, None]), "mixed objects"),
        ("psd", np.zeros((2, 2, 2)), "shape (2, 2, 2)"),
        ("psd", object(), "type object"),
    ],
)
def test_a_bad_output_is_reported_and_the_loop_goes_on(name: str, value: object, said: str) -> None:
    node = desk()
    node.script.outputs["count"] = 1
    node.send(name, value)
    assert list(node.sent) == ["count"], "nothing of the bad one is sent, and all of the others"
    assert len(node.refused) == 1
    assert node.refused[0].startswith(f"node 'desk', output {name!r}")
    assert said in node.refused[0]
    node.send("psd", [1, 2])
    assert "psd" in node.sent


def test_outputs_set_before_an_exception_are_sent() -> None:
    class Failing(RenaScript):
        def loop(self) -> None:
            self.outputs["count"] = 5
            raise RuntimeError("half way")

    node = desk(Failing)
    with pytest.raises(RuntimeError, match="half way"):
        node.loop()
    assert node.sent["count"][0][0].tolist() == [[5]]
