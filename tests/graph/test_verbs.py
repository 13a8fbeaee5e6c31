"""The verbs ``validate``, ``graph`` and ``schema``, as processes and in ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rena_graph.cli import main
from rena_graph.graph.schema import schema_text
from tests.limits import LIMIT

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "tests" / "broken_graphs"
GOOD = ROOT / "graphs" / "dummy" / "dummy_8chan.json"


def test_a_valid_graph(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(GOOD)]) == 0
    assert capsys.readouterr() == (f"{GOOD}: valid: 1 node, 2 streams, 1 edge\n", "")


def test_all_problems_are_printed_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    path = BROKEN / "format_mismatch.json"
    assert main(["validate", str(path)]) == 3
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert [line.split()[1:3] for line in lines if line.startswith(f"{path}:") and ": error" in line] == [
        ["error", "G301"]
    ] * 3
    assert "    found   16 channels at 250 Hz" in lines
    assert lines[-1] == f"{path}: invalid (3 errors)"


def test_warnings_do_not_refuse(capsys: pytest.CaptureFixture[str]) -> None:
    path = BROKEN / "warnings.json"
    assert main(["validate", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{path}: valid: 2 nodes, 4 streams, 1 edge (6 warnings)"


def test_problems_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--json", str(BROKEN / "unknown_input.json")]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["valid"] is False
    first = told["problems"][0]
    assert first["code"] == "G201"
    assert (first["line"], first["column"], first["json_path"]) == (7, 46, "$.nodes.filter.inputs[0]")
    assert first["hint"] == 'did you mean "EEG"?'


def test_allow_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = tmp_path / "graph.json"
    script = str(BROKEN / "ok.py")
    outputs = {"x": {"channels": 1, "to": {"lsl": {}}}}
    graph.write_text(json.dumps({"version": 1, "name": "g", "nodes": {"a": {"script": script, "outputs": outputs}}}))
    assert main(["validate", str(graph)]) == 3
    assert f"--allow-code {BROKEN}" in capsys.readouterr().out
    assert main(["validate", str(graph), "--allow-code", str(BROKEN)]) == 0


def test_the_help_says_that_scripts_are_not_executed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--help"]) == 0
    assert "never executed" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("name", "begins"), [("g.svg", "<svg"), ("g.dot", "digraph"), ("g.mmd", "flowchart"), ("g.txt", "dummy-8chan")]
)
def test_drawings_follow_the_ending(name: str, begins: str, tmp_path: Path) -> None:
    assert main(["graph", str(GOOD), "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)


def test_a_drawing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", str(GOOD), "--format", "mermaid"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("flowchart LR\n")
    assert out.endswith("\n")
    assert not out.endswith("\n\n")
    assert err == ""


def test_a_broken_graph_is_not_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", str(BROKEN / "cycle.json")]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "G205" in err


def test_the_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == schema_text()
    assert main(["schema", "-o", str(tmp_path / "s.json")]) == 0
    assert (tmp_path / "s.json").read_text(encoding="utf-8") == schema_text()
    assert main(["schema", "-o", str(tmp_path / "none" / "s.json")]) == 2


def test_as_a_process_in_a_poor_terminal() -> None:
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    code = "import sys; from rena_graph.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "validate", "cycle.json"],
        cwd=BROKEN, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr == ""
    assert done.stdout.startswith("cycle.json:7:48: error G205 a cycle: a \\u2192 b")


def test_importing_the_verbs_is_light() -> None:
    code = (
        "import sys, rena_graph.cli.validate, rena_graph.cli.graph, rena_graph.cli.schema\n"
        "print(sorted({'ray', 'zmq', 'pylsl', 'networkx', 'scipy', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=LIMIT)
    assert done.stdout == "[]\n"
