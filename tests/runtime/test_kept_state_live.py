"""State across the death of a node in a real run."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rena_graph.errors import ExitCode
from tests.runtime.live import balanced, collect, counter, document, finish, kept, running, told, wait_until
from tests.runtime.test_restart_without_a_hole import expected, without_repeats

pytestmark = pytest.mark.ray


def graph(tmp_path: Path, samples: int, script: str = "keeps_state.py") -> dict[str, Any]:
    keeper = {
        "script": script,
        "trigger": "data",
        "run_frequency": 200,
        "inputs": ["C"],
        "outputs": {"X": {"channels": 3, "dtype": "float64", "rate": 200}},
    }
    # Its window is longer than a restart takes, that of the one under test is not.
    last = collect(tmp_path / "a.npz", "X", buffer_duration=10.0)
    return document({"C": counter(200, 1, samples=samples)}, {"keeper": keeper, "last": last})


def test_a_killed_node_goes_on_with_its_state_sample_for_sample(ray_address: str, tmp_path: Path) -> None:
    with running(graph(tmp_path, 1200), ray_address) as run:
        wait_until(lambda: run.status()["edges"][0]["delivered"] > 100)
        os.kill(run.status()["nodes"]["keeper"]["pid"], signal.SIGKILL)
        status = finish(run)
    balanced(status)
    node = status["nodes"]["keeper"]
    assert (node["restarts"], node["exceptions"], node["states_refused"]) == (1, 0, 0), told(run)
    assert node["state_bytes"] > 0
    data, again = without_repeats(kept(tmp_path / "a.npz")["X"])
    assert np.array_equal(data, expected(1200))
    assert again == status["streams"]["X"]["repeated"]
    edge = status["edges"][0]
    assert (edge["delivered"], edge["dropped"]) == (1200, {})
    assert not list(Path("/dev/shm").glob(f"rg-{run.id}-*")), "the state's files are gone"


def test_a_state_that_is_not_taken_up_ends_the_run_as_init_does(ray_address: str, tmp_path: Path) -> None:
    with running(graph(tmp_path, 100_000, "refuses_state.py"), ray_address) as run:
        wait_until(lambda: run.status()["edges"][0]["delivered"] > 20)
        os.kill(run.status()["nodes"]["keeper"]["pid"], signal.SIGKILL)
        finish(run, ExitCode.SCRIPT)
        said = told(run)
    assert "load_state failed" in said
    assert "a state of another version" in said
