"""Looking at what runs on another host, from the one that launched it: its streams, and what is used of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts.cluster import Cluster
from tests.hosts.rig import BIN
from tests.hosts.test_cluster import write
from tests.hosts.test_several import nothing_left
from tests.metrics.test_live import of, read
from tests.runtime.live import collect, counter, document, relay, wait_until

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]

RATE = 250


@pytest.fixture
def run(cluster: Cluster, tmp_path: Path) -> Iterator[Cluster]:
    """A graph that is all on the other host, whose clock is hours ahead, but for one node; nobody here takes X."""
    far, here = {"host": cluster.workers["gpu"].address}, {"host": cluster.head.address}
    nodes = {
        "a": relay("C", "X", RATE, placement=far, buffer_duration=4.0),
        "b": collect(tmp_path / "b.npz", "X", placement=far, buffer_duration=4.0),
        "here": collect(tmp_path / "here.npz", "C", placement=here, buffer_duration=4.0),
    }
    path = write(document({"C": {**counter(RATE), **far}}, nodes), tmp_path)
    cluster.rena_graph("launch", path, "--detach", "--address", cluster.address, "--allow-code", "/")
    yield cluster
    cluster.rena_graph("stop", "@")
    wait_until(lambda: not cluster.head.pids("rena_graph.runtime"), what="the end of the run")
    nothing_left(cluster)


def rows(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def test_streams_and_metrics_of_another_host_are_seen_from_here(run: Cluster) -> None:
    far, here = run.workers["gpu"].address, run.head.address
    listed = json.loads(run.rena_graph("stream", "list", "@", "--json"))
    assert {name: (facts["host"], facts["elsewhere"]) for name, facts in listed.items()} == {
        "C": (far, False), "X": (far, True)
    }  # fmt: skip
    assert f"a on {far}" in run.rena_graph("stream", "list", "@")
    assert f"{far}, another host" in run.rena_graph("stream", "info", "@", "X")

    echoed = rows(run.rena_graph("stream", "echo", "@", "X", "-n", "300", "--json"))
    values = np.array([row["values"] for row in echoed])
    times = np.array([row["timestamp"] for row in echoed])
    assert np.array_equal(np.diff(values[:, 0]), np.ones(299)), "each once, in order"
    assert np.diff(times) == pytest.approx(1 / RATE, abs=1e-3)
    now = float(run.head.run(str(BIN / "python"), "-c", "import time; print(time.monotonic())"))
    assert now - 60 < times[-1] < now, "graph time, not the clock over there"

    seconds = rows(run.rena_graph("stream", "hz", "@", "X", "-n", "5", "--json"))
    # On a busy machine the source may stand still for one of them; stamps are on its grid all the same.
    assert [second for second in seconds if second["rate"] == pytest.approx(RATE, rel=0.25)], seconds
    assert seconds[-1]["stamp_rate"] == pytest.approx(RATE, rel=0.02)
    assert seconds[-1]["missed"] == 0

    metrics = read(run.rena_graph("metrics", "@"))
    for host in (far, here):
        assert of(metrics, "rena_graph_host_memory_bytes", host=host, kind="total") > 1 << 30
        assert of(metrics, "rena_graph_host_cpu_seconds_total", host=host, mode="user") > 0
        assert of(metrics, "rena_graph_process_cpu_seconds_total", host=host, process="agent") > 0
    for node, host in (("a", far), ("b", far), ("here", here)):
        assert of(metrics, "rena_graph_node_info", node=node, host=host) == 1
        assert of(metrics, "rena_graph_node_resident_memory_bytes", node=node) > 1 << 20
        assert of(metrics, "rena_graph_node_cpu_seconds_total", node=node) > 0
