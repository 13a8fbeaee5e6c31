"""A session process that is there before its run: told which one, left alone, dead; and what it imports on its way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rena_graph.runtime.alive import process_start
from rena_graph.runtime.launch.session_start import SessionAhead, start_session
from rena_graph.runtime.session.local_ray import PRELOAD, start_local_ray
from tests.cli.running import run_cli
from tests.limits import LIMIT
from tests.runtime.live import wait_until

BROKEN = '{"version": 1, "name": "g", "nodes": {"a": {"script": "nowhere.py", "run_frequency": 1}}}'


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """All processes that this one starts meanwhile; each that is left at the end is a mistake of the test."""
    processes: list[subprocess.Popen[bytes]] = []
    start: Callable[..., Any] = subprocess.Popen.__init__

    def noting(self: subprocess.Popen[bytes], *arguments: Any, **options: Any) -> None:
        start(self, *arguments, **options)
        processes.append(self)

    monkeypatch.setattr(subprocess.Popen, "__init__", noting)
    return processes


def test_it_is_told_its_run_and_writes_into_that_log(tmp_path: Path) -> None:
    log = tmp_path / "session.log"
    with SessionAhead(own=True) as ahead:
        process = start_session(tmp_path / "no-setup", log, ahead)
    # It has its run, so leaving the context does not end it: it ends over the setup that is not there.
    assert process.wait(LIMIT) == 1
    assert process.stdin is not None
    process.stdin.close()
    assert "no-setup" in log.read_text()


def test_without_a_run_it_ends_with_the_context(begun: list[subprocess.Popen[bytes]]) -> None:
    with SessionAhead(own=True):
        (process,) = begun
    assert process.returncode == -signal.SIGKILL
    assert process_start(process.pid) is None


def test_it_ends_by_itself_where_its_launcher_has_gone(begun: list[subprocess.Popen[bytes]]) -> None:
    with SessionAhead(own=False):
        (process,) = begun
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(LIMIT) == 0


def test_one_that_has_died_is_replaced(tmp_path: Path, begun: list[subprocess.Popen[bytes]]) -> None:
    log = tmp_path / "session.log"
    with SessionAhead(own=True) as ahead:
        (first,) = begun
        os.kill(first.pid, signal.SIGKILL)
        wait_until(lambda: _is_over(first.pid), what="the end of the process")
        second = start_session(tmp_path / "no-setup", log, ahead)
    assert second is not first
    assert second.wait(LIMIT) == 1
    assert second.stdin is not None
    second.stdin.close()
    assert "no-setup" in log.read_text()


def _is_over(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_a_graph_that_is_refused_leaves_nobody(tmp_path: Path) -> None:
    graph = tmp_path / "graph.json"
    graph.write_text(BROKEN)
    mark = f"RENA_TEST_MARK={tmp_path.name}"
    done = run_cli("launch", graph, env=dict([mark.split("=")]))
    assert done.returncode == 3
    assert "nowhere.py" in done.stderr
    assert _with_mark(mark) == []


def _with_mark(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue  # it has just ended, or is somebody else's
    return found


def test_naming_the_coordinator_does_not_import_one() -> None:
    code = (
        "import sys, rena_graph.runtime.coordinator.front as front; front.CoordinatorActor; "
        "print(*[m for m in ('numpy', 'rena_graph.runtime.coordinator.actor') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(("before", "after"), [(None, "a.b,c"), ("of.the.user", "of.the.user,a.b,c")])
def test_what_workers_import_is_told_to_ray(
    before: str | None, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    seen: list[str | None] = []
    monkeypatch.setattr(ray, "init", lambda **_: seen.append(os.environ.get(PRELOAD)))
    monkeypatch.setenv(PRELOAD, before or "")
    if before is None:
        monkeypatch.delenv(PRELOAD)
    start_local_ray("tests", tmp_path)
    start_local_ray("tests", tmp_path, ["a.b", "c"])
    assert seen == [before, after]
