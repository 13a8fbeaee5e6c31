"""Where runs keep their files."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rena_graph.errors import EnvironmentRefused, ExitCode
from rena_graph.runtime import folders
from rena_graph.runtime.folders import MAX_SOCKET_PATH, runs_dir, runtime_dir, state_dir
from tests.limits import LIMIT


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    monkeypatch.setattr(folders, "_warned", set())


def test_state_goes_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "deep" / "state"))
    assert state_dir() == tmp_path / "deep" / "state" / "rena_graph"
    assert mode(state_dir()) == 0o700
    assert runs_dir() == state_dir() / "runs"
    assert mode(runs_dir()) == 0o700


@pytest.mark.parametrize("value", [None, "", "relative/state"])
def test_state_is_in_the_home_folder_otherwise(
    value: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if value is None:
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_STATE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_dir() == tmp_path / ".local" / "state" / "rena_graph"


def test_state_falls_back_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    spare = tmp_path / "tmp" / f"rena-graph-state-{os.getuid()}"
    with caplog.at_level(logging.WARNING):
        assert state_dir() == spare
        assert state_dir() == spare
    (record,) = caplog.records
    assert "Not a directory" in record.getMessage()
    assert str(spare) in record.getMessage()
    assert "XDG_STATE_HOME" in record.getMessage()
    assert mode(spare) == 0o700


def test_state_works_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does where it finds no home folder
    assert state_dir() == tmp_path / "tmp" / f"rena-graph-state-{os.getuid()}"
    assert not Path("~").exists()


def test_sockets_go_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    short = tmp_path / "r"
    short.mkdir()
    monkeypatch.setattr(folders, "_SOCKET_NAME_ROOM", 0)  # pytest's own folders are long
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    assert runtime_dir() == short / "rena-graph"
    assert mode(runtime_dir()) == 0o700


@pytest.mark.parametrize("why", ["unset", "relative", "missing", "a file", "too long", "somebody else's"])
def test_sockets_go_to_tmp_otherwise(why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    (tmp_path / "file").touch()
    value = {
        "unset": None,
        "relative": "run/user",
        "missing": str(tmp_path / "missing"),
        "a file": str(tmp_path / "file"),
        "too long": str(long),
        "somebody else's": str(tmp_path),
    }[why]
    if value is None:
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    else:
        monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    if why == "somebody else's":
        monkeypatch.setattr(folders, "_is_ours", lambda folder: False)
    folder = runtime_dir()
    assert folder == Path("/tmp") / f"rena-graph-{os.getuid()}"
    assert mode(folder) == 0o700


def test_a_socket_s_path_always_fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for length in range(1, 90, 7):
        folder = tmp_path / ("y" * length)
        folder.mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        assert len(os.fsencode(runtime_dir() / "c0ffee12" / ("n" * 40))) <= MAX_SOCKET_PATH


def test_a_folder_open_to_others_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    assert folders._own_folder(folder, "") == folder
    assert mode(folder) == 0o700


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_link_or_a_file_in_its_place_is_refused(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    if kind == "link":
        (tmp_path / "target").mkdir()
        place.symlink_to(tmp_path / "target")
    else:
        place.touch()
    with pytest.raises(EnvironmentRefused, match=r"place.*do this"):
        folders._own_folder(place, "do this")


def test_somebody_else_s_folder_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    with pytest.raises(EnvironmentRefused, match=f"belongs to user id {uid}, not to you .{uid + 1}.; do this"):
        folders._own_folder(tmp_path / "theirs", "do this")


READ_ONLY = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
export XDG_RUNTIME_DIR="$1"
exec "$2" -m rena_graph.cli launch "$3"
"""


def test_a_launch_where_the_folder_of_sockets_cannot_be_written_says_so(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("needs root: a folder is made read-only for a process")
    with tempfile.TemporaryDirectory(prefix="rg-", dir="/tmp") as short:
        (Path(short) / "rena-graph").mkdir(mode=0o700)
        graph = tmp_path / "graph.json"
        graph.write_text(json.dumps({"version": 1, "name": "g", "nodes": {"a": {"script": "a.py"}}}))
        (tmp_path / "a.py").write_text(
            "from rena_graph import RenaScript\nclass A(RenaScript):\n def loop(self): pass\n"
        )
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", READ_ONLY, "read-only", short, sys.executable, str(graph)],
            capture_output=True, text=True, timeout=LIMIT,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        )  # fmt: skip
    assert done.returncode == ExitCode.ENVIRONMENT, done.stderr
    assert f"cannot write to the folder {short}/rena-graph: Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "state").rglob("runs/*")), "no folder of a run that never was"
