"""Preset files and folders: what they are is found out, and what cannot be read is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rena_graph.errors import UsageError
from rena_graph.graph.presets import Imported, import_presets
from rena_graph.graph.presets.layout import WIDTH, document_text
from tests.presets.samples import Study, said, script, state, stream

EEG = {"StreamName": "EEG", "NominalSamplingRate": 128, "ChannelNames": ["Fz", "Cz"], "GroupInfo": [1]}
VIDEO = {"StreamName": "Video", "NumChannels": 12, "DataType": "uint8", "PortNumber": 5557}
BOARD = {"StreamName": "Board", "DeviceType": "OpenBCI", "_SerialPort": "COM3", "ChannelNames": ["a"]}


@pytest.fixture
def presets(tmp_path: Path) -> Path:
    """A ``Presets`` folder."""
    files: dict[str, Any] = {
        "LSLPresets/EEG.json": EEG, "ZMQPresets/Video.json": VIDEO, "DevicePresets/Board.json": BOARD,
        "ExperimentPresets/Both.json": {"ExperimentName": "Both", "PresetStreamNames": ["EEG", "Video", "monitor 0"]},
        "Deprecated/Old.json": {"StreamName": "Old", "NumChannels": 1}, "last_mod_times.json": {},
    }  # fmt: skip
    for name, preset in files.items():
        path = tmp_path / "Presets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(preset))
    return tmp_path / "Presets"


def run(*paths: Path, **options: Any) -> Imported:
    imported = import_presets(paths, paths[0].parent / "out" / "graph.json", **options)
    assert imported.valid, imported.problems
    return imported


def test_a_whole_folder(presets: Path) -> None:
    imported = run(presets)
    streams = imported.document["streams"]
    assert list(streams) == ["EEG", "Video"]
    assert streams["EEG"] == {
        "from": {"lsl": {"name": "EEG"}}, "channels": 2, "rate": 128, "dtype": "float32", "channel_names": ["Fz", "Cz"],
    }  # fmt: skip
    assert streams["Video"] == {
        "from": {"zmq": {"port": 5557, "clock": "lsl"}}, "channels": 12, "rate": 10, "dtype": "uint8",
    }  # fmt: skip
    assert imported.document["nodes"]["show_streams"]["inputs"] == ["EEG", "Video"]
    assert (presets.parent / "out" / "scripts" / "show_streams.py").is_file()
    assert "10 Hz" in said(imported, "assumed", "stream Video")[0]
    assert [text.partition(":")[0] for text in said(imported, "lost", "the presets")] == [
        "its input 'Board'", "its input 'monitor 0'",
    ]  # fmt: skip
    assert said(imported, "lost", "Deprecated")


@pytest.mark.parametrize("name", ["LSLPresets", "LSLPresets/EEG.json"])
def test_a_folder_of_streams_and_a_single_stream(name: str, presets: Path) -> None:
    assert list(run(presets / name).document["streams"]) == ["EEG"]


def test_an_experiment_finds_its_streams_beside_it(presets: Path) -> None:
    imported = run(presets / "ExperimentPresets" / "Both.json")
    assert list(imported.document["streams"]) == ["EEG", "Video"]
    assert len(said(imported, "lost", "the presets")) == 1


@pytest.mark.parametrize(("preset", "interface"), [(EEG, "LSL"), (VIDEO, "ZMQ")])
def test_outside_of_its_folder_a_port_makes_it_zmq(preset: dict[str, Any], interface: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(preset))
    imported = run(path)
    (source,) = (s["from"] for s in imported.document["streams"].values())
    assert list(source) == [interface.lower()]
    assert f"over {interface}" in said(imported, "assumed", f"stream {preset['StreamName']}")[0]


def test_the_saved_state_comes_before_files(study: Study, presets: Path) -> None:
    study.presets.write_text(json.dumps(state([stream("EEG", 5)], [script(study.script("s.py"), ["EEG"])])))
    imported = import_presets([presets / "LSLPresets", study.presets], study.folder / "graph.json")
    assert imported.document["streams"]["EEG"]["channels"] == 5
    assert "the first is taken" in said(imported, "changed", "stream EEG")[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "not JSON"), (b"\xff\xfe{", "not UTF-8"), (b"[]", "no JSON object"), (b"{}", "neither StreamName"),
        (b"[" * 100_000, "nested too deep"),
    ],
)  # fmt: skip
def test_files_that_are_no_presets(content: bytes, why: str, presets: Path) -> None:
    broken = presets / "LSLPresets" / "broken.json"
    broken.write_bytes(content)
    with pytest.raises(UsageError, match=why):
        run(broken)
    imported = run(presets)
    assert why in said(imported, "lost", "broken.json")[0]
    assert list(imported.document["streams"]) == ["EEG", "Video"]


def test_a_byte_order_mark_and_nan_are_let_pass(tmp_path: Path) -> None:
    (tmp_path / "EEG.json").write_text('\ufeff{"StreamName": "EEG", "NumChannels": 1, "DisplayDuration": NaN}')
    assert list(run(tmp_path / "EEG.json").document["streams"]) == ["EEG"]


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_nothing_to_import(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError):
        run(tmp_path / name)


@pytest.mark.parametrize(
    ("preset", "what"),
    [
        ({"StreamName": "a" * 300, "NumChannels": 1}, "name"), ({"StreamName": "a", "NumChannels": 0}, "NumChannels"),
        ({"StreamName": "a"}, "NumChannels"), ({"ExperimentName": "e", "PresetStreamNames": [1]}, "cannot be read"),
    ],
)  # fmt: skip
def test_presets_that_describe_nothing_are_told(preset: dict[str, Any], what: str, presets: Path) -> None:
    (presets / "LSLPresets" / "odd.json").write_text(json.dumps(preset))
    imported = run(presets)
    assert any(what in text for text in said(imported, "lost"))


def test_what_a_graph_has_no_place_for_is_named(presets: Path) -> None:
    odd = {**EEG, "StreamType": "EEG", "ChannelNames": ["Fz", ""], "DisplayDuration": 3}
    (presets / "LSLPresets" / "EEG.json").write_text(json.dumps(odd))
    imported = run(presets)
    assert "channel_names" not in imported.document["streams"]["EEG"]
    lost = said(imported, "lost", "stream EEG")
    assert any("channel names" in text for text in lost)
    assert any("stream_type" in text for text in lost)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def mutilated(preset: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A preset in which some values are anything."""
    return st.dictionaries(st.sampled_from(list(preset)), values, max_size=4).map(lambda changes: {**preset, **changes})


GOOD_STREAM = stream("EEG", 2, group_info={"G": {"channel_indices": [0], "data_processors": []}})
GOOD_SCRIPT = script("/nowhere/s.py", ["EEG"], [{"stream_name": "x", "num_channels": 1, "interface_type": "LSL"}])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutilated(GOOD_STREAM), mutilated(GOOD_SCRIPT), mutilated(state([], [], {"e": ["EEG"]})))
def test_whatever_stands_in_a_saved_state_a_graph_or_a_refusal_comes_out(
    study: Study, one: dict[str, Any], other: dict[str, Any], saved: dict[str, Any]
) -> None:
    for key, value in (("stream_presets", one), ("script_presets", other)):
        if isinstance(saved[key], dict):
            saved[key] = {**saved[key], "EEG": value}
    try:
        imported = study.run(saved, force=True)
    except UsageError as refusal:
        assert "no presets in" in str(refusal)  # noqa: PT017 - a refusal is one of two good ends
        return
    assert json.loads(imported.path.read_text()) == imported.document
    # Scripts are not there, names may be taken twice; what is written is a graph in every other respect.
    codes = {problem.code for problem in imported.problems if problem.is_error}
    assert codes <= {"G501", "G503", "G207", "G312"}, imported.problems


documents = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=30) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=40,
)


@given(st.dictionaries(st.text(max_size=9), documents))
def test_documents_are_written_as_they_are(document: dict[str, Any]) -> None:
    assert json.loads(document_text(document)) == document


def test_long_lists_are_filled_up() -> None:
    text = document_text({"streams": {"EEG": {"channel_names": [f"a name {i}" for i in range(200)]}}})
    assert max(map(len, text.splitlines())) <= WIDTH
    assert len(text.splitlines()) < 50
