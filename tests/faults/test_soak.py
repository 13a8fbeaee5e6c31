"""An hour of the EEG example with a random node killed every minute (``-m soak``): what grows, what is lost.

``RENA_SOAK_MINUTES`` says how long, ``RENA_SOAK_SEED`` which kills; the figures go to the file ``RENA_SOAK_REPORT``.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import GRAPHS
from tests.faults.watching import Growth, ProcessWatch, until
from tests.live.launching import example, launched
from tests.runtime.live import balanced, finish, told, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.lsl]

MINUTES = float(os.environ.get("RENA_SOAK_MINUTES", "60"))


def kill_and_wait(run: Any, node: str) -> float:
    """Kill a node's process; seconds until it runs again."""
    status = run.status()["nodes"][node]
    began = time.monotonic()
    os.kill(status["pid"], signal.SIGKILL)

    def back() -> bool:
        now = run.status()["nodes"][node]
        return bool(now["restarts"] > status["restarts"] and now["state"] == "running")

    wait_until(back, what=f"{node} to come back")
    return time.monotonic() - began


@pytest.mark.soak
@pytest.mark.timeout(MINUTES * 60 + 300)
def test_an_hour_of_eeg_with_a_kill_a_minute(ray_address: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("RENA_SOAK_SEED", "1"))
    draw = random.Random(seed)
    document = example("eeg/feedback.json")
    kills = max(1, int(MINUTES) - 1)
    for node in document["nodes"].values():
        node["restart"] = {"policy": "on_failure", "max": 5, "window": 60}
    back: list[float] = []
    with launched(document, ray_address, GRAPHS / "eeg") as run:
        with ProcessWatch(run.id) as watch:
            began = time.monotonic()
            for number in range(1, kills + 1):
                until(began + 60 * number)
                back.append(kill_and_wait(run, draw.choice(list(document["nodes"]))))
            until(began + 60 * MINUTES)
        run.stop()
        status = finish(run)
        errors = [r for r in map(json.loads, told(run).splitlines()) if r["level"] == "error"]
    lasting = [g for g in watch.seen.values() if g.seconds > 120]
    report = Path(os.environ.get("RENA_SOAK_REPORT", tmp_path / "soak.json"))
    report.write_text(json.dumps(figures(seed, back, status, lasting), indent=1))
    balanced(status)
    assert sum(node["restarts"] for node in status["nodes"].values()) == kills
    assert not errors
    assert lasting
    for growth in lasting:
        assert growth.fds[-1] <= max(growth.fds[: len(growth.fds) // 2]) + 2, growth.what
        # Ray's own pools grow and shrink by a few threads.
        assert growth.threads[-1] <= max(growth.threads[: len(growth.threads) // 2]) + 4, growth.what


def figures(seed: int, back: list[float], status: dict[str, Any], lasting: list[Growth]) -> dict[str, Any]:
    """What the soak is for."""
    return {
        "seed": seed,
        "kills": len(back),
        "seconds_until_back": {"median": sorted(back)[len(back) // 2], "longest": max(back)},
        "megabytes_a_minute": {
            f"{g.what[:60]} ({g.seconds / 60:.0f} min)": round(g.megabytes_a_minute, 3) for g in lasting
        },
        "streams": {name: stream["produced"] for name, stream in status["streams"].items()},
        "edges": [
            {key: edge[key] for key in ("stream", "to", "produced", "delivered", "dropped", "in_flight", "repeated")}
            for edge in status["edges"]
        ],
    }
