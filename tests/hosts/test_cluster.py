"""A Ray cluster of two hosts as deploy/ starts it, and graphs that are launched on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.deploy.units import link_ports, ports
from tests.hosts.cluster import Cluster
from tests.hosts.conftest import AHEAD
from tests.hosts.rig import BIN, Host
from tests.runtime.live import SCRIPTS, collect, counter, document, kept, relay

pytestmark = pytest.mark.hosts


def write(graph: dict[str, Any], folder: Path) -> str:
    """The graph in a file, with its scripts named in full."""
    for node in graph["nodes"].values():
        node["script"] = str(SCRIPTS / node["script"])
    path = folder / "graph.json"
    path.write_text(json.dumps(graph))
    return str(path)


def small(folder: Path, **placement: Any) -> dict[str, Any]:
    """500 counted samples through a node into a file."""
    nodes = {"a": relay("C", "X", 250, placement=placement), "last": collect(folder / "kept.npz", "X")}
    return document({"C": counter(250, samples=500)}, nodes)


def launch(cluster: Cluster, path: str, host: Host | None = None) -> dict[str, Any]:
    """A whole run on a host; its last line."""
    said = cluster.rena_graph(
        "launch", path, "--address", cluster.address, "--json", "--allow-code", "/", host=host, timeout=120
    )
    last: dict[str, Any] = json.loads(said.splitlines()[-1])
    assert last["event"] == "end"
    return last


def test_the_hosts_are_there_with_what_their_commands_say(cluster: Cluster) -> None:
    nodes = {str(n["NodeManagerAddress"]): n for n in cluster.nodes()}
    assert set(nodes) == {cluster.head.address, cluster.workers["gpu"].address}
    worker: Any = nodes[cluster.workers["gpu"].address]
    assert worker["Resources"]["GPU"] == 1.0
    assert worker["Labels"]["room"] == "lab"


def test_nothing_listens_on_another_port_than_the_list_says(cluster: Cluster) -> None:
    known = {name: int(port) for name, port in ports().items()}
    workers = range(known.pop("RG_WORKER_PORT_MIN"), known.pop("RG_WORKER_PORT_MAX") + 1)
    for host in cluster.network.hosts:
        said = host.run("ss", "-ltnH")
        bound = [line.split()[3].rpartition(":") for line in said.splitlines()]
        outside = {int(port) for address, _, port in bound if address not in ("127.0.0.1", "[::1]")}
        # Without a dashboard, the head's autoscaler serves its metrics on 44217 all the same, where it can.
        assert outside - {44217, 44227} <= {*known.values(), *workers, *link_ports()}, said


def test_without_the_token_nobody_gets_in(cluster: Cluster) -> None:
    code = f"import ray; ray.init(address={cluster.address!r}, log_to_driver=False); print('in')"
    python = (str(BIN / "python"), "-c", code)
    assert "in" in cluster.workers["gpu"].run(*python, env=cluster.env)
    # Ray's client tries again and again: what counts is that it does not get in, where with the token it did.
    wrong: list[dict[str, str]] = [{}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}]
    for process in [cluster.workers["gpu"].start("timeout", "15", *python, env=env) for env in wrong]:
        out, err = process.communicate(timeout=90)
        assert process.returncode != 0, out + err
        assert "in\n" not in out


def test_hosts_have_each_a_clock_and_shared_memory_of_their_own(cluster: Cluster) -> None:
    read = "import time; print(time.monotonic())"
    here = float(cluster.head.run(str(BIN / "python"), "-c", read))
    there = float(cluster.workers["gpu"].run(str(BIN / "python"), "-c", read))
    assert there - here == pytest.approx(AHEAD, abs=30)
    cluster.head.run("touch", "/dev/shm/mine")
    assert "mine" in cluster.head.files("/dev/shm")
    assert "mine" not in cluster.workers["gpu"].files("/dev/shm")
    cluster.head.run("rm", "/dev/shm/mine")


@pytest.mark.parametrize("where", ["head", "gpu"])
def test_a_graph_runs_whole_on_the_host_that_it_is_launched_on(cluster: Cluster, where: str, tmp_path: Path) -> None:
    host = cluster.head if where == "head" else cluster.workers[where]
    other = cluster.workers["gpu"] if where == "head" else cluster.head
    placement = {"num_gpus": 1} if where == "gpu" else {}
    end = launch(cluster, write(small(tmp_path, **placement), tmp_path), host)
    assert end["exit_code"] == 0, end
    assert np.array_equal(kept(tmp_path / "kept.npz")["X"][:, 0], np.arange(500))
    assert not host.pids("rena_graph.runtime")
    for any_host in (host, other):
        # Ray's own store lies there too.
        assert not [name for name in any_host.files("/dev/shm") if name.startswith("rg-")]


def test_what_no_host_has_is_refused_at_once_with_what_each_has(cluster: Cluster, tmp_path: Path) -> None:
    path = write(small(tmp_path, num_gpus=2), tmp_path)
    process = cluster.head.start(
        str(BIN / "rena-graph"), "launch", path, "--address", cluster.address, "--allow-code", "/", env=cluster.env
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 5, err
    assert "'a' asks for 2 GPU" in err
    assert f"{cluster.workers['gpu'].address}: 2 CPU, 1 GPU" in err


def test_the_plan_of_a_running_cluster(cluster: Cluster, tmp_path: Path) -> None:
    path = write(small(tmp_path, labels={"room": "lab"}), tmp_path)
    words = ("plan", path, "--address", cluster.address, "--allow-code", "/", "--json")
    plan = json.loads(cluster.rena_graph(*words))
    head, gpu = cluster.head.address, cluster.workers["gpu"].address
    assert plan["coordinator"] == head
    assert plan["nodes"]["a"] == gpu
    assert json.loads(cluster.rena_graph(*words, host=cluster.workers["gpu"]))["coordinator"] == gpu
