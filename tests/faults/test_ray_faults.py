"""A Ray of the run's own whose parts are killed: seen at once, said, and the run ended, with nothing left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from rena_graph.errors import ExitCode
from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.folders import runtime_dir
from rena_graph.runtime.launch.client import Run, launch
from rena_graph.runtime.options import LaunchOptions
from rena_graph.runtime.session.ray_watch import ray_processes
from tests.faults.table import FaultRow, record
from tests.limits import LIMIT
from tests.runtime.live import SCRIPTS, collect, counter, document, kept, lives, relay, told, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.faults]


@pytest.fixture
def nodes(tmp_path: Path) -> dict[str, Any]:
    return {"a": relay("C", "X", 250), "keeper": collect(tmp_path / "a.npz", "X")}


@pytest.fixture
def run(nodes: dict[str, Any], tmp_path: Path) -> Iterator[Run]:
    """A run on a Ray of its own, once it flows."""
    graph = graph_from_dict(document({"C": counter(250)}, nodes), SCRIPTS, allow_code=[tmp_path])
    with launch(graph, LaunchOptions(address="local")) as made:
        made.start()
        wait_until(lambda: made.status()["nodes"]["a"]["loops"] > 100, what="loops")
        yield made


def kill(run: Run, *parts: str) -> list[int]:
    """Kill these parts of the run's Ray; all processes that there were."""
    session = run.session_pid
    assert session is not None
    everybody = [child.pid for child in psutil.Process(session).children(recursive=True)] + [session]
    found = ray_processes(str(runtime_dir() / run.id / "ray"))
    assert sorted(found.values()) == ["gcs_server", "raylet"]
    for pid, name in found.items():
        if name in parts:
            os.kill(pid, signal.SIGKILL)
    return everybody


def nothing_of_it_is_left(run: Run, everybody: list[int]) -> None:
    wait_until(lambda: not any(map(lives, everybody)), what="the end of all processes")
    wait_until(lambda: not (runtime_dir() / run.id).exists(), what="the end of its folder of sockets")
    assert not list(Path("/dev/shm").glob(f"rg-{run.id}-*"))


@pytest.mark.parametrize(
    ("part", "words"), [("gcs_server", "Ray's head (gcs_server)"), ("raylet", "Ray's part on this host (raylet)")]
)
def test_a_run_ends_in_good_order_when_a_part_of_its_ray_dies(part: str, words: str, run: Run, tmp_path: Path) -> None:
    before = time.time()
    everybody = kill(run, part)
    assert run.wait(LIMIT) is ExitCode.ENVIRONMENT
    assert (run.failure or "").startswith(f"{words} is lost: its process died")
    assert words in told(run)
    assert len(kept(tmp_path / "a.npz")["X"]), "its scripts were cleaned up"
    nothing_of_it_is_left(run, everybody)
    said = next(m["time"] for m in run.messages() if words in m["text"])
    record(FaultRow(f"Ray's {part}: SIGKILL", "the run ends in good order, exit code 5", max(0.0, said - before)))


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_run_goes_on_while_rays_part_on_the_host_is_stopped_and_ends_in_good_order_after(
    goes_on: bool, run: Run, tmp_path: Path
) -> None:
    """Nobody but Ray needs it while nodes run: it is not called lost before it is."""
    session = run.session_pid
    assert session is not None
    everybody = [child.pid for child in psutil.Process(session).children(recursive=True)] + [session]
    (raylet,) = (pid for pid, name in ray_processes(str(runtime_dir() / run.id / "ray")).items() if name == "raylet")
    os.kill(raylet, signal.SIGSTOP)
    try:
        before = run.status()["nodes"]["a"]["loops"]
        wait_until(lambda: run.status()["nodes"]["a"]["loops"] > before + 1000, 60.0, "loops while it is stopped")
        status = run.status()
        assert (status["state"], status["nodes"]["a"]["stale"]) == ("running", False)
    finally:
        if goes_on:
            os.kill(raylet, signal.SIGCONT)
    run.stop()
    assert run.wait(LIMIT) is ExitCode.OK, run.failure
    assert np.all(np.diff(kept(tmp_path / "a.npz")["X"][:, 0]) == 1)
    nothing_of_it_is_left(run, everybody)
    how = "SIGSTOP for some seconds, then SIGCONT" if goes_on else "SIGSTOP, and never SIGCONT"
    outcome = "the run goes on" + ("" if goes_on else "; once it is stopped, Ray is ended by force")
    record(FaultRow(f"Ray's raylet: {how}", outcome))


class TestANodeThatDoesNotStop:
    @pytest.fixture
    def nodes(self, tmp_path: Path) -> dict[str, Any]:
        hangs: dict[str, Any] = {"script": "faulty.py", "params": {"where": "hang", "at": 200}, "stop_timeout": 60.0}
        return {"a": relay("C", "X", 250, **hangs), "keeper": collect(tmp_path / "a.npz", "X")}

    def test_is_ended_by_force_with_all_else(self, run: Run) -> None:
        wait_until(lambda: run.status()["nodes"]["a"]["stale"], what="the hang")
        everybody = kill(run, "gcs_server", "raylet")
        assert run.wait(LIMIT) is ExitCode.ENVIRONMENT
        assert "is lost: its process died" in (run.failure or "")
        nothing_of_it_is_left(run, everybody)
