"""Hosts that are silent, and hosts that are lost: what becomes of a run whose part they are, and what stays on them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.cluster import Cluster
from tests.hosts.scene import RATE, clean, own_cluster, scene
from tests.runtime.live import collect, counter, document, relay

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]


def there_and_back(cluster: Cluster, folder: Path, **restart: Any) -> dict[str, Any]:
    """A source on the head, a node on the worker, its result back on the head, and a node beside it there."""
    here, there = {"host": cluster.head.address}, {"host": cluster.workers["far"].address}
    nodes = {
        "away": relay("C", "X", RATE, placement=there, buffer_duration=4.0, restart=restart),
        "beside": relay("C", "Z", RATE, placement=here, buffer_duration=4.0),
        "last": collect(folder / "kept.npz", "X", "Z", placement=here, buffer_duration=4.0),
    }
    return document({"C": {**counter(RATE), "host": cluster.head.address}}, nodes)


def test_raylet_killed(tmp_path: Path) -> None:
    with own_cluster(tmp_path, "far") as cluster, scene(cluster, there_and_back(cluster, tmp_path), tmp_path) as run:
        far = cluster.workers["far"]
        run.flowing("X", "Z")
        (raylet,) = far.pids("raylet/raylet")
        killed = time.time()
        os.kill(raylet, signal.SIGKILL)
        print("seen", run.wait_said("host", "silent") - killed)
        t = time.time()
        run.wait(lambda: clean(far), "clean", 40)
        print("clean", time.time() - killed)
        end = run.ended()
        print("ended", time.time() - killed, end["exit_code"], end["failure"])
        print(run.told())
