"""A restart where streams go over ZMQ: the state is there again, what was sent meanwhile is not, and is counted."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from rena_graph.cli.view.ledger import ledger_lines
from tests.faults.table import FaultRow, record
from tests.runtime.live import balanced, finish, kept, running, told, wait_until
from tests.runtime.test_kept_state_live import graph

pytestmark = [pytest.mark.ray, pytest.mark.faults]

SAMPLES = 2400


def test_over_zmq_a_killed_node_keeps_its_state_and_its_losses_are_counted(ray_address: str, tmp_path: Path) -> None:
    with running(graph(tmp_path, SAMPLES, "counts_on.py"), ray_address, "zmq") as run:
        wait_until(lambda: run.status()["edges"][0]["delivered"] > 100)
        os.kill(run.status()["nodes"]["keeper"]["pid"], signal.SIGKILL)
        wait_until(lambda: run.status()["edges"][0]["dropped"].get("restart"), what="what was lost, in the status")
        status = finish(run)
    balanced(status)
    node, edge = status["nodes"]["keeper"], status["edges"][0]
    assert (node["restarts"], node["exceptions"]) == (1, 0), told(run)
    assert set(edge["dropped"]) == {"restart"}
    lost = edge["dropped"]["restart"]
    assert edge["delivered"] + lost == SAMPLES
    assert f"{lost:,} passed while the node was away (restart)" in "\n".join(ledger_lines(status["edges"]))
    # What the killed process sent last may have died with its socket, or be sent again by the next one.
    numbers, counts, _ = kept(tmp_path / "a.npz")["X"].T
    once = np.unique(numbers)
    assert len(once) <= SAMPLES - lost
    assert counts[-1] == SAMPLES - lost, "its state went on where it stopped: a new one would have begun at 0"
    assert counts[0] == 1
    gone, repeated = SAMPLES - lost - len(once), len(numbers) - len(once)
    outcome = "restarted, with its state; what came meanwhile is counted as dropped"
    record(FaultRow("SIGKILL, streams over ZMQ", outcome, lost=lost + gone, repeated=repeated))
