"""The host with a GPU: who is placed there sees that one alone, and who asks for none sees none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.cluster import Cluster
from tests.hosts.rig import BIN
from tests.hosts.test_cluster import launch, write
from tests.hosts.test_several import nothing_left
from tests.runtime.live import counter, document

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]


def devices(who: str, **placement: Any) -> dict[str, Any]:
    return {"script": "devices.py", "inputs": ["C"], "params": {"who": who}, "placement": placement}


def test_a_node_sees_the_gpus_that_it_asks_for_and_no_other(cluster: Cluster, tmp_path: Path) -> None:
    """Two share the one GPU; a third one runs beside them, and a fourth where there is none."""
    head, far = cluster.head, cluster.workers["gpu"]
    nodes = {
        "half": devices("half", num_gpus=0.5),
        "other": devices("other", num_gpus=0.5),
        "beside": devices("beside", near="half"),
        "elsewhere": devices("elsewhere", host=head.address),
    }
    path = write(document({"C": counter(100, samples=50)}, nodes), tmp_path)
    assert launch(cluster, path)["exit_code"] == 0
    status = json.loads(cluster.rena_graph("status", "--json"))
    assert {name: node["host"] for name, node in status["nodes"].items()} == {
        "half": far.address, "other": far.address, "beside": far.address, "elsewhere": head.address
    }  # fmt: skip
    said = {line["text"] for line in map(json.loads, cluster.rena_graph("logs", "--json").splitlines())}
    assert {"half sees '0'", "other sees '0'", "beside sees ''", "elsewhere sees ''"} <= said, said
    nothing_left(cluster)


def test_more_than_the_gpus_that_are_there_is_refused_at_once(cluster: Cluster, tmp_path: Path) -> None:
    """Each of them would fit, but not all: Ray would wait for ever."""
    nodes = {name: devices(name, num_gpus=0.5) for name in ("one", "two", "three")}
    path = write(document({"C": counter(100, samples=50)}, nodes), tmp_path)
    words = ("launch", path, "--address", cluster.address, "--allow-code", "/")
    process = cluster.head.start(str(BIN / "rena-graph"), *words, env=cluster.env)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    assert f"{cluster.workers['gpu'].address}: 2 CPU, 1 GPU" in err
    assert f"{cluster.head.address}: 2 CPU, 0 GPU" in err
    nothing_left(cluster)
