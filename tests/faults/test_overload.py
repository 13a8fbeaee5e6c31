"""A host that is truly overloaded: the node that suffers is named with the reason, and others give way to it.

The node has one processor, which it shares with many programs that want it all; so neither the number of processors nor
what else the machine does matters much. It takes minutes on a busy machine: run it by hand (``-m soak``).
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.limits import LIMIT
from tests.runtime.live import document, finish, running, told, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.soak, pytest.mark.timeout(900)]

BURNERS = 30
NEEDS = 0.1
"""Of a processor: three times what is left for the node, and little enough to be had where nobody burns."""
RATE = 20.0


class Crowd:
    """Programs that want the processor of a process as much as it does; a context manager.

    Each has a session of its own, since schedulers may share by session first, and the nice value of that process,
    since others share by nothing else: either way the process has its part of the processor, and no less.

    Parameters
    ----------
    pid : int
        That process, which is bound to the processor meanwhile.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._burners: list[subprocess.Popen[bytes]] = []
        self._everywhere = os.sched_getaffinity(0)

    def __enter__(self) -> Crowd:
        cpu, nice = {max(self._everywhere)}, os.getpriority(os.PRIO_PROCESS, self._pid)
        for _ in range(BURNERS):
            burner = subprocess.Popen(["sh", "-c", "while :; do :; done"], start_new_session=True)
            self._burners.append(burner)
            os.sched_setaffinity(burner.pid, cpu)
            os.setpriority(os.PRIO_PROCESS, burner.pid, nice)
        os.sched_setaffinity(self._pid, cpu)
        return self

    def thin(self) -> None:
        """End a quarter of the programs that are left, but for the last one."""
        for _ in range(len(self._burners) // 4):
            self._end(self._burners.pop())

    def _end(self, burner: subprocess.Popen[bytes]) -> None:
        burner.kill()
        burner.wait(LIMIT)

    def __exit__(self, *_: object) -> None:
        while self._burners:
            self._end(self._burners.pop())
        with suppress(ProcessLookupError):
            os.sched_setaffinity(self._pid, self._everywhere)


def burns(seconds: float, **more: Any) -> dict[str, Any]:
    return {"script": "burns.py", "run_frequency": RATE, "params": {"seconds": seconds}, **more}


def test_a_starved_node_is_named_and_a_less_important_one_gives_way(ray_address: str, tmp_path: Path) -> None:
    nodes = {
        "must": burns(NEEDS / RATE, importance=90, on_overload="throttle"),
        "equal": burns(0.001, importance=90),
        "less": burns(0.001, importance=10),
    }
    with running(document({}, nodes), ray_address) as run:

        def node(name: str) -> dict[str, Any]:
            return dict(run.status()["nodes"][name])

        def slowed(name: str) -> float | None:
            return (node(name)["keeping"] or {}).get("slowed_to")

        wait_until(lambda: node("must")["loops"] > 2 * RATE, 60.0, "loops")
        with Crowd(node("must")["pid"]) as crowd:

            def two_steps_down() -> bool:
                if node("must")["stale"]:  # others want that processor as well: so little is a hang, and not a rate
                    crowd.thin()
                    wait_until(lambda: not node("must")["stale"], 60.0, "a loop")
                return (slowed("less") or 1.0) < 0.7

            wait_until(two_steps_down, 240.0, "two steps down")
            starved = node("must")
            assert starved["keeping"]["verdict"] == "host overloaded", starved["keeping"]
            assert "it waits for a processor" in starved["keeping"]["reason"]
            assert node("less")["frequency"] < 0.7 * RATE, "it runs at what it was slowed to"
            assert slowed("equal") is None
        wait_until(lambda: node("must")["keeping"]["verdict"] == "keeps up", 120.0, "a node that is well again")
        wait_until(lambda: slowed("less") is None, 240.0, "all given back")
        wait_until(lambda: node("less")["frequency"] == RATE, 10.0, "the rate that is asked")
        run.stop()
        status = finish(run)
        said = told(run)
    assert "cannot keep up: host overloaded: " in said
    assert "; less important nodes are slowed" in said
    assert "for the sake of must" in said
    assert "given back" in said
    assert status["nodes"]["equal"]["frequency"] == RATE
