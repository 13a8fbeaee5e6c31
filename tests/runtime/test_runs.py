"""Which run a word means: ids, beginnings of ids, names, folders; of runs that run, and of runs that have ended."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rena_graph.errors import ExitCode, RunNotFound
from rena_graph.runtime.alive import SESSION_LOCK, process_start
from rena_graph.runtime.launch.runs import ONLY, all_runs, find_run, live_runs, run_in, write_facts

START = 1_700_000_000.0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders in which no run is; short ones, since sockets' paths are."""
    tmp_path = Path(tempfile.mkdtemp(prefix="rgt-"))
    for name, variable in (("state", "XDG_STATE_HOME"), ("run", "XDG_RUNTIME_DIR")):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(tmp_path / name))
    (tmp_path / "run" / "rena-graph").mkdir(mode=0o700)
    yield tmp_path
    shutil.rmtree(tmp_path)


def write_run(machine: Path, id: str, graph: str, age: float = 0.0, launcher: int | None = None) -> tuple[Path, Path]:
    folder = machine / "state" / "rena_graph" / "runs" / f"x-{graph}-{id}"
    runtime = machine / "run" / "rena-graph" / id
    folder.mkdir(parents=True)
    runtime.mkdir()
    facts = {"run": id, "graph": graph, "folder": str(folder), "runtime": str(runtime), "created": START - age}
    start = None if launcher is None else process_start(launcher)
    write_facts(folder, runtime, {**facts, "launcher": {"pid": launcher or 1, "start": start}, "options": {}})
    return folder, runtime


@contextmanager
def alive(machine: Path, id: str, graph: str, age: float = 0.0) -> Iterator[Path]:
    """A run whose session holds its lock."""
    folder, runtime = write_run(machine, id, graph, age)
    fd = os.open(runtime / SESSION_LOCK, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        os.close(fd)


def ended(machine: Path, id: str, graph: str, age: float = 0.0, code: int = 0) -> Path:
    folder, runtime = write_run(machine, id, graph, age)
    (folder / "outcome.json").write_text(json.dumps({"exit_code": code, "failure": None, "status": None, "ran": True}))
    for file in runtime.iterdir():
        file.unlink()
    runtime.rmdir()
    return folder


def test_ids_beginnings_names_and_folders(machine: Path) -> None:
    with alive(machine, "abc123", "ecg") as folder, alive(machine, "abd456", "eeg"):
        for word in ("abc123", "abc", "ecg", str(folder), f"{machine}/run/rena-graph/abc123"):
            assert find_run(word).id == "abc123", word


def test_what_is_ambiguous_is_refused_with_all_it_may_be(machine: Path) -> None:
    with alive(machine, "abc123", "ecg", 2.0), alive(machine, "abd456", "ecg", 1.0):
        for word in ("ecg", "ab", ONLY):
            with pytest.raises(RunNotFound, match="several") as caught:
                find_run(word)
            listed = str(caught.value).splitlines()[1:]
            assert [line.split()[:2] for line in listed] == [["abc123", "ecg"], ["abd456", "ecg"]]
            assert caught.value.exit_code is ExitCode.USAGE
        assert find_run("abd").id == "abd456"


def test_an_id_wins_over_a_name_and_a_name_over_a_beginning(machine: Path) -> None:
    with alive(machine, "abc123", "ecg"), alive(machine, "ffff00", "abc123"), alive(machine, "abc999", "ffff"):
        assert find_run("abc123").id == "abc123"
        assert find_run("ffff").id == "abc999"


def test_the_only_one(machine: Path) -> None:
    with pytest.raises(RunNotFound, match="no run is running"):
        find_run(ONLY)
    with alive(machine, "abc123", "ecg"):
        assert find_run(ONLY).id == "abc123"


def test_what_is_not_there_is_said_with_what_is(machine: Path) -> None:
    with pytest.raises(RunNotFound, match="there is no run 'eeg': no run is running"):
        find_run("eeg")
    with alive(machine, "abc123", "ecg"), pytest.raises(RunNotFound, match=r"these run\n  abc123  ecg  since "):
        find_run("eeg")
    with pytest.raises(RunNotFound, match="is not the folder of a run"):
        find_run(str(machine))


def test_ended_runs_are_found_where_they_will_do_the_last_one_of_a_name(machine: Path) -> None:
    old = ended(machine, "aaa111", "ecg", age=20)
    ended(machine, "aab222", "ecg", age=10)
    with pytest.raises(RunNotFound):
        find_run("aaa111")
    with pytest.raises(RunNotFound, match="is not running: it has ended"):
        find_run(str(old))
    assert find_run("aaa", ended=True).id == "aaa111"
    assert find_run("ecg", ended=True).id == "aab222"
    assert find_run(ONLY, ended=True).id == "aab222"
    assert find_run(str(old), ended=True).id == "aaa111"
    with pytest.raises(RunNotFound, match="may be any of several runs that have ended"):
        find_run("aa", ended=True)
    with alive(machine, "abc123", "ecg"):
        assert find_run("ecg", ended=True).id == "abc123"


def test_states(machine: Path) -> None:
    ended(machine, "a1", "g", age=5)
    ended(machine, "a2", "g", age=4, code=4)
    ended(machine, "a3", "g", age=3, code=130)
    write_run(machine, "a4", "g", age=2)  # nobody holds its lock, nobody launches it: its machine was switched off
    write_run(machine, "a5", "g", age=1, launcher=os.getpid())
    with ExitStack() as stack:
        stack.enter_context(alive(machine, "a6", "g"))
        states = {run.id: run.state for run in all_runs()}
        assert [run.id for run in live_runs()] == ["a5", "a6"]
    expected = {"a1": "ended", "a2": "failed", "a3": "killed", "a4": "lost", "a5": "running", "a6": "running"}
    assert states == expected


def test_folders_of_others_and_rubbish_are_no_runs(machine: Path) -> None:
    runs = machine / "state" / "rena_graph" / "runs"
    for name, text in (("a", ""), ("b", "[]"), ("c", '{"run": "x"}'), ("d", None)):
        (runs / name).mkdir(parents=True)
        if text is not None:
            (runs / name / "run.json").write_text(text)
        assert run_in(runs / name) is None
    assert all_runs() == []
