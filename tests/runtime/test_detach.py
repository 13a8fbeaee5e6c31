"""Runs that outlive whoever launched them, and end when somebody else wants it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rena_graph.errors import ExitCode
from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.launch.client import launch
from rena_graph.runtime.launch.handle import RunHandle, attach
from rena_graph.runtime.options import LaunchOptions
from tests.limits import LIMIT
from tests.runtime.live import SCRIPTS, collect, counter, document, kept, lives, wait_until

pytestmark = pytest.mark.ray

LAUNCHER = """
import json, sys, time
from pathlib import Path
from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.launch.client import launch
from rena_graph.runtime.options import LaunchOptions
document, scripts, allowed, address = sys.argv[1:]
graph = graph_from_dict(json.loads(document), Path(scripts), allow_code=[Path(allowed)])
run = launch(graph, LaunchOptions(address=address, detach=True)).start()
print(run.id, flush=True)
time.sleep(1000)
"""


@pytest.fixture
def orphan(ray_address: str, tmp_path: Path) -> Iterator[RunHandle]:
    """A run that was launched to be detached, and whose launcher was killed."""
    import json

    doc = document({"C": counter(100)}, {"keeper": collect(tmp_path / "a.npz", "C")})
    command = [sys.executable, "-c", LAUNCHER, json.dumps(doc), str(SCRIPTS), str(tmp_path), ray_address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        run = launcher.stdout.readline().strip()
        launcher.kill()
    with attach(run) as handle:
        yield handle
        if not handle.ended:
            handle.kill()
            handle.wait(LIMIT)


def runs_on(handle: RunHandle) -> int:
    """Its session's process id, once it has made loops after the launcher's death."""
    before = handle.status()["nodes"]["keeper"]["loops"]
    wait_until(lambda: handle.status()["nodes"]["keeper"]["loops"] > before + 50, what="more loops")
    session = handle.session_pid
    assert session is not None
    return session


def test_a_detached_run_outlives_its_launcher_and_stops_when_asked(orphan: RunHandle, tmp_path: Path) -> None:
    session = runs_on(orphan)
    orphan.stop()
    assert orphan.wait(LIMIT) is ExitCode.OK
    assert len(kept(tmp_path / "a.npz")["C"]), "the script was cleaned up"
    wait_until(lambda: not lives(session), what="the session's end")


def test_sigterm_to_its_session_ends_a_detached_run_in_good_order(orphan: RunHandle, tmp_path: Path) -> None:
    os.kill(runs_on(orphan), signal.SIGTERM)
    assert orphan.wait(LIMIT) is ExitCode.OK
    assert len(kept(tmp_path / "a.npz")["C"]), "the script was cleaned up"


def test_an_attached_run_can_be_let_go(ray_address: str, tmp_path: Path) -> None:
    doc = document({"C": counter(100)}, {"keeper": collect(tmp_path / "a.npz", "C")})
    graph = graph_from_dict(doc, SCRIPTS, allow_code=[tmp_path])
    with launch(graph, LaunchOptions(address=ray_address)) as run:
        run.start()
        session = run.session_pid
        assert session is not None
        run.detach()
    assert not run.ended
    with attach(run.id) as other:
        runs_on(other)
        other.stop()
        assert other.wait(LIMIT) is ExitCode.OK
    assert run.exit_code is ExitCode.OK
    wait_until(lambda: not psutil.pid_exists(session), what="no zombie")
