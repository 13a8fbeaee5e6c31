"""How old data is, in real runs, and quantiles of the recent past."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rena_graph.runtime.host.recent import WINDOW, RecentQuantiles
from rena_graph.transport.histogram import BUCKETS, Histogram
from tests.ports import free_port
from tests.runtime.live import collect, counter, document, finish, relay, running, wait_until

SLEEP = 0.05


@pytest.mark.ray
def test_the_slow_node_of_a_chain_is_where_the_time_goes(ray_address: str, tmp_path: Path) -> None:
    nodes: dict[str, Any] = {
        "before": relay("C", "A", 100, 1),
        "slow": relay("A", "B", 100, 1, script="sleeps.py", params={"seconds": SLEEP}),
        "after": relay("B", "D", 100, 1),
        "last": collect(tmp_path / "a.npz", "D"),
    }
    nodes["after"]["outputs"]["D"]["to"] = {"zmq": {"port": free_port()}}
    with running(document({"C": counter(100, 1, samples=400)}, nodes), ray_address) as run:
        wait_until(lambda: run.status()["sinks"][0]["latency_p50"], what="a latency")
        status = finish(run)
    (sink,) = status["sinks"]
    assert (sink["stream"], sink["ahead"]) == ("D", 0)
    assert sink["to"].startswith("zmq:")
    assert SLEEP < sink["latency_p50"] <= sink["latency_p99"]
    (way,) = sink["paths"]
    assert way["from"] == "C"
    adds = {step["node"]: step["adds"] for step in way["nodes"]}
    assert list(adds) == ["before", "slow", "after"]
    # A median is rounded up to the edge of its bucket, a quarter of an octave at most.
    assert adds["slow"] > SLEEP / 2
    assert sum(adds.values()) + way["out"] == pytest.approx(sink["latency_p50"])
    shown = status["nodes"]
    assert shown["slow"]["output_age_p50"] > SLEEP
    assert shown["after"]["age_p50"] > SLEEP
    assert shown["after"]["age_p99"] >= shown["after"]["age_p50"]
    assert shown["last"]["output_age_p50"] is None, "it sends nothing"


def add(cells: memoryview, seconds: float, count: int) -> None:
    for _ in range(count):
        Histogram(cells).add(int(seconds * 1e9))


def test_recent_quantiles_forget_what_is_long_ago_and_the_whole_does_not() -> None:
    cells = memoryview(bytearray(8 * BUCKETS)).cast("Q")
    recent = RecentQuantiles(cells, 0.5, 0.99)
    now = 0
    assert recent.read(now) == recent.whole() == (None, None)
    for _ in range(int(3 * WINDOW)):
        add(cells, 0.001, 10)
        now += 1_000_000_000
        recent.read(now)
    slow = 0.5
    for _ in range(int(2 * WINDOW)):
        add(cells, slow, 10)
        now += 1_000_000_000
        recent.read(now)
    p50, p99 = recent.read(now)
    assert p50 is not None
    assert slow <= p50 == p99
    whole = recent.whole()[0]
    assert whole is not None
    assert whole < 0.002
