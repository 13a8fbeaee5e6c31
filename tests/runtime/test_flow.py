"""Samples through real graphs: real Ray actors, real rings and sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime.live import balanced, collect, counter, document, finish, kept, relay, running, told, wait_until

pytestmark = pytest.mark.ray


@pytest.mark.parametrize(
    ("rate", "samples", "transport"),
    [
        (2048.0, 4096, "ring"),
        (250.0, 500, "zmq"),
        pytest.param(250.0, 1250, "ring", marks=pytest.mark.long),
        pytest.param(2048.0, 10240, "zmq", marks=pytest.mark.long),
    ],
)
def test_five_nodes_pass_on_every_sample_once_and_in_order(
    rate: float, samples: int, transport: str, ray_address: str, tmp_path: Path
) -> None:
    nodes: dict[str, Any] = {}
    for i in range(1, 5):
        nodes[f"relay_{i}"] = relay(f"C{i - 1}", f"C{i}", rate)
    nodes["last"] = collect(tmp_path / "kept.npz", "C4")
    doc = document({"C0": counter(rate, samples=samples)}, nodes)
    with running(doc, ray_address, transport) as run:
        status = finish(run)
    balanced(status)
    data = kept(tmp_path / "kept.npz")
    assert np.array_equal(data["C4"][:, 0], np.arange(samples))
    steps = np.diff(data["C4.stamps"])
    assert np.allclose(steps, 1 / rate, atol=1e-6)
    assert all(edge["delivered"] == samples and not edge["dropped"] for edge in status["edges"])
    assert status["transport"] == transport


def test_parameters_hold_from_the_next_loop_and_bad_ones_change_nothing(ray_address: str, tmp_path: Path) -> None:
    from rena_graph.errors import ParamRefused, RenaGraphError

    nodes = {"last": collect(tmp_path / "a.npz", "C", trigger="clock", run_frequency=100)}
    nodes["last"]["params"]["gain"] = {"type": "float", "value": 1.0, "min": 0, "max": 10}
    with running(document({"C": counter(250)}, nodes), ray_address) as run:
        run.params["last"]["path"] = str(tmp_path / "b.npz")
        run.params["last"]["gain"] = 3
        with pytest.raises(RenaGraphError, match="10") as caught:
            run.params["last"]["gain"] = 11
        assert caught.value.exit_code == ParamRefused.exit_code
        with pytest.raises(RenaGraphError, match="gian"):
            run.params["last"]["gian"] = 1
        assert run.params["last"]["gain"] == 3.0
        run.change_params("last", add={"new": 5}, remove=["gain"])
        assert dict(run.params["last"]) == {"path": str(tmp_path / "b.npz"), "new": 5}
        wait_until(lambda: run.status()["nodes"]["last"]["loops"] >= 50)
        run.stop()
        node = finish(run)["nodes"]["last"]
    assert (node["frequency"], node["state"]) == (100, "stopped")
    assert not (tmp_path / "a.npz").exists()
    assert (tmp_path / "b.npz").exists()


@pytest.mark.parametrize("transport", ["ring", "zmq"])
def test_blocks_are_cut_at_exactly_their_sample(transport: str, ray_address: str, tmp_path: Path) -> None:
    """`every`: one loop for 32 samples, and of the other stream what is stamped no later than the block's last."""
    nodes = {"last": collect(tmp_path / "a.npz", "A", "B")}
    del nodes["last"]["run_frequency"]
    nodes["last"]["trigger"] = {"stream": "A", "every": 32, "wait": 1.0}
    streams = {"A": counter(1000, samples=3200), "B": counter(500, samples=1700)}
    with running(document(streams, nodes), ray_address, transport) as run:
        status = finish(run)
    balanced(status)
    data = kept(tmp_path / "a.npz")
    assert data["loops"] == 100
    assert status["nodes"]["last"]["overruns"] == 0, "nothing says how long a loop may take"
    assert np.all(data["A.sizes"] == 32)
    assert np.array_equal(data["A"][:, 0], np.arange(3200))
    ends = data["A.stamps"][31::32]
    before = np.concatenate(([0], np.cumsum(data["B.sizes"])))
    assert len(data["B.sizes"]) == 100
    for k, end in enumerate(ends):
        assert data["B.stamps"][before[k + 1] - 1] <= end
        assert before[k + 1] == len(data["B.stamps"]) or data["B.stamps"][before[k + 1]] > end


def test_a_delayed_edge_closes_a_loop(ray_address: str, tmp_path: Path) -> None:
    nodes = {
        "a": relay("C", "X", 250),
        "last": collect(tmp_path / "a.npz", "X", {"stream": "Y", "delayed": True}),
        "b": relay("X", "Y", 250),
    }
    nodes["a"]["inputs"].append({"stream": "Y", "delayed": True})
    with running(document({"C": counter(250, samples=500)}, nodes), ray_address) as run:
        status = finish(run)
    balanced(status)
    data = kept(tmp_path / "a.npz")
    assert np.array_equal(data["X"][:, 0], np.arange(500))
    assert np.array_equal(data["Y"][:, 0], np.arange(len(data["Y"])))
    assert status["nodes"]["a"]["exceptions"] == 0


def test_simulated_inputs_need_no_source(ray_address: str, tmp_path: Path) -> None:
    streams = {"EEG": {"from": {"lsl": {"name": "nobody has this"}}, "channels": 4, "rate": 200, "dtype": "float32"}}
    nodes = {"last": collect(tmp_path / "a.npz", "EEG", simulate_input=True)}
    with running(document(streams, nodes), ray_address) as run:
        wait_until(lambda: run.status()["nodes"]["last"]["loops"] > 20)
        run.stop()
        finish(run)
    data = kept(tmp_path / "a.npz")
    assert data["EEG"].shape[1] == 4
    assert data["EEG"].dtype == np.float32


def test_blocking_edges_lose_nothing_however_fast_the_source(ray_address: str, tmp_path: Path) -> None:
    source = {"recording": {"path": str(tmp_path / "r.npz"), "speed": 10000}}
    np.savez(tmp_path / "r.npz", data=np.arange(40_000, dtype=np.float64)[:, None], rate=1000.0)
    nodes = {
        "a": relay("R", "X", 1000, 1, run_frequency=200),
        "last": collect(tmp_path / "a.npz", {"stream": "X", "policy": "block", "block_timeout": 20}),
    }
    nodes["a"]["inputs"] = [{"stream": "R", "as": "in", "policy": "block", "block_timeout": 20, "lossless": True}]
    with running(document({"R": {"from": source}}, nodes), ray_address) as run:
        status = finish(run)
    balanced(status)
    assert np.array_equal(kept(tmp_path / "a.npz")["X"][:, 0], np.arange(40_000))


def test_a_lossless_edge_that_loses_fails_its_node(ray_address: str, tmp_path: Path) -> None:
    from rena_graph.errors import ExitCode

    source = {"recording": {"path": str(tmp_path / "r.npz"), "speed": 10000}}
    np.savez(tmp_path / "r.npz", data=np.arange(40_000, dtype=np.float64)[:, None], rate=1000.0)
    nodes = {"last": collect(tmp_path / "a.npz", {"stream": "R", "lossless": True}, run_frequency=20)}
    with running(document({"R": {"from": source}}, nodes), ray_address) as run:
        finish(run, ExitCode.SCRIPT)
        assert "lossless" in (run.failure or "")


def test_views_of_the_ring_show_the_same_samples(ray_address: str, tmp_path: Path) -> None:
    nodes = {"last": collect(tmp_path / "a.npz", {"stream": "C", "access": "view"})}
    with running(document({"C": counter(500, samples=500)}, nodes), ray_address, "ring") as run:
        status = finish(run)
    balanced(status)
    assert np.array_equal(kept(tmp_path / "a.npz")["C"][:, 0], np.arange(500))


def test_a_million_channels(ray_address: str, tmp_path: Path) -> None:
    width = 1920 * 1080 * 3
    stream = {"from": {"simulate": {"samples": 30}}, "channels": width, "rate": 30, "dtype": "uint8"}
    nodes = {"last": {"script": "frames.py", "trigger": "data", "buffer_duration": 0.2}}
    # Frames so large are held for a third of a second only; the source waits where a busy machine takes longer.
    nodes["last"]["inputs"] = [{"stream": "Video", "policy": "block", "block_timeout": 20}]
    with running(document({"Video": stream}, nodes), ray_address) as run:
        status = finish(run)
        said = told(run)
    balanced(status)
    assert status["edges"][0]["delivered"] == 30
    assert f"30 frames of {width}" in said


def test_rate_pause_and_resume_take_effect_and_outlive_a_restart(ray_address: str, tmp_path: Path) -> None:
    import os
    import signal

    from rena_graph.errors import UsageError

    nodes = {"last": collect(tmp_path / "a.npz", trigger="clock", run_frequency=20)}
    with running(document({}, nodes), ray_address) as run:

        def node() -> dict[str, Any]:
            return dict(run.status()["nodes"]["last"])

        assert run.set_frequency("last", 200), "told once the node has it"
        assert node()["frequency"] == 200
        wait_until(lambda: node()["frequency"] == 200 and node()["rate"] > 60, what="more than the 20 Hz of before")
        run.pause("last")
        wait_until(lambda: node()["state"] == "paused")
        loops = node()["loops"]
        assert node()["loops"] == loops
        assert run.step("last", 3) == 3
        assert run.step("last") == 1
        assert (node()["loops"], node()["state"]) == (loops + 4, "paused")
        run.resume("last")
        wait_until(lambda: node()["state"] == "running" and node()["loops"] > loops)
        os.kill(node()["pid"], signal.SIGKILL)
        origin = node()["origin"]
        wait_until(lambda: node()["restarts"] == 1 and node()["state"] == "running")
        assert (node()["frequency"], node()["origin"]) == (200, origin), "the next life is on the same grid"
        with pytest.raises(UsageError, match="running; only a paused node"):
            run.step("last")
        for wrong in (0, -1, float("nan"), True):
            with pytest.raises(UsageError, match="above 0"):
                run.set_frequency("last", wrong)
        with pytest.raises(UsageError, match="'last'"):
            run.pause("lost")
