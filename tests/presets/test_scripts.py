"""Script files: named where they lie, copied, looked for, or missed. And the verb."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rena_graph.cli import main
from rena_graph.errors import UsageError
from tests.presets.samples import SCRIPT, Study, filtered, processor, said, script, state, stream

NOTCH = processor("NotchFilter", w0=50, Q=20, fs=250)


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(tmp_path_factory.mktemp("elsewhere"))


def test_inside_of_the_folder_the_path_is_relative(study: Study) -> None:
    imported = study.run(state([], [script(study.script("mine/a b.py"), [])]))
    assert imported.valid, imported.problems
    assert imported.document["nodes"] == {"a b": imported.document["nodes"]["a b"]}
    assert imported.document["nodes"]["a b"]["script"] == "mine/a b.py"
    assert imported.allow_code == ()


def test_outside_it_is_named_where_it_lies_and_has_to_be_allowed(study: Study, elsewhere: Study) -> None:
    path = elsewhere.script("s.py")
    imported = study.run(state([], [script(path, [])]))
    assert imported.valid, imported.problems
    assert imported.document["nodes"]["s"]["script"] == str(path)
    assert imported.allow_code == (path.parent,)


def test_copies(study: Study, elsewhere: Study) -> None:
    """Two scripts of one name become two files; one used twice stays one."""
    elsewhere.script("beside.py", "X = 1")
    first = elsewhere.script("s.py", SCRIPT + "import beside\n")
    second = elsewhere.script("other/s.py")
    imported = study.run(state([], [script(first, []), script(second, []), script(first, [])]), copy_scripts=True)
    assert imported.valid, imported.problems
    scripts = [node["script"] for node in imported.document["nodes"].values()]
    assert scripts == ["scripts/s.py", "scripts/s_2.py", "scripts/s.py"]
    assert list(imported.document["nodes"]) == ["s", "s-2", "s-3"]
    assert (study.folder / "scripts" / "s_2.py").read_text() == SCRIPT
    assert imported.allow_code == ()
    (lost,) = said(imported, "lost", "script s.py")
    assert lost.startswith("beside, which it imports")


WINDOWS = r"C:\Users\me\scripts\s.py"


def test_a_script_of_another_machine(study: Study, elsewhere: Study) -> None:
    imported = study.run(state([], [script(WINDOWS, [])]))
    assert not imported.valid
    assert imported.path.exists()
    assert [problem.code for problem in imported.problems if problem.is_error] == ["G501"]
    assert imported.document["nodes"]["s"]["script"] == "C:/Users/me/scripts/s.py"
    assert "--scripts DIR" in said(imported, "lost", "script s.py")[0]
    elsewhere.script("s.py")
    imported = study.run(state([], [script(WINDOWS, [])]), scripts=[elsewhere.folder], force=True)
    assert imported.valid, imported.problems
    assert "taken from" in said(imported, "changed", "script s.py")[0]


def test_nothing_is_overwritten_unless_it_is_forced(study: Study) -> None:
    saved = state([filtered("EEG", NOTCH)], [script(study.script("s.py"), ["EEG"])])
    copy = study.script("scripts/notch.py", "# somebody's own")
    with pytest.raises(UsageError, match=r"notch\.py.*--force"):
        study.run(saved)
    assert not (study.folder / "graph.json").exists()
    assert copy.read_text() == "# somebody's own"
    assert study.run(saved, force=True).valid
    with pytest.raises(UsageError, match=r"graph\.json"):
        study.run(saved)
    again = study.run(saved, force=True)
    assert [path.name for path in again.written] == ["graph.json"], "a copy that is there already is not written again"


def test_a_preset_that_names_no_script_is_told(study: Study) -> None:
    imported = study.run(state([], [script("", []), script(study.script("s.py"), [])]))
    assert list(imported.document["nodes"]) == ["s"]
    assert said(imported, "lost", "script preset id0") == ["it names no script file"]


# -- the verb -----------------------------------------------------------------------------------------
def test_the_verb_says_what_it_did(study: Study, elsewhere: Study, capsys: pytest.CaptureFixture[str]) -> None:
    path = elsewhere.script("s.py")
    study.presets.write_text(json.dumps(state([filtered("EEG", NOTCH)], [script(path, ["EEG", "Camera 0"])])))
    graph = study.folder / "new" / "study.json"
    assert main(["import", str(study.presets), "-o", str(graph), "--name", "My study!"]) == 0
    told = capsys.readouterr().out
    assert f"wrote {graph}: 2 nodes, 1 external stream" in told
    assert "Carried over differently:\n" in told
    assert "'Camera 0'" in told.partition("Could not be carried over:\n")[2]
    assert f"rena-graph launch {graph} --allow-code {path.parent}" in told
    assert json.loads(graph.read_text())["name"] == "My-study"
    assert main(["validate", str(graph), "--allow-code", str(path.parent)]) == 0


def test_the_verb_ends_with_3_where_something_is_left_to_fix(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    study.presets.write_text(json.dumps(state([stream("EEG")], [script(WINDOWS, ["EEG"])])))
    graph = study.folder / "graph.json"
    assert main(["import", str(study.presets), "-o", str(graph), "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["valid"] is False
    assert told["written"] == [str(graph)]
    assert [problem["code"] for problem in told["problems"]] == ["G501"]
    assert {remark["kind"] for remark in told["remarks"]} == {"lost", "assumed"}
    assert main(["import", str(study.presets), "-o", str(graph), "--force"]) == 3
    assert "Left to fix:" in capsys.readouterr().out


def test_the_verb_refuses_what_is_no_preset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text("{}")
    assert main(["import", str(tmp_path / "a.json")]) == 2
    assert "neither StreamName" in capsys.readouterr().err
    assert main(["import", str(tmp_path / "nothing.json")]) == 2
