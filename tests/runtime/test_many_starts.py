"""Many starts and stops, a few at a time: each ends well, and nothing of any of them stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from rena_graph.errors import ExitCode
from tests.limits import LIMIT
from tests.runtime.live import collect, counter, document, running, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.slow]

AT_A_TIME = 4


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "starts", [5, pytest.param(20, marks=pytest.mark.faults), pytest.param(50, marks=pytest.mark.soak)]
)
def test_starts_and_stops_leave_nothing_behind(starts: int, ray_address: str, tmp_path: Path) -> None:
    def once(number: int) -> ExitCode | None:
        doc = document({"C": counter(100)}, {"last": collect(tmp_path / f"{number}.npz", "C")})
        with running(doc, ray_address) as run:
            run.stop()
            return run.wait(LIMIT)

    process = psutil.Process()
    once(0)
    files, threads = process.num_fds(), process.num_threads()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        ends = list(pool.map(once, range(1, starts)))
    assert ends == [ExitCode.OK] * (starts - 1)
    assert all((tmp_path / f"{number}.npz").exists() for number in range(starts)), "every cleanup() ran"
    wait_until(lambda: process.num_fds() <= files, what="all files closed")
    wait_until(lambda: process.num_threads() <= threads + 1, what="all threads ended")
