"""Graphs that span two hosts: sample for sample what they give on one, and nothing left on either."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts.cluster import Cluster
from tests.hosts.test_cluster import launch, write
from tests.runtime.live import balanced, collect, counter, document, kept, relay

pytestmark = pytest.mark.hosts

RATE = 500
SAMPLES = 1000


def there_and_back(cluster: Cluster, folder: Path, away: bool = True) -> dict[str, Any]:
    """A source on the head, a node on the other host that has a GPU, its result back on the head."""
    here = {"host": cluster.head.address}
    there = {"host": cluster.workers["gpu"].address} if away else here
    source = {**counter(RATE, samples=SAMPLES), "host": cluster.head.address}
    nodes = {
        "out": relay("C", "X", RATE, placement=there),
        "more": relay("X", "Y", RATE, placement=there),
        "last": collect(folder / "kept.npz", "C", "X", "Y", placement=here),
    }
    return document({"C": source}, nodes)


def nothing_left(cluster: Cluster) -> None:
    """No process of a run, no segment and no socket on any host."""
    for host in cluster.network.hosts:
        assert not host.pids("rena_graph.runtime")
        assert not [name for name in host.files("/dev/shm") if name.startswith("rg-")]
        assert host.files("/run/user/rena-graph") == []


def test_a_graph_over_two_hosts_gives_what_it_gives_on_one(cluster: Cluster, tmp_path: Path) -> None:
    results = []
    for name, away in (("one", False), ("two", True)):
        folder = tmp_path / name
        folder.mkdir()
        end = launch(cluster, write(there_and_back(cluster, folder, away), folder))
        assert end["exit_code"] == 0, end
        results.append(kept(folder / "kept.npz"))
        status = json.loads(cluster.rena_graph("status", "--json"))
        balanced(status)
    one, two = results
    assert set(one) == set(two)
    for stream in ("C", "X", "Y"):
        assert np.array_equal(one[stream], two[stream]), stream
        assert np.array_equal(two[stream][:, 0], np.arange(SAMPLES))
    nothing_left(cluster)
