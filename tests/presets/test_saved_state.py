"""The saved state ``_presets.json``: scripts, their inputs, outputs and parameters, experiments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rena_graph.graph.load import load_graph
from tests.presets.samples import Study, band, number, output, said, script, state, stream


def test_the_contract_s_example(study: Study) -> None:
    """Numbers are text, nested list items carry a dummy name, ports are kept."""
    path = study.script("Bandpower.py")
    params = [
        {"name": "source", "type": "str", "value": "Example-BioSemi-Midline"},
        {"name": "window_size", "type": "int", "value": "1"},
        {"name": "bands", "type": "list", "value": [band(0.5, 4.0), band(4.0, 8.0)]},
        {"name": "verbose", "type": "bool", "value": True},
    ]
    midline = stream("Example-BioSemi-Midline", 2, channel_names=["Fz", "Cz"], nominal_sampling_rate=128)
    psd = output("psd", 100, "ZMQ", port=11000)
    imported = study.run(state([midline], [script(path, ["Example-BioSemi-Midline"], [psd], param_presets=params)]))
    assert imported.valid, imported.problems
    assert imported.document["streams"] == {
        "Example-BioSemi-Midline": {
            "from": {"lsl": {"name": "Example-BioSemi-Midline"}},
            "channels": 2,
            "rate": 128,
            "dtype": "float32",
            "channel_names": ["Fz", "Cz"],
        }
    }
    assert imported.document["nodes"] == {
        "Bandpower": {
            "script": "Bandpower.py",
            "run_frequency": 15,
            "inputs": ["Example-BioSemi-Midline"],
            "buffer_duration": 10,
            "outputs": {"psd": {"channels": 100, "dtype": "float32", "to": {"zmq": {"port": 11000}}}},
            "params": {
                "source": {"type": "str", "value": "Example-BioSemi-Midline"},
                "window_size": {"type": "int", "value": 1},
                "bands": {"type": "list", "value": [[0.5, 4.0], [4.0, 8.0]]},
                "verbose": {"type": "bool", "value": True},
            },
        }
    }
    assert json.loads(imported.path.read_text()) == imported.document
    assert said(imported, "lost") == ["channel groups, plots and display durations: a graph draws nothing"]


def test_an_experiment_stands_for_its_streams(study: Study) -> None:
    saved = state(
        [stream("A"), stream("B"), stream("C")],
        [script(study.script("s.py"), ["B", "both"])],
        {"both": ["A", "B"], "unused": ["C"]},
    )
    imported = study.run(saved)
    assert imported.document["nodes"]["s"]["inputs"] == ["B", "A"]
    assert list(imported.document["streams"]) == ["B", "A"]
    assert said(imported, "lost", "stream presets") == ["left out, since no script takes them: C"]
    assert said(imported, "lost", "experiment presets") == ["left out, since no script takes them: unused"]


def test_what_a_script_makes_reaches_the_other_without_the_network(study: Study) -> None:
    """A stream preset by which PhysioLabXR received it again is not a second producer."""
    first = script(study.script("first.py"), ["EEG"], [output("power", 2, "ZMQ", port=11000)], run_frequency="60")
    second = script(study.script("second.py"), ["power"])
    power = stream("power", 2, preset_type="ZMQ", port_number=11000, nominal_sampling_rate=60)
    imported = study.run(state([stream("EEG"), power], [first, second]))
    assert imported.valid, imported.problems
    assert list(imported.document["streams"]) == ["EEG"]
    assert imported.document["nodes"]["second"]["inputs"] == ["power"]
    assert imported.document["nodes"]["first"]["outputs"]["power"]["rate"] == 60
    assert said(imported, "changed", "stream power") == ["comes straight from first, and not by way of the network"]


def test_circles_are_closed_by_delayed_inputs(study: Study) -> None:
    paths = [study.script(f"{name}.py") for name in "abc"]
    scripts = [
        script(paths[0], ["z", "own"], [output("x"), output("own")]), script(paths[1], ["x"], [output("y")]),
        script(paths[2], ["y"], [output("z")]),
    ]  # fmt: skip
    imported = study.run(state([], scripts))
    assert imported.valid, imported.problems
    graph = load_graph(imported.path)
    delayed = {(edge.node, edge.stream) for edge in graph.edges if edge.input.delayed}
    assert ("a", "own") in delayed
    assert len(delayed) == 2
    assert len(said(imported, "changed", "input")) == 2


def test_two_outputs_of_one_name(study: Study) -> None:
    scripts = [script(study.script(f"{name}.py"), [], [output("x")]) for name in "ab"]
    imported = study.run(state([], [*scripts, script(study.script("c.py"), ["x"])]))
    assert imported.valid, imported.problems
    assert list(imported.document["nodes"]["a"]["outputs"]) == ["x"]
    made = imported.document["nodes"]["b"]["outputs"]
    assert list(made) == ["x of b"]
    assert made["x of b"]["as"] == "x"
    assert imported.document["nodes"]["c"]["inputs"] == ["x"]


@pytest.mark.parametrize(
    ("interface", "dtype", "carried"),
    [
        ("LSL", "float64", "float64"), ("LSL", "uint8", "int16"), ("LSL", "uint32", "int64"),
        ("LSL", "float16", "float32"), ("ZMQ", "uint8", "uint8"), ("ZMQ", "float16", "float32"),
        ("LSL", "complex", "float32"),
    ],
)  # fmt: skip
def test_types_of_outputs(interface: str, dtype: str, carried: str, study: Study) -> None:
    saved = state([], [script(study.script("s.py"), [], [output("x", 2, interface, dtype, 11001)])])
    imported = study.run(saved)
    assert imported.valid, imported.problems
    assert imported.document["nodes"]["s"]["outputs"]["x"]["dtype"] == carried
    remarked = said(imported, "changed", "output x") + said(imported, "assumed", "output x")
    assert bool(remarked) == (dtype != carried)


def test_ports_are_given_once(study: Study) -> None:
    ports = [11000, 11000, None, "11002", 99999]
    outputs = [output(f"x{i}", 1, "ZMQ", port=port) for i, port in enumerate(ports)]
    imported = study.run(state([], [script(study.script("s.py"), [], outputs)]))
    assert imported.valid, imported.problems
    made = imported.document["nodes"]["s"]["outputs"]
    assert [made[f"x{i}"]["to"]["zmq"]["port"] for i in range(5)] == [11000, 11001, 11002, 11003, 11004]
    assert len(said(imported, "changed", "output x")) == 4


def test_an_unknown_broadcast_is_told(study: Study) -> None:
    imported = study.run(state([], [script(study.script("s.py"), [], [output("x", 1, "BLE")])]))
    assert "to" not in imported.document["nodes"]["s"]["outputs"]["x"]
    assert said(imported, "lost", "output x") == ["its broadcast over BLE: only LSL and ZMQ are known here"]


def test_simulated_inputs(study: Study) -> None:
    """Their format is declared, also where those of other streams are left to the outlets."""
    scripts = [
        script(study.script("s.py"), ["A"], is_simulate=True),
        script(study.script("t.py"), ["A", "B"]),
    ]
    imported = study.run(state([stream("A"), stream("B")], scripts), from_outlets=True)
    assert imported.valid, imported.problems
    assert imported.document["nodes"]["s"]["simulate_input"] is True
    assert "simulate_input" not in imported.document["nodes"]["t"]
    assert imported.document["streams"]["A"]["rate"] == 250
    assert "rate" not in imported.document["streams"]["B"]
    assert "dtype" not in imported.document["streams"]["B"]


@pytest.mark.parametrize(
    ("kind", "value", "carried"),
    [
        ("bool", "False", False), ("bool", 1, True), ("int", "7", 7), ("int", 7.0, 7), ("float", "1e-3", 0.001),
        ("float", 3, 3.0), ("str", "", ""), ("list", [], []), ("list", [number(1), "x", [True]], [1.0, "x", [True]]),
    ],
)  # fmt: skip
def test_parameters(kind: str, value: Any, carried: Any, study: Study) -> None:
    params = [{"name": "p", "type": kind, "value": value}]
    imported = study.run(state([], [script(study.script("s.py"), [], param_presets=params)]))
    assert imported.valid, imported.problems
    made = imported.document["nodes"]["s"]["params"]["p"]
    assert made == {"type": kind, "value": carried}
    assert type(made["value"]) is type(carried)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("int", "1.5"), ("int", True), ("float", float("nan")), ("bool", "maybe"), ("str", 3), ("list", [{"value": 1}]),
     ("dict", {}), ("list", "ab"), (None, None)],
)  # fmt: skip
def test_parameters_that_are_not_what_they_say_are_told(kind: Any, value: Any, study: Study) -> None:
    params = [{"name": "p", "type": kind, "value": value}, {"name": "q", "type": "int", "value": 1}]
    imported = study.run(state([], [script(study.script("s.py"), [], param_presets=[*params, params[1]])]))
    assert list(imported.document["nodes"]["s"]["params"]) == ["q"]
    lost = said(imported, "lost", "script s.py")
    assert lost[0].startswith("its parameter 'p'")
    assert lost[1:] == ["a second parameter 'q'"]


@pytest.mark.parametrize(("frequency", "window"), [("", "x"), ("0", "-1"), (None, None), ("inf", "1e9")])
def test_frequencies_that_are_none_are_assumed(frequency: Any, window: Any, study: Study) -> None:
    imported = study.run(state([], [script(study.script("s.py"), [], run_frequency=frequency, time_window=window)]))
    assert imported.valid, imported.problems
    node = imported.document["nodes"]["s"]
    assert (node["run_frequency"], node["buffer_duration"]) == (60, 1)
    assert len(said(imported, "assumed", "script s.py")) == 2


@pytest.mark.parametrize(
    ("name", "preset", "what"),
    [
        ("Mic", stream("Mic", preset_type="AUDIO"), "an audio device"),
        ("Cam", {"stream_name": "Cam", "preset_type": "WEBCAM", "video_id": 0, "width": 4, "height": 4}, "a webcam"),
        ("Board", stream("Board", preset_type="CUSTOM"), "a plugin of PhysioLabXR"),
        ("Brain", stream("Brain", preset_type="FMRI"), "an fMRI volume"),
        ("Half", stream("Half", preset_type="ZMQ", port_number=5555, data_type="float16"), "float16"),
        ("NoPort", stream("NoPort", preset_type="ZMQ"), "no port"),
        ("monitor 0", None, "a camera or screen"),
    ],
)
def test_streams_without_a_place_in_a_graph(name: str, preset: Any, what: str, study: Study) -> None:
    streams = [stream("EEG")] if preset is None else [stream("EEG"), preset]
    imported = study.run(state(streams, [script(study.script("s.py"), ["EEG", name])]))
    assert imported.valid, imported.problems
    assert imported.document["nodes"]["s"]["inputs"] == ["EEG"]
    (lost,) = said(imported, "lost", "script s.py")
    assert repr(name) in lost
    assert what in lost


def test_an_input_without_a_preset_is_looked_for_on_lsl(study: Study) -> None:
    imported = study.run(state([], [script(study.script("s.py"), ["Somebody"])]))
    assert imported.valid, imported.problems
    assert imported.document["streams"] == {"Somebody": {"from": {"lsl": {"name": "Somebody"}}}}
    assert said(imported, "assumed", "stream Somebody")
