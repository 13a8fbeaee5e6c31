"""A host that is truly overloaded: the node that suffers is named with the reason, and others give way to it.

The node has one processor, which it shares with many programs that want it all; so neither the number of processors nor
what else the machine does matters.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.live import document, finish, running, told, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(600)]

BURNERS = 30
NEEDS = 0.1
"""Of a processor: three times what is left for the node, and little enough to be had where nobody burns."""
RATE = 20.0


@contextmanager
def crowded(cpu: int) -> Iterator[None]:
    """A processor that others want too, each in a session of its own: schedulers may share by session first."""
    burners: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(BURNERS):
            burners.append(subprocess.Popen(["sh", "-c", "while :; do :; done"], start_new_session=True))
            os.sched_setaffinity(burners[-1].pid, {cpu})
        yield
    finally:
        for burner in burners:
            burner.kill()
        for burner in burners:
            burner.wait(30.0)


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
        pid, everywhere = node("must")["pid"], os.sched_getaffinity(0)
        cpu = max(everywhere)
        with crowded(cpu):
            os.sched_setaffinity(pid, {cpu})
            wait_until(lambda: (slowed("less") or 1.0) < 0.7, 120.0, "two steps down")
            starved = node("must")
            assert starved["keeping"]["verdict"] == "host overloaded", starved["keeping"]
            assert "it waits for a processor" in starved["keeping"]["reason"]
            assert node("less")["frequency"] < 0.7 * RATE, "it runs at what it was slowed to"
            assert slowed("equal") is None
            os.sched_setaffinity(pid, everywhere)
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
