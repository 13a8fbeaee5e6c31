"""What happens to a graph when one of its nodes fails: a row of the fault table each."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rena_graph.errors import ExitCode, NodeFailed
from tests.faults.scene import Fault, Scene, fault_graph
from tests.faults.table import FaultRow, record
from tests.runtime.live import balanced, finish, running, told, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.faults]

DIES = {
    "segfault": "segmentation fault in C code",
    "os_exit": "`os._exit()` in `loop()`",
    "sys_exit": "`sys.exit(3)` in `loop()`",
    "memory_error": "`MemoryError` in `loop()`, `on_error: restart`",
    "exception": "exception in `loop()`, `on_error: restart`",
    "recursion": "endless recursion in `loop()`, `on_error: restart`",
}
HANG = 4.0
"""Seconds; so long a busy machine holds nobody up that does not hang."""
HANGS = {"endless_loop": "endless loop in `loop()`", "hold_the_gil": "C code that holds the GIL"}


@contextmanager
def scene(tmp_path: Path, address: str, **bad: Any) -> Iterator[Scene]:
    with running(fault_graph(tmp_path, **bad), address) as run:
        scene = Scene(run, tmp_path)
        scene.wait_until_it_flows()
        yield scene


def unharmed(row: FaultRow, status: dict[str, Any]) -> None:
    """Nothing was lost, and nobody else was touched."""
    assert row.lost == 0
    assert row.detected is not None
    assert row.first_sample is not None
    assert {name: node["restarts"] for name, node in status["nodes"].items() if name != "bad"} == {
        "above": 0, "reader": 0, "beside": 0, "listener": 0,
    }  # fmt: skip
    for node in ("beside", "listener"):
        assert status["nodes"][node]["dropped"] == 0


@pytest.mark.parametrize("way", DIES)
def test_a_node_that_dies_of_itself_comes_back(way: str, ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address, on_error="restart") as on:
        fault = on.tell(way)
        status = on.flows_again(1)
    row = on.report(DIES[way], "restarted", fault, "restarting", status)
    assert status["nodes"]["bad"]["restarts"] == 1
    unharmed(row, status)


def test_a_killed_node_comes_back(ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address) as on:
        fault = sent(signal.SIGKILL, on)
        status = on.flows_again(1)
    row = on.report("SIGKILL", "restarted", fault, "restarting", status)
    assert status["nodes"]["bad"]["restarts"] == 1
    unharmed(row, status)


def sent(signum: signal.Signals, on: Scene) -> Fault:
    pid = on.run.status()["nodes"]["bad"]["pid"]
    fault = Fault(time.monotonic(), time.time())
    os.kill(pid, signum)
    return fault


@pytest.mark.parametrize("way", HANGS)
def test_a_node_that_hangs_is_killed_and_comes_back(way: str, ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address, hang_timeout=HANG) as on:
        fault = on.tell(way)
        status = on.flows_again(1)
    row = on.report(f"{HANGS[way]}, `hang_timeout` 4 s", "stale, killed, restarted", fault, "stale", status)
    assert status["nodes"]["bad"]["restarts"] == 1
    unharmed(row, status)


def test_a_stopped_node_is_killed_and_comes_back(ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address, hang_timeout=HANG) as on:
        fault = sent(signal.SIGSTOP, on)
        status = on.flows_again(1)
    row = on.report("SIGSTOP, `hang_timeout` 4 s", "stale, killed, restarted", fault, "stale", status)
    assert status["nodes"]["bad"]["restarts"] == 1
    unharmed(row, status)


def test_a_stopped_node_that_is_let_go_on_catches_up(ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address) as on:
        fault = sent(signal.SIGSTOP, on)
        wait_until(lambda: on.run.status()["nodes"]["bad"]["stale"], what="stale")
        os.kill(on.run.status()["nodes"]["bad"]["pid"], signal.SIGCONT)
        status = on.flows_again(0)
    row = on.report("SIGSTOP, then SIGCONT once it is stale", "stale, then runs on", fault, "stale", status)
    assert status["nodes"]["bad"]["restarts"] == 0
    assert row.repeated == 0
    unharmed(row, status)


def test_an_exception_is_reported_and_the_loops_go_on(ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address) as on:
        fault = on.tell("exception")
        status = on.flows_again(0)
    row = on.report("exception in `loop()`", "reported; the next loop runs", fault, "told to fail", status)
    assert status["nodes"]["bad"]["exceptions"] == 1
    assert row.repeated == 0
    unharmed(row, status)


def storm(on: Scene, kills: int) -> Fault:
    """Kill each life of the bad node as soon as it runs."""
    fault = sent(signal.SIGKILL, on)
    for number in range(2, kills + 1):
        wait_until(_next_life(on, number - 1), what=f"life {number}")
        fault = sent(signal.SIGKILL, on)
    return fault


def _next_life(on: Scene, restarts: int) -> Callable[[], bool]:
    def begun() -> bool:
        node = on.run.status()["nodes"]["bad"]
        return bool(node["restarts"] == restarts and node["state"] == "running")

    return begun


def test_beyond_its_budget_a_node_ends_the_run(ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address, restart={"max": 3, "window": 60}) as on:
        storm(on, 4)
        status = finish(on.run, ExitCode.SCRIPT)
    balanced(status)
    assert status["nodes"]["bad"]["restarts"] == 3
    assert status["nodes"]["bad"]["state"] == "failed"
    assert {status["nodes"][n]["state"] for n in ("above", "reader", "beside", "listener")} == {"stopped"}
    record(FaultRow("SIGKILL again and again, beyond the budget", "the run ends in good order, exit code 4"))


@pytest.mark.parametrize(
    ("where", "outcome"),
    [
        ("init", "the graph does not start; traceback; exit code 4"),
        ("cleanup", "reported; all others clean up; exit code 0"),
    ],
)
def test_an_exception_outside_of_loop(where: str, outcome: str, ray_address: str, tmp_path: Path) -> None:
    more = {"script": "faulty.py", "params": {"where": where, "at": 0}}
    document = fault_graph(tmp_path, 100, **more)
    if where == "init":
        with pytest.raises(NodeFailed, match="init is broken"), running(document, ray_address):
            pass
    else:
        with running(document, ray_address) as run:
            status = finish(run)
            assert "cleanup is broken" in told(run)
        balanced(status)
        assert {node["state"] for node in status["nodes"].values()} == {"stopped"}
    record(FaultRow(f"exception in `{where}()`", outcome))
