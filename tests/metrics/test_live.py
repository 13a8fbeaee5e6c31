"""Metrics of a real run: served beside it, printed, and never falling while a node is killed and comes back."""

from __future__ import annotations

import os
import signal
import urllib.request
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from rena_graph.cli.group import root
from rena_graph.errors import EnvironmentRefused, PortTaken
from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.launch.client import launch
from rena_graph.runtime.metrics.catalogue import CATALOGUE
from rena_graph.runtime.metrics.server import MetricsServer
from rena_graph.runtime.options import LaunchOptions
from tests.limits import LIMIT
from tests.ports import free_port
from tests.runtime.live import SCRIPTS, counter, document, finish, relay, wait_until

Key = tuple[str, tuple[tuple[str, str], ...]]
KINDS = {metric.name.removesuffix("_total"): metric.kind for metric in CATALOGUE}


def read(text: str) -> dict[Key, float]:
    """Every sample."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(port: int) -> dict[Key, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=LIMIT) as page:
        return read(page.read().decode())


def of(samples: dict[Key, float], name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def counters(samples: dict[Key, float]) -> dict[Key, float]:
    ends = ("_total", "_bucket", "_count", "_sum")
    return {key: value for key, value in samples.items() if key[0].endswith(ends)}


@pytest.mark.ray
def test_a_run_serves_its_metrics_and_no_counter_falls_over_a_restart(ray_address: str, tmp_path: Path) -> None:
    nodes: dict[str, Any] = {"a": relay("C", "X", 200), "b": relay("X", "Y", 200)}
    nodes["b"]["outputs"]["Y"]["to"] = {"zmq": {"port": free_port()}}
    graph = graph_from_dict(document({"C": counter(200)}, nodes), SCRIPTS)
    port = free_port()
    with launch(graph, LaunchOptions(None, ray_address, metrics_port=port)) as run:
        run.start()
        wait_until(lambda: run.status()["nodes"]["b"]["loops"] > 50)
        first = scrape(port)
        os.kill(run.status()["nodes"]["a"]["pid"], signal.SIGKILL)
        scrapes = [first]

        def is_back() -> bool:
            scrapes.append(scrape(port))
            restarts = of(scrapes[-1], "rena_graph_node_restarts_total", node="a")
            running = of(scrapes[-1], "rena_graph_node_state", node="a", state="running")
            return restarts == 1 and running == 1

        wait_until(is_back)
        loops = run.status()["nodes"]["a"]["loops"]
        # Its process is looked at once a second.
        wait_until(lambda: run.status()["nodes"]["a"]["loops"] > loops + 20 and run.status()["nodes"]["a"]["rss"])
        scrapes.append(scrape(port))
        printed = CliRunner().invoke(root, ["metrics", run.id])
        assert printed.exit_code == 0, printed.output
        assert set(read(printed.stdout)) == set(scrapes[-1])
        run.stop()
        finish(run)
    for before, after in pairwise(scrapes):
        fallen = {k: (v, after.get(k)) for k, v in counters(before).items() if not after.get(k, -1.0) >= v}
        assert not fallen
    last = scrapes[-1]
    assert of(last, "rena_graph_up") == 1
    edge = {"stream": "C", "to": "a"}
    assert of(last, "rena_graph_edge_delivered_samples_total", **edge) > 0
    assert of(last, "rena_graph_node_loop_seconds_count", node="a") > of(
        first, "rena_graph_node_loop_seconds_count", node="a"
    )
    sinks = [value for (name, _), value in last.items() if name == "rena_graph_sink_latency_seconds_count"]
    assert sinks
    assert min(sinks) > 0
    assert of(last, "rena_graph_node_cpu_seconds_total", node="a") > 0
    assert of(last, "rena_graph_node_resident_memory_bytes", node="a") > 1 << 20
    (host,) = {dict(labels)["host"] for name, labels in last if name == "rena_graph_node_info"}
    for process in ("coordinator", "agent"):
        assert of(last, "rena_graph_process_cpu_seconds_total", process=process, host=host) > 0
    assert of(last, "rena_graph_host_memory_bytes", kind="total", host=host) > 1 << 30


def test_a_port_that_is_taken_is_named() -> None:
    port = free_port()
    with MetricsServer("127.0.0.1", port, dict), pytest.raises(PortTaken, match=f"port {port} .*--metrics-port"):
        MetricsServer("127.0.0.1", port, dict)


def test_a_taken_port_ends_the_start_before_anything_else(tmp_path: Path) -> None:
    port = free_port()
    graph = graph_from_dict(document({"C": counter(200)}, {"a": relay("C", "X", 200)}), SCRIPTS)
    with (
        MetricsServer("127.0.0.1", port, dict),
        pytest.raises(EnvironmentRefused, match=f"port {port} on 127.0.0.1 is in use"),
        launch(graph, LaunchOptions(metrics_port=port)) as run,
    ):
        run.start()
