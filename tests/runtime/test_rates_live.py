"""Rates and phases of real graphs: what is asserted is order and counts, never how long something took."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rena_graph.runtime.coordinator.phases import spread
from tests.runtime.live import collect, document, finish, running, wait_until

pytestmark = pytest.mark.ray

RATE = 3.0
"""Hz; periods so long that the nodes of a busy machine fit into one, after each other."""
LOOPS = 12


def line(folder: Path, names: list[str], **more: Any) -> dict[str, Any]:
    """Nodes on the clock that hand on when the first of them began."""
    nodes: dict[str, Any] = {}
    for i, name in enumerate(names):
        node: dict[str, Any] = {"script": "in_order.py", "run_frequency": RATE, "params": {"path": f"{folder}/{name}"}}
        if i:
            node["inputs"] = [{"stream": f"S{i}", "as": "in"}]
        if i < len(names) - 1:
            node["outputs"] = {f"S{i + 1}": {"channels": 1, "dtype": "float64", "as": "out"}}
        nodes[name] = node
    # Last in the document, first in the cascade: the order of starting has nothing to do with it.
    return document({}, dict(reversed(nodes.items())), **more)


def periods_behind(path: Path, origin: float, after: float) -> float:
    """In the middle of all loops that began `after`: how many periods before its own a node's data began its way."""
    first, own = np.load(path.with_suffix(".npy")).T
    periods = np.floor((own - origin) * RATE) - np.floor((first - origin) * RATE)
    return float(np.median(periods[own > after]))


@pytest.mark.parametrize("phases", ["cascade", pytest.param("free", marks=pytest.mark.long)])
def test_within_one_period_data_goes_from_source_to_sink(phases: str, ray_address: str, tmp_path: Path) -> None:
    names = ["a", "b", "c", "d"]
    if phases == "free":  # by bad luck each one ticks before the one whose data it takes
        names = sorted((f"n{i}" for i in range(40)), key=lambda name: -spread(name, RATE))[::10]
    with running(line(tmp_path, names, phases=phases), ray_address) as run:

        def nodes() -> dict[str, Any]:
            return dict(run.status()["nodes"])

        wait_until(lambda: all(n["out_p95"] for n in nodes().values()), what="measured")
        if phases == "cascade":
            wait_until(lambda: nodes()["d"]["phase"] > nodes()["c"]["phase"] > 0 == nodes()["a"]["phase"])
        last = names[-1]
        loops = nodes()[last]["loops"]
        wait_until(lambda: nodes()[last]["loops"] > loops + LOOPS, what="loops with these phases")
        origin = nodes()[last]["origin"]
        assert {n["origin"] for n in nodes().values()} == {origin}, "one grid"
        run.stop()
        finish(run)
    sink = tmp_path / last
    after = np.load(sink.with_suffix(".npy"))[-LOOPS, 1]
    behind = periods_behind(sink, origin, after)
    if phases == "cascade":
        assert behind == 0, "the sink sees in each period what the source made in that period"
    else:
        assert behind == 3, "each hop costs a period"


def test_a_new_rate_holds_from_the_next_deadline_on_also_under_load(ray_address: str, tmp_path: Path) -> None:
    """From the node's own ticks and counters: a tick of the old rate passes over four of the new one, uncounted."""
    old, new = 20.0, 100.0
    doc = line(tmp_path, ["a", "b"])
    doc["nodes"]["a"]["run_frequency"] = old
    for i in range(2):
        doc["nodes"][f"busy{i}"] = collect(tmp_path / f"busy{i}", trigger="clock", run_frequency=1000)
    with running(doc, ray_address) as run:

        def node() -> dict[str, Any]:
            return dict(run.status()["nodes"]["a"])

        wait_until(lambda: node()["loops"] > 10)
        assert run.set_frequency("a", new)
        told = node()
        assert told["frequency"] == new
        wait_until(lambda: node()["loops"] > told["loops"] + 200)
        run.stop()
        ended = finish(run)["nodes"]["a"]
    began = np.load(tmp_path / "a.npy")[told["loops"] :, 1]
    ticks = np.floor((began - told["origin"]) * new)
    uncounted = (ticks[-1] - ticks[0]) - (len(ticks) - 1) - (ended["skipped"] - told["skipped"])
    assert uncounted <= 2 * (new / old - 1), f"{uncounted} ticks neither met nor skipped"
    assert len(np.unique(ticks)) >= len(ticks) - 1, "never two loops in a period"


def test_a_node_that_hangs_has_no_new_rate_and_no_new_parameters(ray_address: str, tmp_path: Path) -> None:
    nodes = {
        "hung": {"script": "talker.py", "run_frequency": 50, "params": {"where": "stop_itself"}, "stop_timeout": 0.2},
        "well": collect(tmp_path / "a.npz", trigger="clock", run_frequency=50),
    }
    with running(document({}, nodes), ray_address) as run:
        wait_until(lambda: run.status()["nodes"]["hung"]["stale"], what="stale")
        assert not run.set_frequency("hung", 10)
        assert run.ask({"op": "params", "node": "hung", "set": {"where": "nowhere"}})["applied"] is False
        assert run.ask({"op": "params", "node": "well", "set": {"path": str(tmp_path / "b.npz")}})["applied"] is True
        os.kill(run.status()["nodes"]["hung"]["pid"], signal.SIGCONT)
        wait_until(lambda: run.status()["nodes"]["hung"]["frequency"] == 10, what="it has it when it wakes up")
        run.stop()
        finish(run)
