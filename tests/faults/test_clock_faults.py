"""The wall clock is set by an hour, forwards and back, while a graph runs: no rate and no stamp follows it."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.launch.client import Run, launch
from rena_graph.runtime.options import LaunchOptions
from tests.faults.scene import RATE, Scene, fault_graph
from tests.faults.table import FaultRow, record
from tests.limits import LIMIT
from tests.runtime.live import SCRIPTS, balanced, collect, finish, kept, told, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(240)]

HOUR = 3600


@pytest.fixture
def set_wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Every process that is started from now on reads a wall clock that is so many seconds ahead."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler: the shifted clock is made with one")
    library, shift = tmp_path / "wall_shift.so", tmp_path / "shift"
    source = Path(__file__).with_name("wall_shift.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True, timeout=LIMIT)
    shift.write_bytes(bytes(8))
    with shift.open("r+b") as file, mmap.mmap(file.fileno(), 8) as there:
        monkeypatch.setenv("LD_PRELOAD", str(library))
        monkeypatch.setenv("WALL_SHIFT", str(shift))

        def set_to(seconds: int) -> None:
            there[:] = seconds.to_bytes(8, sys.byteorder, signed=True)

        yield set_to


def loops_after_it_was_said(run: Run, times: int) -> None:
    """Until it was said so often that the clock was set, and the node on the clock has made two seconds of loops."""
    wait_until(lambda: told(run).count("wall clock was set by") >= times, what="that it was said")
    count = run.status()["nodes"]["bad"]["loops"] + 100
    wait_until(lambda: run.status()["nodes"]["bad"]["loops"] >= count, what="loops")


def test_rates_and_stamps_do_not_follow_the_wall_clock_and_that_it_was_set_is_said(
    set_wall_clock: Callable[[int], None], tmp_path: Path
) -> None:
    document = fault_graph(tmp_path, trigger="clock", run_frequency=50)
    document["nodes"]["keeper"] = collect(tmp_path / "stamps.npz", "X", buffer_duration=10.0)
    graph = graph_from_dict(document, SCRIPTS, allow_code=[tmp_path])
    with launch(graph, LaunchOptions(address="local")) as run:
        run.start()
        scene = Scene(run, tmp_path)
        scene.wait_until_it_flows()
        began = time.monotonic()
        for ahead, seen in ((HOUR, 1), (-HOUR, 2)):
            set_wall_clock(ahead)
            loops_after_it_was_said(run, seen)
        ended = time.monotonic()
        run.stop()
        status = finish(run)
    balanced(status)
    said = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    assert [round(e["seconds"]) for e in said if e["event"] == "wall_clock"] == [HOUR, -2 * HOUR]
    assert not any(e["event"] in ("restart", "stale") for e in said)
    for name in ("reader", "listener"):
        values, times = (kept(tmp_path / f"{name}.npz")[key] for key in ("values", "times"))
        assert np.all(np.diff(times) >= 0), name
        assert len(np.unique(values)) == len(values), name
    stamps = kept(tmp_path / "stamps.npz")["X.stamps"]
    assert np.all(np.diff(stamps) >= 0)
    assert np.max(np.diff(stamps)) < 60, "no hole of an hour"
    came = np.count_nonzero((times >= began) & (times < ended)) / ((ended - began) * RATE)
    assert came > 0.9
    record(FaultRow("wall clock: set by +1 h, then by -2 h", "said; nothing follows it", neighbours=float(came)))


def test_the_clock_that_is_set_is_that_of_what_is_started(set_wall_clock: Callable[[int], None]) -> None:
    set_wall_clock(HOUR)
    said = subprocess.run(["date", "+%s"], capture_output=True, text=True, check=True, env=os.environ.copy())
    assert abs(int(said.stdout) - time.time() - HOUR) < 30
