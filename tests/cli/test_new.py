"""``new``: what it writes validates and runs, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rena_graph.cli.new import class_name
from rena_graph.errors import ExitCode, UsageError
from rena_graph.graph.load import load_graph
from rena_graph.testing.harness import ScriptHarness
from tests.cli.running import run_cli


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_new_graph_validates_without_a_warning(tmp_path: Path) -> None:
    done = run_cli("new", "graph", "my-study", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == "my-study.json\nscripts/my_study.py\n"
    assert files(tmp_path) == {"my-study.json", "scripts/my_study.py"}
    graph = load_graph(tmp_path / "my-study.json")
    assert graph.name == "my-study"
    assert graph.warnings == ()
    assert run_cli("validate", "my-study.json", cwd=tmp_path).returncode == 0


def test_a_new_graph_s_script_passes_every_sample_once_times_the_gain(tmp_path: Path) -> None:
    assert run_cli("new", "graph", "study", cwd=tmp_path).returncode == 0
    data = np.arange(800, dtype=np.float32).reshape(100, 8)
    with ScriptHarness.from_graph(tmp_path / "study.json", "scale") as script:
        script.loop()  # before any data
        script.feed("Signal", data[:60])
        script.loop()
        script.loop()
        script.set_params(gain=2.0)
        script.feed("Signal", data[60:])
        script.loop()
        scaled, timestamps = script.outputs["Scaled"]
    np.testing.assert_array_equal(scaled, np.concatenate([data[:60], 2 * data[60:]]))
    np.testing.assert_allclose(np.diff(timestamps), 1 / 250, atol=1e-9)


def test_a_new_script_goes_into_a_new_graph(tmp_path: Path) -> None:
    assert run_cli("new", "script", "filters/my_filter", cwd=tmp_path).stdout == "filters/my_filter.py\n"
    assert "class MyFilter(RenaScript)" in (tmp_path / "filters" / "my_filter.py").read_text()
    done = run_cli("new", "graph", "study.json", "--script", "filters/my_filter.py", cwd=tmp_path)
    assert done.stdout == "study.json\n"
    assert load_graph(tmp_path / "study.json").script_path("scale") == (tmp_path / "filters" / "my_filter.py").resolve()


@pytest.mark.parametrize("name", ["2nd", "a.b-c", "x" * 64, "for", "deep/er/study"])
def test_unusual_names_work_too(name: str, tmp_path: Path) -> None:
    done = run_cli("new", "graph", name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert load_graph(tmp_path / f"{name}.json").name == Path(name).name


@pytest.mark.parametrize("kind", ["script", "graph"])
def test_nothing_is_overwritten_without_force(kind: str, tmp_path: Path) -> None:
    assert run_cli("new", kind, "mine", cwd=tmp_path).returncode == 0
    written = files(tmp_path)
    for name in written:
        (tmp_path / name).write_text("precious")
    done = run_cli("new", kind, "mine", cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "there already" in done.stderr
    assert "--force" in done.stderr
    assert {(tmp_path / name).read_text() for name in written} == {"precious"}
    assert run_cli("new", kind, "mine", "--force", cwd=tmp_path).returncode == 0
    assert "precious" not in {(tmp_path / name).read_text() for name in written}


def test_a_graph_is_not_half_written(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "study.py").write_text("precious")
    assert run_cli("new", "graph", "study", cwd=tmp_path).returncode == ExitCode.USAGE
    assert files(tmp_path) == {"scripts/study.py"}


@pytest.mark.parametrize("name", ["-x.json", "with space", "ümlaut", "x" * 65])
def test_a_name_that_no_graph_may_have(name: str, tmp_path: Path) -> None:
    done = run_cli("new", "graph", "--", name, cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "cannot name a graph" in done.stderr
    assert files(tmp_path) == set()


def test_a_script_outside_of_the_graph_s_folder(tmp_path: Path) -> None:
    assert run_cli("new", "script", "filter", cwd=tmp_path).returncode == 0
    done = run_cli("new", "graph", "below/study", "--script", "filter.py", cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "put the graph beside or above it" in done.stderr
    assert files(tmp_path) == {"filter.py"}


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_cli("new", "script", "file/mine", cwd=tmp_path)
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "cannot write" in done.stderr


@pytest.mark.parametrize(
    ("stem", "name"),
    [("r_peaks", "RPeaks"), ("my-filter", "MyFilter"), ("EEG", "EEG"), ("größe", "Größe"), ("for", "For")],
)
def test_class_names(stem: str, name: str) -> None:
    assert class_name(stem) == name


@pytest.mark.parametrize("stem", ["1x", "___", "RenaScript", "none", "rena-script"])
def test_no_class_name(stem: str) -> None:
    with pytest.raises(UsageError, match="does not make a class name"):
        class_name(stem)
