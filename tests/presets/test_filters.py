"""Filters of stream presets become nodes, or it is said why not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.presets.samples import Study, filtered, output, processor, said, script, state, stream

NOTCH = processor("NotchFilter", w0=50, Q=20, fs=250)
LOW = processor("ButterworthLowpassFilter", cutoff=30, fs=250, order=4)


def test_a_chain_of_nodes_stands_between_stream_and_scripts(study: Study) -> None:
    scripts = [script(study.script(f"{name}.py"), ["EEG"]) for name in "ab"]
    imported = study.run(state([filtered("EEG", NOTCH, LOW)], scripts))
    assert imported.valid, imported.problems
    nodes = imported.document["nodes"]
    assert list(nodes) == ["a", "b", "EEG-notch-50", "EEG-notch-50-lowpass-30"]
    assert nodes["EEG-notch-50"]["inputs"] == [{"stream": "EEG", "as": "in"}]
    assert nodes["EEG-notch-50-lowpass-30"]["inputs"] == [{"stream": "EEG-notch-50", "as": "in"}]
    for name in "ab":
        assert nodes[name]["inputs"] == [{"stream": "EEG-notch-50-lowpass-30", "as": "EEG"}]
    assert nodes["EEG-notch-50"]["outputs"]["EEG-notch-50"]["dtype"] == "float64"
    assert {path.name for path in imported.written} == {"graph.json", "notch.py", "butterworth.py"}
    assert len(said(imported, "changed", "stream EEG")) == 2
    assert "SciPy" in said(imported, "changed", "filters")[0]


def test_a_filter_on_what_another_script_makes(study: Study) -> None:
    first = script(study.script("first.py"), [], [output("x")])
    imported = study.run(state([filtered("x", NOTCH)], [first, script(study.script("second.py"), ["x"])]))
    assert imported.valid, imported.problems
    assert imported.document["streams"] == {}
    assert imported.document["nodes"]["second"]["inputs"] == [{"stream": "x-notch-50", "as": "x"}]


def test_simulated_inputs_are_not_filtered(study: Study) -> None:
    """PhysioLabXR makes them up behind its filters."""
    simulated = script(study.script("s.py"), ["EEG"], is_simulate=True)
    imported = study.run(state([filtered("EEG", NOTCH)], [simulated]))
    assert imported.document["nodes"]["s"]["inputs"] == ["EEG"]


def test_wide_groups_are_spans(study: Study) -> None:
    group = {"channel_indices": None, "channel_indices_start_end": [1, 3], "data_processors": [NOTCH]}
    preset = stream("EEG", 4, group_info={"G": group})
    imported = study.run(state([preset], [script(study.script("s.py"), ["EEG"])]))
    assert imported.document["nodes"]["EEG-notch-50"]["params"]["channels"]["value"] == [1, 2]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (processor("NotchFilter", active=False, w0=50, Q=20, fs=250), "switched off"),
        (processor("NotchFilter", w0=150, Q=20, fs=250), "did not apply it either"),
        (processor("NotchFilter", w0=50, Q=0, fs=250), "did not apply it either"),
        (processor("NotchFilter", w0="x", Q=20, fs=250), "w0 is missing"),
        (processor("ButterworthLowpassFilter", cutoff=30, fs=250, order=11), "did not apply it either"),
        (processor("ButterworthBandpassFilter", lowcut=40, highcut=5, fs=250, order=1), "did not apply it either"),
        (processor("RootMeanSquare", fs=250, window=1), "did not apply it either"),
        (processor("Wavelet"), "not known here"),
        ("text", "cannot be read"),
    ],
)
def test_a_filter_that_is_not_carried_over_is_told(changed: Any, why: str, study: Study) -> None:
    imported = study.run(state([filtered("EEG", changed)], [script(study.script("s.py"), ["EEG"])]))
    assert imported.valid, imported.problems
    assert imported.document["nodes"]["s"]["inputs"] == ["EEG"]
    (lost,) = said(imported, "lost", "stream EEG")
    assert why in lost


def test_filters_that_only_change_the_plots_are_told(study: Study) -> None:
    preset = filtered("EEG", NOTCH, data_processor_only_apply_to_visualization=True)
    imported = study.run(state([preset], [script(study.script("s.py"), ["EEG"])]))
    assert list(imported.document["nodes"]) == ["s"]
    assert "only what is drawn" in said(imported, "lost", "stream EEG")[0]


@pytest.mark.parametrize("indices", [[0, 9], [0, 0], [], "all", [1.5]])
def test_channels_that_the_stream_does_not_have(indices: Any, study: Study) -> None:
    preset = stream("EEG", 2, group_info={"G": {"channel_indices": indices, "data_processors": [NOTCH]}})
    imported = study.run(state([preset], [script(study.script("s.py"), ["EEG"])]))
    assert list(imported.document["nodes"]) == ["s"]
    assert "cannot be read" in said(imported, "lost", "stream EEG")[0]
