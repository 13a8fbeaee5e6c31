"""Operating real runs with the command line, as a user does: two graphs of one name side by side, one left running."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rena_graph
from rena_graph.errors import RunNotFound
from rena_graph.runtime.launch.client import Run
from tests.cli.running import run_cli
from tests.limits import LIMIT
from tests.runtime.live import balanced, counter, document, finish, relay, running, wait_until

pytestmark = pytest.mark.ray


BAD = """
from rena_graph import RenaScript
class Bad(RenaScript):
    def init(self):
        raise ValueError("init is broken")
    def loop(self):
        pass
"""


def doc() -> dict[str, Any]:
    node = relay("C", "D", 250)
    node["params"] = {"gain": {"type": "float", "value": 1.0, "min": 0, "max": 10}}
    # What waits while a node is paused by hand is to stay in its window.
    nodes = {"first": node, "second": relay("D", "E", 250, buffer_duration=60.0)}
    return document({"C": counter(250)}, nodes)


def ok(*words: str) -> str:
    done = run_cli(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_is_changed_and_looked_at_from_another_process(ray_address: str) -> None:
    with running(doc(), ray_address) as run:
        id = run.id
        assert id in ok("list")
        assert ok("params", "set", id, "first.gain=2.5") == "first.gain = 2.5\n"
        assert ok("params", "get", id, "first.gain") == "2.5\n"
        assert ok("rate", id, "first", "500") == "first: at most 500 Hz\n"
        assert run.status()["nodes"]["first"]["frequency"] == 500
        ok("pause", id, "second")
        wait_until(lambda: run.status()["nodes"]["second"]["state"] == "paused")
        assert ok("step", id, "second") == "second: 1 loop made\n"
        assert "since second: is paused" in ok("why", id, "second.E")
        ok("resume", id, "second")
        before = run.status()["nodes"]["first"]["pid"]
        ok("restart", id, "first")
        wait_until(lambda: _begun_anew(run, before))
        flow = [json.loads(line) for line in ok("stream", "hz", id, "D", "-n", "2", "--json").splitlines()]
        assert flow[-1]["samples"] > 0
        echoed = [json.loads(line) for line in ok("stream", "echo", id, "E", "-n", "50", "--json").splitlines()]
        numbers = [sample["values"][0] for sample in echoed]
        assert numbers == list(range(int(numbers[0]), int(numbers[0]) + 50))
        looked_at(run)
        assert ok("stop", id).startswith(f"{id} ended in good order")
        status = finish(run)
    balanced(status)
    assert all(not edge["dropped"] for edge in status["edges"])
    assert "ended in good order" in ok("status", id)
    assert "stopping: rena-graph stop" in ok("logs", id, "--node", "run")


def _begun_anew(run: Run, before: int) -> bool:
    node = run.status()["nodes"]["first"]
    return node["state"] == "running" and node["pid"] not in (None, before)


def looked_at(run: Run) -> None:
    data, stamps = run.stream("C").read(0.5)
    assert (np.diff(data[:, 0]) == 1).all()
    assert len(stamps) == len(data) > 10
    assert {edge["to"] for edge in run.stream("D").info()["edges"]} == {"second"}


def test_streams_over_zmq_are_looked_at_too(ray_address: str) -> None:
    with running(doc(), ray_address, "zmq") as run:
        looked_at(run)
        run.stop()
        status = finish(run)
    balanced(status)
    assert all(not edge["dropped"] for edge in status["edges"])


def test_two_runs_of_one_name_never_meet(ray_address: str) -> None:
    with running(doc(), ray_address) as one, running(doc(), ray_address) as other:
        done = run_cli("pause", "test", "first")
        assert done.returncode == 2
        assert one.id in done.stderr
        assert other.id in done.stderr
        with pytest.raises(RunNotFound, match="several"):
            rena_graph.attach("test")
        ok("pause", one.id, "first")
        wait_until(lambda: one.status()["nodes"]["first"]["state"] == "paused")
        assert other.status()["nodes"]["first"]["state"] == "running"
        with rena_graph.attach(other.id) as handle:
            assert not isinstance(handle, Run)
            assert handle.status()["run"] == other.id
        ok("kill", one.id)
        assert one.wait(LIMIT) == 130
        assert other.status()["state"] == "running"


def test_a_detached_run_outlives_its_launcher_and_stops_when_its_time_is_over(ray_address: str, tmp_path: Path) -> None:
    (tmp_path / "relay.py").write_text((Path(__file__).parent.parent / "scripts" / "relay.py").read_text())
    graph = tmp_path / "g.json"
    graph.write_text(json.dumps({**doc(), "name": "left"}))
    launched = json.loads(ok("launch", str(graph), "--detach", "--json", "--for", "4", "--address", ray_address))
    assert launched["graph"] == "left"
    with rena_graph.attach(launched["run"]) as handle:
        assert str(handle.folder) == launched["folder"]
        assert handle.status()["state"] in ("running", "stopping")
        assert handle.wait(LIMIT) == 0
        assert "the time is over" in (handle.folder / "console.jsonl").read_text()
    assert "ended" in ok("list", "--all")


def test_what_keeps_a_detached_run_from_starting_gives_its_code(ray_address: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    graph = tmp_path / "g.json"
    graph.write_text(json.dumps(document({}, {"bad": {"script": "bad.py"}})))
    done = run_cli("launch", graph, "--detach", "--address", ray_address)
    assert done.returncode == 4
    assert done.stdout == ""
    assert "init is broken" in done.stderr
