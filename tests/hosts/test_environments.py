"""Packages of a node are installed on the host that it runs on, and an environment is looked for there."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from rena_graph.runtime.hosts.environment_store import JUST_MADE, NOTE
from tests.hosts.cluster import Cluster
from tests.hosts.rig import BIN
from tests.hosts.test_cluster import launch, write
from tests.hosts.test_several import nothing_left
from tests.runtime.live import counter, document, wait_until
from tests.wheels import make_wheel

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]


def test_packages_are_installed_on_the_host_of_the_node(cluster: Cluster, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "6.0")
    gpu = cluster.workers["gpu"]
    params = {"out": str(tmp_path / "out.json")}
    node = {"script": "tells_packages.py", "inputs": ["C"], "params": params, "placement": {"num_gpus": 1}}
    node["pip"] = [f"rgt-extra @ {wheel.as_uri()}"]
    path = write(document({"C": counter(250, samples=100)}, {"x": node}), tmp_path)
    assert launch(cluster, path)["exit_code"] == 0
    said = json.loads((tmp_path / "out.json").read_text())
    assert said["version"] == "6.0"
    # Each host of the rig has a state folder of its own, beside the others.
    assert Path(said["python"]).is_relative_to(gpu.folder / "state" / "rena_graph" / "environments")
    log = cluster.rena_graph("logs")
    assert f"installing packages for node x on host {gpu.address}" in log
    nothing_left(cluster)


def test_prune_on_a_host_that_lends_itself_leaves_what_a_run_from_elsewhere_needs(
    cluster: Cluster, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path, "6.1")
    gpu, out = cluster.workers["gpu"], tmp_path / "out.json"
    node = {"script": "tells_packages.py", "inputs": ["C"], "params": {"out": str(out)}, "placement": {"num_gpus": 1}}
    node["pip"] = [f"rgt-extra @ {wheel.as_uri()}"]
    path = write(document({"C": counter(250)}, {"x": node}), tmp_path)
    words = ("launch", path, "--address", cluster.address, "--detach", "--json", "--allow-code", "/")
    run = json.loads(cluster.rena_graph(*words))["run"]
    environment = Path(json.loads(out.read_text())["python"]).parent.parent
    assert environment.is_relative_to(gpu.folder)
    lately = environment / NOTE
    try:
        os.utime(lately, (time.time() - 1000 * JUST_MADE,) * 2)  # as if the run had wanted it long ago
        assert str(environment) not in cluster.rena_graph("prune", "--yes", host=gpu)
        assert lately.is_file()
    finally:
        cluster.rena_graph("stop", run)
        wait_until(lambda: not any(host.pids("rena_graph.runtime") for host in cluster.network.hosts), what="its end")
    assert str(environment) in cluster.rena_graph("prune", "--yes", host=gpu)
    assert not [path.name for path in environment.parent.iterdir() if path.stem == environment.name]
    nothing_left(cluster)


def test_an_environment_that_is_not_on_that_host_is_said_before_anything_starts(
    cluster: Cluster, tmp_path: Path
) -> None:
    here = str(tmp_path / "env")
    gpu, head = cluster.workers["gpu"], {"host": cluster.head.address}
    nodes = {
        "x": {"script": "tells.py", "inputs": ["C"], "environment": here, "placement": {"num_gpus": 1}},
        "y": {"script": "tells.py", "inputs": ["C"], "environment": "/opt/none", "placement": head},
    }
    path = write(document({"C": counter(250, samples=100)}, nodes), tmp_path)
    process = cluster.head.start(
        str(BIN / "rena-graph"), "launch", path, "--address", cluster.address, "--allow-code", "/", env=cluster.env
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 5, err
    assert f"{gpu.address} has no {here}, the environment of a node" in err
    assert f"{cluster.head.address} has no /opt/none" in err
    nothing_left(cluster)
