"""Ten minutes of random faults to a running graph (``-m chaos``), and what must hold afterwards whatever happened.

``RENA_CHAOS_MINUTES`` says how long, ``RENA_CHAOS_SEED`` which faults; a failure names the seed. A minute of it, with
the same faults each time, is part of the long leg.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

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
        self._seed = seed
        self._draw = random.Random(seed)
        self._done: list[str] = []
        self._killed: set[int] = set()
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
        """Faults at random times, for so long; returns when all that was killed is back, and every node runs."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            due = now + self._draw.expovariate(1 / MEAN_PAUSE)
            until(due)
            fault, node = self._draw.choice(self._faults), self._draw.choice(NODES)
            self._done.append(f"{fault.__name__} {node}")
            fault(node)
        loops = wait_until(self._loops, 120.0, "every node to run again")
        # The agent that counts loops for the coordinator is a new one too, once it has counted more of them.
        wait_until(lambda: self._beyond(loops), 120.0, "every node to go on")

    @contextmanager
    def named(self) -> Iterator[None]:
        """Whatever fails in here is told with what has to be done to see it again."""
        try:
            yield
        except Exception as error:
            raise AssertionError(f"{error}\nseed {self._seed}: {self._done}") from error

    def _loops(self) -> dict[str, int] | None:
        """What each node counts, if all run and nobody who answers or is told of was killed; else None."""
        if any(psutil.pid_exists(pid) for pid in self._killed):
            return None
        with suppress(RenaGraphError):  # who answers may have been killed just now
            status = self._run.status()
            nodes = status["nodes"]
            known = {status["pid"], *(node.get("pid") for node in nodes.values())}
            all_run = all(node["state"] == "running" and not node["stale"] for node in nodes.values())
            if all_run and not known & {None, *self._killed}:
                return {name: int(node["loops"]) for name, node in nodes.items()}
        return None

    def _beyond(self, loops: dict[str, int]) -> bool:
        now = self._loops()
        return now is not None and all(now[name] > count for name, count in loops.items())

    def _pid(self, node: str) -> int | None:
        with suppress(RenaGraphError):
            pid: int | None = self._run.status()["nodes"][node].get("pid")
            return pid
        return None

    def kill(self, node: str) -> None:
        pid = self._pid(node)
        if pid:
            self._kill(pid)

    def _kill(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._killed.add(pid)

    def stop_for_a_while(self, node: str) -> None:
        pid = self._pid(node)
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self._wait(self._draw.uniform(0.1, 2.0))
                os.kill(pid, signal.SIGCONT)

    def change_rate(self, node: str) -> None:
        with suppress(RenaGraphError):
            self._run.set_frequency(node, self._draw.choice([50.0, 100.0, 250.0, 500.0]))

    def pause_for_a_while(self, node: str) -> None:
        with suppress(RenaGraphError):
            self._run.pause(node)
        self._wait(self._draw.uniform(0.1, 1.0))
        wait_until(lambda: self._resumed(node), what=f"{node} to be resumed")

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
                self._kill(pid)

    def _wait(self, seconds: float) -> None:
        until(time.monotonic() + seconds)


@pytest.mark.parametrize(
    ("minutes", "seed"),
    [
        pytest.param(1.0, 1, marks=pytest.mark.faults),
        pytest.param(
            float(os.environ.get("RENA_CHAOS_MINUTES", "10")),
            random.SystemRandom().randrange(10**6),
            marks=pytest.mark.chaos,
            id="random",
        ),
    ],
)
@pytest.mark.timeout(3600)
def test_whatever_happens_is_counted(minutes: float, seed: int, ray_address: str, tmp_path: Path) -> None:
    with running(chain(tmp_path), ray_address) as run:
        wait_until(lambda: run.status()["nodes"]["last"].get("loops"), what="loops")
        chaos = Chaos(run, int(os.environ.get("RENA_CHAOS_SEED", seed)))
        with chaos.named():
            chaos.go_on(60 * minutes)
            run.stop()
            status = finish(run)
            all_is_counted(status, kept(tmp_path / "a.npz")["X"][:, 0].astype(np.int64))


def all_is_counted(status: dict[str, Any], data: NDArray[np.int64]) -> None:
    """What was produced came to the last node, or was dropped, or was on its way; and what came twice is counted."""
    balanced(status)
    produced = status["streams"]["C"]["produced"]
    assert len(np.unique(data)) + lost(status) >= produced - in_flight(status)
    # What comes twice was given again to a life that began anew, and is counted as that.
    twice = len(data) - len(np.unique(data))
    assert twice <= sum(edge["repeated"] for edge in status["edges"])
    assert status["nodes"]["last"]["restarts"] == 0


def lost(status: dict[str, Any]) -> int:
    """Samples that were dropped on the chain, wherever."""
    return sum(sum(edge["dropped"].values()) for edge in status["edges"])


def in_flight(status: dict[str, Any]) -> int:
    return sum(int(edge["in_flight"]) for edge in status["edges"])
