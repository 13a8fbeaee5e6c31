"""Command line and Python interface as a newcomer uses them: mostly with a Ray that the run starts and ends itself."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import rena_graph
from rena_graph.errors import ExitCode
from tests.cli.running import run_cli
from tests.conftest import GRAPHS
from tests.live.launching import example, only_drops, patient
from tests.runtime.live import balanced, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.lsl]


def copied(file: str, folder: Path) -> Path:
    """An example with everything that it needs, and with outlets and ports of its own."""
    source = GRAPHS / file
    shutil.copytree(source.parent, folder / source.parent.name)
    path = folder / file
    path.write_text(json.dumps(patient(example(file))), encoding="utf-8")
    return path


def statuses(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


def test_launch_tells_its_status_as_json_and_ends_well(tmp_path: Path) -> None:
    done = run_cli("launch", copied("ecg/heart_rate.json", tmp_path), "--for", "5", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    first, *rest = statuses(done.stdout)
    last = rest[-1]
    assert {line["event"] for line in (first, *rest[:-1])} == {"status"}
    assert (first["graph"], first["state"], first["exit_code"]) == ("heart-rate", "running", None)
    assert len(rest) >= 2
    assert (last["event"], last["state"], last["exit_code"], last["failure"]) == ("end", "ended", 0, None)
    assert last["uptime"] >= 5
    balanced(last)
    only_drops(last)
    assert last["streams"]["ECG"]["produced"] >= 360
    assert last["streams"]["Heart-rate"]["produced"] >= 1
    assert {node["state"] for node in last["nodes"].values()} == {"stopped"}


def test_launch_simulates_the_amplifier_that_is_not_there(ray_address: str, tmp_path: Path) -> None:
    path = copied("dummy/dummy_8chan.json", tmp_path)
    done = run_cli("launch", path, "--simulate", "--for", "2", "--json", "--set", "add_x.x=5", "--address", ray_address)
    assert done.returncode == ExitCode.OK, done.stderr
    last = statuses(done.stdout)[-1]
    balanced(last)
    only_drops(last)
    assert last["nodes"]["add_x"]["params"] == {"x": 5.0}
    assert last["streams"]["Dummy-8Chan"]["produced"] >= 100
    assert last["streams"]["Dummy-8Chan-add-X"]["produced"] == last["streams"]["Dummy-8Chan"]["produced"]
    assert "Init function is called" in done.stderr
    assert "Cleanup function is called" in done.stderr


def test_the_demo_says_the_heart_rate() -> None:
    done = run_cli("demo", "--for", "6")
    assert done.returncode == ExitCode.OK, done.stderr
    marked = re.search(r"cardiologists marked (\d+) beats; the graph found all of them, and none", done.stdout)
    rates = re.search(r"Its heart rate is ([\d.]+) .* (\d+\.\d+)\.$", done.stdout, re.MULTILINE)
    assert marked is not None, done.stdout
    assert rates is not None, done.stdout
    assert int(marked[1]) >= 3
    assert abs(float(rates[1]) - float(rates[2])) <= 1.0


def test_a_run_in_python(tmp_path: Path) -> None:
    path = copied("dummy/dummy_8chan.json", tmp_path)
    graph = rena_graph.load(path).simulated()
    said: list[str] = []
    with graph.launch(progress=said.append) as run:
        assert run.params["add_x"]["x"] == 0.0
        run.params["add_x"]["x"] = 5
        before = run.status()["nodes"]["add_x"]["loops"]
        wait_until(lambda: run.status()["nodes"]["add_x"]["loops"] > before + 10)
        assert run.status()["state"] == "running"
    assert said[0] == "starting Ray"
    assert run.ended
    assert run.exit_code is ExitCode.OK
    status = run.status()
    assert status["nodes"]["add_x"]["params"] == {"x": 5.0}
    balanced(status)
    only_drops(status)
