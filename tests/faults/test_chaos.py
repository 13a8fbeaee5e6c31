"""Ten minutes of random faults to a running graph (``-m chaos``), and what must hold afterwards whatever happened.

``RENA_CHAOS_MINUTES`` says how long, ``RENA_CHAOS_SEED`` which faults; a failure names the seed. A minute of it is part
of the long leg.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rena_graph.errors import RenaGraphError
from rena_graph.runtime.launch.client import Run
from tests.faults.watching import run_processes, until
from tests.runtime.live import balanced, collect, counter, document, finish, kept, relay, running, wait_until

pytestmark = pytest.mark.ray

RATE = 250.0
NODES = ("one", "two", "three")
MEAN_PAUSE = 2.0
"""Seconds between two faults, on average."""
KILLS_A_MINUTE = 4
"""Of coordinator and agent each: from the sixth within a minute on they are given up, as they should be."""


def chain(folder: Path) -> dict[str, Any]:
    """Three relays in a row, one of them on the clock, and one that keeps all that comes; windows bear a restart."""
    more: dict[str, Any] = {"buffer_duration": 20.0, "restart": {"policy": "on_failure", "max": 10_000, "window": 60}}
    nodes = {
        "one": relay("C", "A", RATE, **more),
        "two": {**relay("A", "B", RATE, **more), "trigger": "clock", "run_frequency": 100},
        "three": relay("B", "X", RATE, **more),
        "last": collect(folder / "a.npz", "X", buffer_duration=20.0),
    }
    return document({"C": counter(RATE)}, nodes)


class Chaos:
    """Draws faults from a seed and does them to a run.

    Parameters
    ----------
    run : Run
        The victim.
    seed : int
        What is drawn.
    """

    def __init__(self, run: Run, seed: int) -> None:
        self._run = run
        self._draw = random.Random(seed)
        self.done: list[str] = []
        self._ends: dict[str, list[float]] = {}
        self._faults: list[Callable[[str], None]] = [
            self.kill,
            self.kill,
            self.stop_for_a_while,
            self.change_rate,
            self.pause_for_a_while,
            self.restart,
            self.kill_coordinator,
            self.kill_agent,
        ]

    def go_on(self, seconds: float) -> None:
        """Faults at random times, for so long; returns when every node runs again."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            due = now + self._draw.expovariate(1 / MEAN_PAUSE)
            until(due)
            fault, node = self._draw.choice(self._faults), self._draw.choice(NODES)
            self.done.append(f"{fault.__name__} {node}")
            fault(node)
        wait_until(self._all_run, 60.0, "every node to run again")

    def _all_run(self) -> bool:
        with suppress(RenaGraphError):  # who answers may have been killed just now
            nodes = self._run.status()["nodes"].values()
            return all(node["state"] == "running" and not node["stale"] for node in nodes)
        return False

    def _signal(self, node: str, signum: signal.Signals) -> None:
        with suppress(RenaGraphError, ProcessLookupError):
            pid = self._run.status()["nodes"][node]["pid"]
            if pid:
                os.kill(pid, signum)

    def kill(self, node: str) -> None:
        self._signal(node, signal.SIGKILL)

    def stop_for_a_while(self, node: str) -> None:
        self._signal(node, signal.SIGSTOP)
        self._wait(self._draw.uniform(0.1, 2.0))
        self._signal(node, signal.SIGCONT)

    def change_rate(self, node: str) -> None:
        with suppress(RenaGraphError):
            self._run.set_frequency(node, self._draw.choice([50.0, 100.0, 250.0, 500.0]))

    def pause_for_a_while(self, node: str) -> None:
        with suppress(RenaGraphError):
            self._run.pause(node)
        self._wait(self._draw.uniform(0.1, 1.0))
        wait_until(lambda: self._resumed(node), 30.0, f"{node} to be resumed")

    def _resumed(self, node: str) -> bool:
        with suppress(RenaGraphError):
            self._run.resume(node)
            return True
        return False

    def restart(self, node: str) -> None:
        with suppress(RenaGraphError):
            self._run.restart(node)

    def kill_coordinator(self, _: str) -> None:
        self._kill_actor("CoordinatorActor")

    def kill_agent(self, _: str) -> None:
        self._kill_actor("AgentActor")

    def _kill_actor(self, name: str) -> None:
        now = time.monotonic()
        self._ends[name] = [then for then in self._ends.get(name, []) if now - then < 60]
        if len(self._ends[name]) >= KILLS_A_MINUTE:
            return
        self._ends[name].append(now)
        for pid, command in run_processes(self._run.id).items():
            if name in command:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _wait(self, seconds: float) -> None:
        until(time.monotonic() + seconds)


@pytest.mark.parametrize(
    "minutes",
    [
        pytest.param(1.0, marks=pytest.mark.faults),
        pytest.param(float(os.environ.get("RENA_CHAOS_MINUTES", "10")), marks=pytest.mark.chaos),
    ],
)
@pytest.mark.timeout(3600)
def test_whatever_happens_is_counted(minutes: float, ray_address: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("RENA_CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    with running(chain(tmp_path), ray_address) as run:
        wait_until(lambda: run.status()["nodes"]["last"].get("loops"))
        chaos = Chaos(run, seed)
        chaos.go_on(60 * minutes)
        run.stop()
        status = finish(run, limit=60.0)
    story = f"seed {seed}: {chaos.done}"
    balanced(status)
    data = kept(tmp_path / "a.npz")["X"][:, 0].astype(np.int64)
    produced = status["streams"]["C"]["produced"]
    assert len(np.unique(data)) + lost(status) >= produced - in_flight(status), story
    # What comes twice was given again to a life that began anew, and is counted as that.
    twice = len(data) - len(np.unique(data))
    assert twice <= sum(edge["repeated"] for edge in status["edges"]), story
    assert np.all(np.diff(np.unique(data)) >= 1), story
    assert status["nodes"]["last"]["restarts"] == 0, story


def lost(status: dict[str, Any]) -> int:
    """Samples that were dropped on the chain, wherever."""
    return sum(sum(edge["dropped"].values()) for edge in status["edges"])


def in_flight(status: dict[str, Any]) -> int:
    return sum(int(edge["in_flight"]) for edge in status["edges"])
