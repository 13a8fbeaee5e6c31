"""One time on hosts whose clocks are hours apart: how well it is known, and what LSL streams there are stamped with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts.cluster import Cluster
from tests.hosts.conftest import AHEAD
from tests.hosts.one_time import BACK, DEVICE
from tests.hosts.rig import BIN, Host, Network, why_not
from tests.hosts.test_cluster import write
from tests.runtime.live import collect, document, kept, relay

pytestmark = pytest.mark.hosts

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]
RATE, SECONDS = 100, 5
HOURS = 3600.0
WELL = 0.05
"""Seconds that a stamp may be off on a busy machine; that the estimate is good to the millisecond,
whatever the link, is for tests/runtime/hosts/test_one_time.py."""


def told(process: Any) -> Any:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    return json.loads(out.splitlines()[-1]) if out else None


@pytest.mark.parametrize(("keeper", "asker"), [(0.0, 3 * HOURS), (7 * HOURS, 2 * HOURS)])
def test_stamps_are_graph_time_and_leave_as_those_of_their_own_host(
    tmp_path: Path, keeper: float, asker: float
) -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    meet = tmp_path / "meet"
    meet.mkdir()
    truth = keeper - asker
    with Network(tmp_path) as network:
        a, b = network.add("a", keeper), network.add("b", asker)

        def run(host: Host, *words: str) -> Any:
            return host.start(str(BIN / "python"), *words, env={"PYTHONPATH": str(ROOT)})

        keep = run(a, "-m", "tests.hosts.one_time", "keep", str(meet), a.address)
        device = run(b, str(PROGRAMS / "lsl_device.py"), DEVICE, str(RATE), str(SECONDS))
        ask = run(b, "-m", "tests.hosts.one_time", "ask", str(meet), str(RATE * SECONDS))
        client = run(b, str(PROGRAMS / "lsl_client.py"), BACK, str(RATE * SECONDS // 2), "100")
        found = told(ask)
        back = told(client)
        told(device)
        (meet / "done").touch()
        told(keep)
    assert np.array(found["offsets"]) == pytest.approx(truth, abs=WELL)
    assert np.array(found["source"]) == pytest.approx(truth, abs=WELL), "stamps less what they should be"
    assert np.array(found["steps"]) == pytest.approx(1 / RATE, abs=WELL), "no jump"
    facts = found["facts"]
    assert facts["offset"] == pytest.approx(truth, abs=facts["uncertainty"] + 1e-4)
    assert facts["uncertainty"] < WELL
    errors = np.array(back["stamps"]) - np.array(back["values"])
    assert len(errors) >= RATE * SECONDS // 2
    assert np.abs(errors).max() < WELL, "a client there sees its own clock"


def test_a_run_over_two_hosts_has_one_time_and_each_lsl_network_its_own(cluster: Cluster, tmp_path: Path) -> None:
    """A device beside a host whose clock is two hours ahead; a node there, and one where the coordinator is."""
    head, far = cluster.head, cluster.workers["gpu"]
    count = RATE * 8
    source = {"from": {"lsl": {"name": DEVICE}}, "host": far.address, "channels": 1, "rate": RATE, "dtype": "float64"}
    passed = relay("S", "X", RATE, channels=1, placement={"host": far.address})
    passed["outputs"]["X"]["to"] = {"lsl": {"name": BACK}}
    last = collect(tmp_path / "kept.npz", "X", placement={"host": head.address})
    path = write(document({"S": source}, {"a": passed, "last": last}), tmp_path)
    device = far.start(str(BIN / "python"), str(PROGRAMS / "lsl_device.py"), DEVICE, str(RATE), "8")
    client = far.start(str(BIN / "python"), str(PROGRAMS / "lsl_client.py"), BACK, str(count // 2), "100")
    words = ("launch", path, "--address", cluster.address, "--json", "--allow-code", "/", "--for", "12")
    said = cluster.rena_graph(*words, timeout=150)
    back = told(client)
    told(device)
    status = json.loads(cluster.rena_graph("status", "--json"))
    values, stamps = kept(tmp_path / "kept.npz")["X"][:, 0], kept(tmp_path / "kept.npz")["X.stamps"]
    assert len(values) >= count // 2, said
    # A sample is what its device's clock showed, and stamped with it.
    assert stamps - values == pytest.approx(-AHEAD, abs=WELL)
    errors = np.array(back["stamps"]) - np.array(back["values"])
    assert len(errors) >= count // 2
    assert np.abs(errors).max() < WELL, "a client there sees its own clock"
    clocks = [host["clock"] for host in status["hosts"].values() if host["clock"] is not None]
    (clock,) = clocks
    assert clock["offset"] == pytest.approx(-AHEAD, abs=clock["uncertainty"] + 1e-4)
    assert status["sinks"][0]["latency_p50"] < 60, "no clock is taken for another"
