"""ScriptHarness runs a script on arrays as a node would, without waiting."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rena_graph import RenaScript, StreamSpec
from rena_graph.errors import GraphInvalid, OutputRefused, ParamRefused, ScriptLoadError, StateRefused, UsageError
from rena_graph.testing import FakeClock, ScriptHarness

EEG = {"EEG": StreamSpec("EEG", 2, "float32", 100.0, ("C3", "C4"))}
MARKERS = {"Markers": StreamSpec("Markers", 1, "string", 0.0)}
TWO = {"outputs": {"out": {"channels": 2, "rate": 100}}}


class Relay(RenaScript):
    """Passes on what is new, of the one input to the one output."""

    def loop(self) -> None:
        name = self.input_names[0]
        if name in self.inputs:
            data, timestamps = self.inputs[name]
            self.set_output("out", data, timestamp=timestamps)
            self.inputs.clear_buffer()


class Watcher(RenaScript):
    """Notes what each loop saw."""

    def init(self) -> None:
        self.seen: list[dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]] = []

    def loop(self) -> None:
        self.seen.append({name: (np.array(data), np.array(stamps)) for name, (data, stamps) in self.inputs.items()})
        self.inputs.clear_buffer()


def watch(node: dict[str, Any], streams: dict[str, StreamSpec], **options: Any) -> tuple[ScriptHarness, Watcher]:
    harness = ScriptHarness(Watcher, node, streams, **options)
    assert isinstance(harness.script, Watcher)
    return harness, harness.script


# -- making one --------------------------------------------------------------------------------------
def test_takes_a_class_and_a_definition() -> None:
    with ScriptHarness(Relay, {"inputs": ["EEG"], **TWO}, EEG) as node:
        node.feed("EEG", [[1, 2], [3, 4]], [10.0, 10.01])
        node.loop()
        data, timestamps = node.outputs["out"]
    assert data.tolist() == [[1, 2], [3, 4]]
    assert data.dtype == np.float32
    assert timestamps.tolist() == [10.0, 10.01]


def test_takes_a_file(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(
        "from rena_graph import RenaScript\n"
        "class Constant(RenaScript):\n"
        "    def loop(self):\n"
        "        self.outputs['out'] = [1, 2]\n"
    )
    with ScriptHarness(file, TWO) as node:
        node.loop(3)
        assert node.outputs["out"][0].tolist() == [[1, 2]] * 3
        assert node.loops == 3


def test_a_file_that_does_not_load_is_an_error_and_lends_no_names(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text("import physiolabxr.scripting.RenaScript\nx = 1 / 0\n")
    with pytest.raises(ScriptLoadError, match="ZeroDivisionError"):
        ScriptHarness(file)
    assert not [name for name in sys.modules if name.startswith("physiolabxr")]


def test_a_definition_that_cannot_stand_in_a_graph_is_refused() -> None:
    with pytest.raises(GraphInvalid, match="frequenzy"):
        ScriptHarness(Relay, {"frequenzy": 60})


def test_an_input_needs_a_stream() -> None:
    with pytest.raises(UsageError, match="format of 'EEG' is not known"):
        ScriptHarness(Relay, {"inputs": ["EEG"]})


def test_a_stream_must_be_what_its_input_expects() -> None:
    with pytest.raises(GraphInvalid, match="expects 32 channels"):
        ScriptHarness(Relay, {"inputs": [{"stream": "EEG", "channels": 32}]}, EEG)


GRAPH = """{"version": 1, "name": "g",
 "streams": {"EEG": {"from": {"lsl": {"name": "EEG"}}%s}},
 "nodes": {"double": {"script": "double.py", "inputs": ["EEG"], "params": {"file": {"type": "path", "value": "a.txt"}},
                      "outputs": {"out": {"channels": 2, "to": {"lsl": {}}}}}}}"""
DOUBLE = (
    "from rena_graph import RenaScript\n"
    "class Double(RenaScript):\n"
    "    def loop(self):\n"
    "        if 'EEG' in self.inputs:\n"
    "            self.outputs['out'] = 2 * self.inputs.get_data('EEG')\n"
)


def graph_file(folder: Path, declared: str = ', "channels": 2, "rate": 100, "dtype": "float32"') -> Path:
    (folder / "double.py").write_text(DOUBLE)
    file = folder / "graph.json"
    file.write_text(GRAPH % declared)
    return file


def test_takes_a_node_of_a_graph(tmp_path: Path) -> None:
    with ScriptHarness.from_graph(graph_file(tmp_path), "double") as node:
        assert node.params["file"] == str(tmp_path / "a.txt")
        node.feed("EEG", [1, 2])
        node.loop()
        assert node.outputs["out"][0].tolist() == [[2, 4]]


def test_formats_that_only_the_outside_knows_are_given(tmp_path: Path) -> None:
    file = graph_file(tmp_path, "")
    with pytest.raises(UsageError, match="'EEG' to be found outside"):
        ScriptHarness.from_graph(file, "double")
    with ScriptHarness.from_graph(file, "double", EEG) as node:
        node.feed("EEG", [1, 2])
        node.loop()
        assert node.outputs["out"][0].tolist() == [[2, 4]]


def test_an_unknown_node_and_an_invalid_graph_are_errors(tmp_path: Path) -> None:
    file = graph_file(tmp_path)
    with pytest.raises(UsageError, match="no node 'duble'; it has double"):
        ScriptHarness.from_graph(file, "duble")
    file.write_text("{}")
    with pytest.raises(GraphInvalid):
        ScriptHarness.from_graph(file, "double")


# -- a script's life ---------------------------------------------------------------------------------
class Life(RenaScript):
    """Sends which of its methods was called."""

    def init(self) -> None:
        self.outputs["out"] = [0, 0]

    def loop(self) -> None:
        self.outputs["out"] = [1, 1]
        if self.params["fail"]:
            raise RuntimeError("as asked")

    def cleanup(self) -> None:
        self.outputs["out"] = [2, 2]


LIFE = {**TWO, "params": {"fail": False}}


def test_outputs_of_init_loop_and_cleanup_are_sent() -> None:
    with ScriptHarness(Life, LIFE) as node:
        node.loop()
    node.cleanup()
    assert node.outputs["out"][0][:, 0].tolist() == [0, 1, 2]


def test_an_exception_comes_through_and_what_was_set_before_is_sent() -> None:
    with ScriptHarness(Life, LIFE) as node:
        node.set_params(fail=True)
        with pytest.raises(RuntimeError, match="as asked"):
            node.loop()
        assert node.outputs["out"][0][:, 0].tolist() == [0, 1]
        node.set_params(fail=False)
        node.loop()
    assert node.outputs["out"][0][:, 0].tolist() == [0, 1, 1, 2]


def test_loops_come_after_init_and_before_cleanup() -> None:
    node = ScriptHarness(Life, LIFE)
    with pytest.raises(UsageError):
        node.loop()
    node.init()
    with pytest.raises(UsageError):
        node.init()
    node.cleanup()
    with pytest.raises(UsageError):
        node.loop()


def test_cleanup_without_init_does_not_call_the_script() -> None:
    node = ScriptHarness(Life, LIFE)
    node.cleanup()
    assert len(node.outputs["out"][0]) == 0


class Bad(RenaScript):
    """Gives its first output what it cannot carry."""

    def loop(self) -> None:
        self.outputs["bad"] = [1, 2, 3]
        self.outputs["good"] = [1, 2]


def test_a_refused_output_is_an_error_after_the_others_were_sent() -> None:
    with ScriptHarness(Bad, {"outputs": {"bad": {"channels": 2}, "good": {"channels": 2}}}, name="n") as node:
        with pytest.raises(OutputRefused, match=r"node 'n', output 'bad'"):
            node.loop()
        assert node.outputs["good"][0].tolist() == [[1, 2]]
        assert len(node.outputs["bad"][0]) == 0


# -- time --------------------------------------------------------------------------------------------
class Timed(RenaScript):
    """Sends the time and the number of its loop."""

    def loop(self) -> None:
        self.set_output("out", [self.local_clock(), self.loop_info.number], timestamp=self.local_clock())


def test_time_goes_on_by_one_period_a_loop() -> None:
    node = {"run_frequency": 4, "outputs": {"out": {"channels": 2, "dtype": "float64"}}}
    with ScriptHarness(Timed, node, clock=FakeClock(50.0)) as harness:
        harness.loop(3)
        harness.clock.advance(1.0)
        harness.loop()
        data, timestamps = harness.outputs["out"]
    assert data.tolist() == [[50.25, 0], [50.5, 1], [50.75, 2], [52.0, 3]]
    assert timestamps.tolist() == [50.25, 50.5, 50.75, 52.0]


def test_time_is_never_before_the_samples_that_a_loop_sees() -> None:
    with ScriptHarness(Relay, {"inputs": ["EEG"], **TWO}, EEG, clock=FakeClock(50.0)) as node:
        node.feed("EEG", [[1, 2]], 77.0)
        node.loop()
        assert node.clock.now() == 77.0


def test_nodes_may_share_a_clock() -> None:
    clock = FakeClock()
    with ScriptHarness(Relay, TWO | {"inputs": ["EEG"]}, EEG, clock=clock) as first:
        second = ScriptHarness(Relay, TWO | {"inputs": ["EEG"]}, EEG, clock=clock)
        first.loop()
        assert second.clock.now() == clock.now() > 1000.0


# -- feeding -----------------------------------------------------------------------------------------
def test_stamps_go_on_at_the_stream_s_rate() -> None:
    node, script = watch({"inputs": ["EEG"]}, EEG, clock=FakeClock(5.0))
    with node:
        node.feed("EEG", np.zeros((3, 2)))
        node.feed("EEG", np.zeros((2, 2)))
        node.loop()
        node.clock.advance(60)
        node.feed("EEG", [1, 1])
        node.loop()
    np.testing.assert_allclose(script.seen[0]["EEG"][1], [5.0, 5.01, 5.02, 5.03, 5.04])
    np.testing.assert_allclose(script.seen[1]["EEG"][1], [5.05])


def test_irregular_samples_are_stamped_now() -> None:
    node, script = watch({"inputs": ["Markers"]}, MARKERS, clock=FakeClock(5.0))
    with node:
        node.feed("Markers", ["go", "", "stop é"])
        node.loop()
        now = node.clock.now()
        node.feed("Markers", "late")
        node.loop()
    data, stamps = script.seen[0]["Markers"]
    assert data.tolist() == [["go"], [""], ["stop é"]]
    np.testing.assert_allclose(stamps, 5.0, atol=1e-5)
    assert (np.diff(stamps) > 0).all()
    assert script.seen[1]["Markers"][1].tolist() == [now]


def test_what_is_fed_is_copied() -> None:
    node, script = watch({"inputs": ["EEG"]}, EEG)
    array = np.ones((2, 2), np.float32)
    with node:
        node.feed("EEG", array)
        array[:] = 7
        node.loop()
    assert script.seen[0]["EEG"][0].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("data", "timestamps"),
    [(np.zeros((2, 3)), None), ("text", None), ([[1, 2]], [1.0, 2.0]), ([[1, 2]], [np.nan]), ([[1, 2], [3]], None)],
)
def test_what_does_not_fit_is_refused(data: Any, timestamps: Any) -> None:
    with ScriptHarness(Relay, {"inputs": ["EEG"], **TWO}, EEG) as node:
        with pytest.raises(UsageError, match="fed to input 'EEG'"):
            node.feed("EEG", data, timestamps)
        node.loop()
        assert len(node.outputs["out"][0]) == 0


def test_an_unknown_input_or_output_names_the_nearest() -> None:
    with ScriptHarness(Relay, {"inputs": ["EEG"], **TWO}, EEG) as node:
        with pytest.raises(UsageError, match="did you mean 'EEG'"):
            node.feed("EEg", [1, 2])
        with pytest.raises(KeyError, match="did you mean 'out'"):
            node.outputs["ou"]


def test_picked_channels_and_the_script_s_own_names() -> None:
    node, script = watch({"inputs": [{"stream": "EEG", "as": "in", "pick": ["C4"]}]}, EEG)
    with node:
        node.feed("in", [[1, 2], [3, 4]])
        node.loop()
    assert script.seen[0]["in"][0].tolist() == [[2], [4]]


def test_gaps_are_filled_where_the_graph_says_so() -> None:
    node, script = watch({"inputs": [{"stream": "EEG", "gaps": "nan"}]}, EEG)
    with node:
        node.feed("EEG", [[1, 1], [2, 2]], [10.0, 10.03])
        node.loop()
        node.feed("EEG", [[3, 3]], [10.06])
        node.loop()
    first, second = (seen["EEG"][0][:, 0] for seen in script.seen)
    np.testing.assert_array_equal(first, [1, np.nan, np.nan, 2])
    np.testing.assert_array_equal(second, [np.nan, np.nan, 3])


class Viewer(RenaScript):
    """Tries to write into what it is shown."""

    def loop(self) -> None:
        self.shape = self.inputs["EEG"][0].shape
        self.inputs["EEG"][0][0] = 1


def test_views_are_read_only_and_hold_the_window() -> None:
    node = {"inputs": [{"stream": "EEG", "access": "view"}], "buffer_duration": 0.05}
    with ScriptHarness(Viewer, node, EEG) as harness:
        assert isinstance(harness.script, Viewer)
        for length in (3, 5, 5):
            harness.feed("EEG", np.zeros((3, 2)))
            with pytest.raises(ValueError, match="read-only"):
                harness.loop()
            assert harness.script.shape == (length, 2)


# -- loss --------------------------------------------------------------------------------------------
def test_losing_what_was_fed_is_an_error_unless_it_is_allowed() -> None:
    definition = {"inputs": ["EEG"], "buffer_duration": 0.1}
    node, _ = watch(definition, EEG)
    with node:
        node.feed("EEG", np.zeros((25, 2)))
        with pytest.raises(UsageError, match="15 samples fed to input 'EEG' left its window of 10"):
            node.loop()
    node, script = watch(definition, EEG, allow_loss=True)
    with node:
        node.feed("EEG", np.arange(50).reshape(25, 2))
        node.loop()
        assert node.dropped == {"EEG": 15}
    assert script.seen[0]["EEG"][0][:, 0].tolist() == list(range(30, 50, 2))


def test_too_old_beside_the_newest_is_lost_too_in_an_irregular_stream() -> None:
    node, script = watch({"inputs": ["Markers"], "buffer_duration": 1.0}, MARKERS, allow_loss=True)
    with node:
        node.feed("Markers", ["a", "b", "c"], [10.0, 11.5, 12.0])
        node.loop()
        assert node.dropped == {"Markers": 1}
    assert script.seen[0]["Markers"][0][:, 0].tolist() == ["b", "c"]


def test_with_policy_latest_only_the_newest_chunk_counts() -> None:
    node, script = watch({"inputs": [{"stream": "EEG", "policy": "latest"}]}, EEG)
    with node:
        node.feed("EEG", [[1, 1], [2, 2]])
        node.feed("EEG", [[3, 3]])
        node.loop()
        assert node.dropped == {"EEG": 2}
    assert script.seen[0]["EEG"][0].tolist() == [[3, 3]]


# -- sample-counted trigger --------------------------------------------------------------------------
EVERY = {"inputs": ["EEG", "Markers"], "trigger": {"stream": "EEG", "every": 4}, "buffer_duration": 1.0}


def test_each_loop_sees_one_block_and_what_belongs_to_it() -> None:
    node, script = watch(EVERY, EEG | MARKERS)
    with node:
        node.feed("EEG", np.arange(20).reshape(10, 2), 10 + np.arange(10) / 100)
        node.feed("Markers", ["a", "b", "c"], [10.015, 10.03, 10.065])
        assert node.drain() == 2
        with pytest.raises(UsageError, match="whole block"):
            node.loop()
        node.feed("EEG", np.zeros((2, 2)), [10.1, 10.11])
        node.loop()
    assert [seen["EEG"][0][:, 0].tolist() for seen in script.seen] == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18, 0, 0]]
    assert [seen["Markers"][0][:, 0].tolist() if "Markers" in seen else [] for seen in script.seen] == [
        ["a", "b"],
        ["c"],
        [],
    ]


def test_a_trigger_must_count_an_input() -> None:
    with pytest.raises(GraphInvalid, match="Gaze"):
        ScriptHarness(Watcher, {"inputs": ["EEG"], "trigger": {"stream": "Gaze", "every": 4}}, EEG)


class Integrator(RenaScript):
    """Adds its input to what it sent last: a closed loop."""

    def loop(self) -> None:
        last = self.inputs.get_data("sum")[-1] if "sum" in self.inputs else 0
        self.outputs["sum"] = last + self.inputs.new("EEG")[0].sum(axis=0)


def test_a_node_may_take_its_own_output_delayed() -> None:
    definition = {"inputs": ["EEG", {"stream": "sum", "delayed": True}], "outputs": {"sum": {"channels": 2}}}
    with ScriptHarness(Integrator, definition, EEG) as node:
        for _ in range(3):
            node.feed("EEG", [1, 2])
            node.loop()
            node.feed("sum", *node.outputs.take("sum"))
        node.loop()
        assert node.outputs["sum"][0].tolist() == [[3, 6]]


# -- playing -----------------------------------------------------------------------------------------
def test_play_loops_as_often_as_the_run_frequency_asks() -> None:
    node, script = watch({"inputs": ["EEG"], "run_frequency": 20}, EEG)
    with node:
        assert node.play("EEG", np.zeros((12, 2))) == 3
        assert node.drain() == 0
        node.feed("EEG", [1, 1])
        assert node.drain() == 1
    assert [len(seen["EEG"][0]) for seen in script.seen] == [5, 5, 2, 1]


def test_play_gives_whole_blocks_to_a_sample_counted_trigger() -> None:
    node, script = watch(EVERY, EEG | MARKERS)
    with node:
        assert node.play("EEG", np.zeros((11, 2)), block=3) == 2
        assert node.play("EEG", np.zeros((5, 2))) == 2
    assert [len(seen["EEG"][0]) for seen in script.seen] == [4, 4, 4, 4]


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 20), min_size=1, max_size=30))
def test_nothing_is_lost_however_it_is_cut(cuts: list[int]) -> None:
    total = sum(cuts)
    data = np.arange(2 * total, dtype=np.float32).reshape(total, 2)
    with ScriptHarness(Relay, {"inputs": ["EEG"], **TWO}, EEG) as node:
        for part in np.split(data, np.cumsum(cuts)[:-1]):
            node.feed("EEG", part)
            node.loop()
        sent, timestamps = node.outputs["out"]
        assert node.dropped == {"EEG": 0}
    np.testing.assert_array_equal(sent, data)
    np.testing.assert_allclose(np.diff(timestamps), 0.01)


# -- parameters --------------------------------------------------------------------------------------
def test_parameters_change_together_or_not_at_all() -> None:
    definition = {"params": {"low": {"type": "float", "value": 1.0, "max": 5.0}, "on": False}}
    with ScriptHarness(Watcher, definition) as node:
        with pytest.raises(ParamRefused):
            node.set_params(on=True, low=9.0)
        assert node.params == {"low": 1.0, "on": False}
        node.set_params({"low": 2}, on=True)
        assert node.script.params == {"low": 2.0, "on": True}


# -- scripts with the original's names ---------------------------------------------------------------
ORIGINAL = (
    "import pylsl\n"
    "from physiolabxr.scripting.RenaScript import RenaScript\n"
    "class Script(RenaScript):\n"
    "    def loop(self):\n"
    "        data, _ = self.inputs['EEG']\n"
    "        self.set_output('out', [data.shape[0], data.shape[1]], timestamp=pylsl.local_clock())\n"
    "        self.inputs.clear_buffer()\n"
)


def test_scripts_with_the_original_s_names_run_and_the_names_go_with_them(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(ORIGINAL)
    with ScriptHarness(file, {"inputs": ["EEG"], **TWO}, EEG, clock=FakeClock(5.0)) as node:
        other = ScriptHarness(file, {"inputs": ["EEG"], **TWO}, EEG)
        other.cleanup()
        node.clock.advance(2.0)
        node.feed("EEG", np.zeros((7, 2)), 6.0)
        node.loop()
        data, timestamps = node.outputs["out"]
        assert "physiolabxr" in sys.modules
    assert data.tolist() == [[2, 7]], "channels come first there"
    assert timestamps.tolist() == [node.clock.now()]
    assert not [name for name in sys.modules if name.startswith("physiolabxr")]


# -- restarts ----------------------------------------------------------------------------------------
class Summing(RenaScript):
    """A running sum, which survives."""

    def init(self) -> None:
        self.sum = 0.0
        self.kept: dict[str, Any] = {}

    def loop(self) -> None:
        new, _ = self.inputs.new("EEG")
        self.sum += float(new.sum())
        self.outputs["out"] = [self.sum, float(len(self.inputs["EEG"][1]))]

    def save_state(self) -> Any:
        return {"sum": self.sum, **self.kept}

    def load_state(self, state: Any) -> None:
        self.sum = state["sum"]


def test_a_restart_makes_a_new_object_with_the_old_ones_state_and_windows() -> None:
    with ScriptHarness(Summing, {"inputs": ["EEG"], **TWO}, EEG) as node:
        before = node.script
        node.feed("EEG", [[1, 2], [3, 4]])
        node.loop()
        node.restart()
        assert node.script is not before
        node.feed("EEG", [[5, 6]])
        node.loop()
        assert node.outputs["out"][0].tolist() == [[10, 2], [21, 3]]
        assert node.script.loop_info.number == 0


def test_a_restart_without_the_methods_begins_anew() -> None:
    harness, first = watch({"inputs": ["EEG"]}, EEG)
    with harness:
        harness.feed("EEG", [[1, 2]])
        harness.loop()
        harness.restart()
        assert len(first.seen) == 1
        assert isinstance(harness.script, Watcher)
        assert harness.script.seen == []


def test_a_restart_says_what_cannot_be_kept() -> None:
    with ScriptHarness(Summing, {"inputs": ["EEG"], **TWO}, EEG) as node:
        assert isinstance(node.script, Summing)
        node.script.kept = {"filters": [{1, 2}]}
        with pytest.raises(StateRefused, match=r"state\['filters'\]\[0\] is of type set"):
            node.restart()


def test_a_restart_comes_after_init() -> None:
    node = ScriptHarness(Summing, {"inputs": ["EEG"], **TWO}, EEG)
    with pytest.raises(UsageError, match="after init"):
        node.restart()
    node.cleanup()
