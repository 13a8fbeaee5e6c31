"""A recording played as fast as it is read, over edges of policy ``block``: whoever dies, no sample is lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults.table import FaultRow, record
from tests.runtime.live import balanced, collect, document, finish, kept, relay, running, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.faults]

SAMPLES, RATE = 120_000, 1000.0


def block(stream: str, **more: Any) -> dict[str, Any]:
    # Above what a restart takes on the busiest machine; that less would do is for tests/transport/test_backpressure.py.
    return {"stream": stream, "policy": "block", "block_timeout": 60.0, "lossless": True, **more}


def batch(folder: Path, **bad: Any) -> dict[str, Any]:
    """R → bad → last; a loop of the bad one takes a second of samples, twenty times a second."""
    np.savez(folder / "r.npz", data=np.arange(SAMPLES, dtype=np.float64)[:, None], rate=RATE)
    recording = {"from": {"recording": {"path": str(folder / "r.npz"), "speed": 100_000}}}
    nodes = {
        "bad": {**relay("R", "X", RATE, 1, run_frequency=20, buffer_duration=1.0), **bad},
        "last": collect(folder / "a.npz", block("X")),
    }
    nodes["bad"]["inputs"] = [block("R", **{"as": "in"})]
    return document({"R": recording}, nodes)


def taken(status: dict[str, Any]) -> int:
    return next(int(edge["delivered"]) for edge in status["edges"] if edge["to"] == "bad")


@pytest.mark.parametrize("way", ["SIGKILL", "an exception", "asked to restart"])
def test_a_reader_that_is_started_anew_loses_nothing(way: str, ray_address: str, tmp_path: Path) -> None:
    bad: dict[str, Any] = {}
    if way == "an exception":
        params = {"where": "loop", "at": 30, "mark": str(tmp_path / "mark")}
        bad = {"script": "faulty.py", "on_error": "restart", "params": params}
    with running(batch(tmp_path, **bad), ray_address) as run:
        wait_until(lambda: taken(run.status()) > SAMPLES / 10, what="a tenth of the samples")
        if way == "SIGKILL":
            os.kill(run.status()["nodes"]["bad"]["pid"], signal.SIGKILL)
        elif way == "asked to restart":
            run.restart("bad")
        status = finish(run, limit=120.0)
    balanced(status)
    node = status["nodes"]["bad"]
    assert node["restarts"] + node["asked_restarts"] == 1
    assert [edge["dropped"] for edge in status["edges"]] == [{}, {}]
    assert status["streams"]["R"]["block_timeouts"] == 0
    values = kept(tmp_path / "a.npz")["X"][:, 0]
    assert np.array_equal(np.unique(values), np.arange(SAMPLES))
    repeated = len(values) - SAMPLES
    assert repeated <= 1000, "no more than the loop that was interrupted"
    if way == "SIGKILL":
        outcome = "restarted; the recording waits for it"
        name = "SIGKILL, of a reader of policy `block` of a recording at full speed"
        record(FaultRow(name, outcome, lost=0, repeated=repeated))


def test_a_writer_does_not_wait_for_whom_nobody_starts_anew(ray_address: str, tmp_path: Path) -> None:
    from rena_graph.errors import ExitCode

    doc = batch(tmp_path)
    doc["nodes"]["last"].update(restart={"policy": "never", "on_give_up": "degrade"}, run_frequency=20)
    with running(doc, ray_address) as run:
        wait_until(lambda: run.status()["nodes"]["last"].get("loops", 0) > 5, what="some loops")
        os.kill(run.status()["nodes"]["last"]["pid"], signal.SIGKILL)
        status = finish(run, ExitCode.SCRIPT, limit=120.0)
    assert taken(status) == SAMPLES
    assert status["streams"]["X"]["block_timeouts"] == 0
