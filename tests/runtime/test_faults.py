"""Scripts that fail and processes that die, in real runs."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rena_graph.errors import ExitCode, NodeFailed
from rena_graph.runtime.launch.client import Run
from tests.faults.frame import Part, send
from tests.limits import LIMIT
from tests.runtime.live import (
    SCRIPTS,
    balanced,
    collect,
    counter,
    document,
    finish,
    kept,
    relay,
    running,
    told,
    wait_until,
)

pytestmark = pytest.mark.ray


def faulty(where: str, at: int = 20, **more: Any) -> dict[str, Any]:
    return relay("C", "X", 100, script="faulty.py", params={"where": where, "at": at}, **more)


def line(tmp_path: Path, where: str, at: int = 20, samples: int = 300, **more: Any) -> dict[str, Any]:
    """A counter into a faulty relay into one that keeps everything."""
    nodes = {"bad": faulty(where, at, **more), "last": collect(tmp_path / "a.npz", "X")}
    return document({"C": counter(100, samples=samples)}, nodes)


def test_an_error_in_init_ends_the_start_with_the_users_frames_only(ray_address: str, tmp_path: Path) -> None:
    with pytest.raises(NodeFailed) as caught, running(line(tmp_path, "init"), ray_address):
        pass
    assert caught.value.exit_code is ExitCode.SCRIPT
    text = str(caught.value)
    assert "init is broken" in text
    assert "faulty.py" in text
    assert "runtime/node" not in text


def test_an_error_in_loop_is_reported_and_the_loop_goes_on(ray_address: str, tmp_path: Path) -> None:
    with running(line(tmp_path, "loop"), ray_address) as run:
        status = finish(run)
        said = told(run)
    balanced(status)
    assert status["nodes"]["bad"]["exceptions"] == 1
    report = next(r["text"] for r in map(json.loads, said.splitlines()) if "loop is broken" in r["text"])
    head, *frames = report.splitlines()
    assert re.fullmatch(r"loop 20 failed after 19 that went well \(inputs: in \(\d+, 2\)\)", head)
    assert [line.strip() for line in frames if line.strip().startswith("File")] == [
        f'File "{SCRIPTS / "faulty.py"}", line {n}, in {name}' for n, name in ((24, "loop"), (29, "fail"))
    ], "the user's frames, all of them and no others"
    # What was set before the error is still sent.
    assert np.array_equal(kept(tmp_path / "a.npz")["X"][:, 0], np.arange(300))


def test_on_error_stop_ends_the_run_with_4_and_cleans_up(ray_address: str, tmp_path: Path) -> None:
    with running(line(tmp_path, "loop", on_error="stop"), ray_address) as run:
        finish(run, ExitCode.SCRIPT)
        said = told(run)
    assert "cleaned up after 20 loops" in said
    assert len(kept(tmp_path / "a.npz")["X"]) >= 20


LONG_LEG = [pytest.param(where, marks=pytest.mark.faults) for where in ("kill", "_exit", "exit", "segfault", "memory")]


@pytest.mark.parametrize("where", ["loop", *LONG_LEG])
def test_a_node_that_dies_comes_back_without_a_hole(where: str, ray_address: str, tmp_path: Path) -> None:
    more = {"on_error": "restart"} if where in ("loop", "memory") else {}
    # Only the first life fails, and long before the sources end: a busy machine takes its time to start the second.
    doc = line(tmp_path, where, 100, 600, **more)
    doc["nodes"]["bad"]["params"]["mark"] = str(tmp_path / "failed")
    with running(doc, ray_address) as run:
        status = finish(run)
        said = told(run)
    balanced(status)
    bad = status["nodes"]["bad"]
    assert (bad["restarts"], bad["state"]) == (1, "stopped")
    assert "restarting" in said
    if where == "segfault":
        assert "Segmentation fault" in said
    data = kept(tmp_path / "a.npz")["X"][:, 0]
    # The ring keeps what came while the node was away: nothing is lost; the interrupted loop may run again.
    assert np.array_equal(np.unique(data), np.arange(600))
    assert status["nodes"]["last"]["restarts"] == 0


def test_beyond_its_budget_a_node_ends_the_run_with_4(ray_address: str, tmp_path: Path) -> None:
    doc = line(tmp_path, "kill", 5, 100_000, restart={"policy": "on_failure", "max": 2, "window": 60})
    with running(doc, ray_address) as run:
        status = finish(run, ExitCode.SCRIPT)
    assert status["nodes"]["bad"]["restarts"] == 2
    assert status["nodes"]["last"]["state"] == "stopped"
    assert (tmp_path / "a.npz").exists(), "the others were still cleaned up"


def test_policy_never_does_not_restart(ray_address: str, tmp_path: Path) -> None:
    with running(line(tmp_path, "kill", restart={"policy": "never"}), ray_address) as run:
        status = finish(run, ExitCode.SCRIPT)
        assert "'bad'" in (run.failure or "")
    assert status["nodes"]["bad"]["restarts"] == 0


@pytest.mark.faults
def test_a_hung_node_is_seen_killed_and_restarted(ray_address: str, tmp_path: Path) -> None:
    doc = line(tmp_path, "hang", 100, 800, hang_timeout=4.0)
    doc["nodes"]["bad"]["params"]["mark"] = str(tmp_path / "failed")
    with running(doc, ray_address) as run:
        status = finish(run)
        assert "stale" in told(run)
    balanced(status)
    assert status["nodes"]["bad"]["restarts"] == 1


def test_a_stopped_process_is_stale_and_its_neighbours_are_not(ray_address: str, tmp_path: Path) -> None:
    doc = line(tmp_path, "nowhere", samples=100_000, stop_timeout=0.5)
    with running(doc, ray_address) as run:
        pid = wait_until(lambda: run.status()["nodes"]["bad"].get("pid"))
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: stale(run) == ["bad"], what="it alone to be stale")
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: stale(run) == [], what="no longer stale")
        os.kill(pid, signal.SIGSTOP)
        run.stop()
        finish(run)


def stale(run: Run) -> list[str]:
    return [name for name, node in run.status()["nodes"].items() if node["stale"]]


def test_an_error_in_cleanup_is_reported_and_the_others_still_clean_up(ray_address: str, tmp_path: Path) -> None:
    with running(line(tmp_path, "cleanup", samples=50), ray_address) as run:
        status = finish(run)
        said = told(run)
    assert "cleanup failed" in said
    assert status["nodes"]["bad"]["state"] == "stopped"
    assert len(kept(tmp_path / "a.npz")["X"]) == 50


@pytest.mark.parametrize(("where", "words"), [("bad_output", ["'out'", "(5,)"]), ("unknown_output", ["nothing"])])
def test_a_bad_output_is_refused_and_counted(where: str, words: list[str], ray_address: str, tmp_path: Path) -> None:
    with running(line(tmp_path, where), ray_address) as run:
        status = finish(run)
        said = told(run)
    balanced(status)
    assert status["nodes"]["bad"]["bad_outputs"] == 1
    assert all(word in said for word in words), said


def test_kill_ends_everything_with_130(ray_address: str, tmp_path: Path) -> None:
    with running(line(tmp_path, "nowhere", samples=100_000), ray_address) as run:
        run.kill()
        assert run.wait(LIMIT) is ExitCode.KILLED


def test_what_nobody_has_is_refused_at_once(ray_address: str, tmp_path: Path) -> None:
    from rena_graph.errors import EnvironmentRefused

    doc = line(tmp_path, "nowhere", placement={"num_gpus": 512})
    with pytest.raises(EnvironmentRefused, match="512 GPU"), running(doc, ray_address):
        pass


@pytest.mark.parametrize("part", ["AgentActor", pytest.param("CoordinatorActor", marks=pytest.mark.faults)])
def test_a_killed_agent_or_coordinator_comes_back_and_nothing_is_lost(
    part: Part, ray_address: str, tmp_path: Path
) -> None:
    with running(line(tmp_path, "nowhere", samples=600), ray_address) as run:
        wait_until(lambda: run.status()["nodes"]["last"].get("loops"))
        send(signal.SIGKILL, run, part)
        status = finish(run)
        assert "another one" in told(run)
    balanced(status)
    assert np.array_equal(kept(tmp_path / "a.npz")["X"][:, 0], np.arange(600))
    assert {node["restarts"] for node in status["nodes"].values()} == {0}


def test_what_is_given_up_leaves_the_others_running_and_lives_again_when_asked(
    ray_address: str, tmp_path: Path
) -> None:
    restart = {"policy": "never", "on_give_up": "degrade"}
    doc = line(tmp_path, "kill", 100, 100_000, restart=restart)
    doc["nodes"]["bad"]["params"]["mark"] = str(tmp_path / "failed")
    doc["nodes"]["beside"] = collect(tmp_path / "b.npz", "C")
    with running(doc, ray_address) as run:
        wait_until(lambda: run.status()["nodes"]["bad"]["state"] == "failed", what="the failure")
        before = run.status()["nodes"]["beside"]["loops"]
        wait_until(lambda: run.status()["nodes"]["beside"]["loops"] > before + 20, what="loops beside it")
        run.restart("bad")
        wait_until(lambda: run.status()["nodes"]["bad"]["state"] == "running", what="another life")
        run.stop()
        status = finish(run, ExitCode.SCRIPT)
        assert "'bad' failed" in (run.failure or "")
    balanced(status)
    assert (status["nodes"]["bad"]["restarts"], status["nodes"]["bad"]["asked_restarts"]) == (0, 1)
