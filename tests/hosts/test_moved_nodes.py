"""One of three hosts is lost: what may be elsewhere goes on there, and what may not is done without."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rena_graph.runtime.coordinator.host_watch import LOST_AFTER
from tests.hosts.cluster import Cluster
from tests.hosts.conftest import cluster_of
from tests.hosts.scene import RATE, Scene, clean, note, scene
from tests.runtime.live import balanced, collect, counter, document, kept, relay

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]


WORKERS = dict.fromkeys(("b", "c"), "--labels=role=worker")
AHEAD = {"b": 3600.0, "c": 10.0}


def spread(cluster: Cluster, folder: Path) -> dict[str, Any]:
    """A source on the head and its result back there; on each worker a node of its own, on one of them two more.

    These two are one behind the other, and may be on any of the workers.
    """
    here = {"host": cluster.head.address}
    b, c = ({"host": cluster.workers[name].address} for name in ("b", "c"))
    away: dict[str, Any] = {"labels": {"role": "worker"}}
    nodes = {
        "away": relay("C", "X", RATE, placement=away),
        "behind": relay("X", "Y", RATE, placement={"near": "away"}),
        "on_b": relay("C", "B", RATE, placement=b, restart={"on_give_up": "degrade"}),
        "on_c": relay("X", "D", RATE, placement=c, restart={"on_give_up": "degrade"}),
        "beside": relay("C", "Z", RATE, placement=here),
        "last": collect(folder / "kept.npz", "X", "Y", "Z", placement=here),
    }
    return document({"C": {**counter(RATE), "host": cluster.head.address}}, nodes)


def test_nodes_of_a_lost_host_go_on_on_another_one(tmp_path: Path) -> None:
    with cluster_of(tmp_path, WORKERS, AHEAD) as cluster, scene(cluster, spread(cluster, tmp_path), tmp_path) as run:
        run.flowing("X", "Y", "Z", "B", "D")
        by_address = {worker.address: worker for worker in cluster.workers.values()}
        before = run.newest()["nodes"]
        assert before["away"]["host"] == before["behind"]["host"]
        lost = by_address.pop(before["away"]["host"])
        (other,) = by_address.values()
        stuck, stays = ("on_b", "on_c") if lost is cluster.workers["b"] else ("on_c", "on_b")
        began = time.time()
        lost.freeze(True)
        try:
            run.wait_said("is lost, after", f"node 'away' goes on, from its beginning, on host {other.address}")
            run.wait(lambda: run.newest()["nodes"]["away"]["restarts"] == 1, "another life of the node")
            run.flowing("X", "Y", "Z")
            note("host lost, its nodes moved", moved=time.time() - began)
            status = run.newest()
            assert {status["nodes"][name]["host"] for name in ("away", "behind")} == {other.address}
            assert status["nodes"][stuck]["state"] == "failed"
            assert run.said(f"node '{stuck}' cannot be moved: the graph wants it on host {lost.address}")
        finally:
            lost.freeze(False)
        run.wait(lambda: clean(lost), "nothing is left on the host that is given up", 60.0)
        run.flowing("X", "Y", "Z")
        end = run.stop()
        told_once(run, end, stuck, stays)
        went_on(tmp_path, end)


def told_once(run: Scene, end: dict[str, Any], stuck: str, stays: str) -> None:
    """The run did without one node, and no other was disturbed."""
    assert end["exit_code"] == 5, run.told()
    assert f"with it node 'away', node 'behind' and node '{stuck}'" in end["failure"]
    assert {name: node["restarts"] for name, node in end["nodes"].items()} == {
        "away": 1, "behind": 1, stuck: 0, stays: 0, "beside": 0, "last": 0,
    }  # fmt: skip
    assert {name: node["state"] for name, node in end["nodes"].items() if name != stuck} == {
        name: "stopped" for name in end["nodes"] if name != stuck
    }
    assert [end["streams"][stream]["epoch"] for stream in ("X", "Y", "Z")] == [1, 1, 0]
    assert len(run.said("is lost, after")) == 1


def went_on(folder: Path, end: dict[str, Any]) -> None:
    """Samples once each and in order, with one hole; all that is missing is counted."""
    balanced(end)
    edges = {(edge["stream"], edge["to"]): edge for edge in end["edges"]}
    # What was made while the host was silent, and nobody took.
    assert edges["C", "away"]["dropped"]["host"] >= (LOST_AFTER - 2) * RATE
    assert not {"host", "link"} & {*edges["C", "beside"]["dropped"]}
    found = kept(folder / "kept.npz")
    for stream in ("X", "Y", "Z"):
        steps = np.diff(found[stream][:, 0])
        assert (steps >= 1).all(), f"{stream}: none twice"
        assert (steps > 1).sum() <= (stream != "Z"), stream
        assert np.all(np.diff(found[f"{stream}.stamps"]) > 0)


def next_life(node: dict[str, Any], host: str) -> bool:
    """Whether a node that has been moved to this host runs there."""
    return bool(node["restarts"] and node.get("host") == host and node["loops"] > 100)


def test_a_node_goes_on_on_the_host_that_launched(tmp_path: Path) -> None:
    """It was with what it takes most of, which is lost too, and goes on with the rest."""
    with cluster_of(tmp_path, {"far": ""}, {"far": 3600.0}) as cluster:
        here, far = cluster.head.address, cluster.workers["far"]
        nodes = {
            "wide": relay("C", "W", RATE, placement={"host": far.address}, restart={"on_give_up": "degrade"}),
            "keep": collect(tmp_path / "kept.npz", "W", "C"),
            "made": relay("C", "Z", RATE, placement={"host": here}),
        }
        graph = document({"C": {**counter(RATE), "host": here}}, nodes)
        with scene(cluster, graph, tmp_path) as run:
            run.flowing("W", "Z")
            assert run.newest()["nodes"]["keep"]["host"] == far.address
            far.close()
            run.wait_said("is lost, after", f"node 'keep' goes on, from its beginning, on host {here}")
            run.wait(lambda: next_life(run.newest()["nodes"]["keep"], here), "its next life")
            end = run.stop()
    assert end["nodes"]["keep"]["restarts"] == 1
    assert end["exit_code"] == 5
    assert "node 'wide' cannot be moved" in end["failure"]
    balanced(end)
    edges = {(edge["stream"], edge["to"]): edge for edge in end["edges"]}
    assert edges["C", "keep"]["dropped"]["host"] >= (LOST_AFTER - 2) * RATE
    assert not {"host", "link"} & {*edges["C", "made"]["dropped"]}
    found = kept(tmp_path / "kept.npz")["C"][:, 0]
    assert np.array_equal(found, found[0] + np.arange(len(found)))
    assert found[0] > (LOST_AFTER - 2) * RATE
