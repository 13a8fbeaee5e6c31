"""The metrics, their page, the board and the alerts agree; prometheus_client reads what is exposed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from rena_graph.errors import MissingExtra, RunLost
from rena_graph.runtime.metrics.catalogue import CATALOGUE
from rena_graph.runtime.metrics.exposition import UP, RunCollector, exposition, require_prometheus
from rena_graph.runtime.metrics.values import EDGES, metrics_answer, thinned
from rena_graph.transport.histogram import BUCKETS, bucket_of, upper_edge
from tests.cli.statuses import edge, external, node, status
from tests.conftest import ROOT
from tests.limits import LIMIT

DEPLOY = ROOT / "deploy"
CLOCK = {"offset": -7200.0001, "drift": 1.2e-5, "uncertainty": 8.5e-5, "round_trip": 0.00017}
HOST_STATES = ("awaited", "up", "silent", "lost")
NAME = re.compile(r"\brena_graph_[a-z_]+")


def answer(**changes: Any) -> dict[str, Any]:
    """A run of two nodes, with everything that there can be."""
    more: dict[str, Any] = {
        "discarded": 0,
        "states_refused": 1,
        "restarts": 2,
        "reloads": 0,
        "ahead": 0,
        "cpu": 1.5,
        "rss": 10_000_000,
    }
    more["host"] = "gpu"
    counts = [0] * BUCKETS
    for seconds in (1e-6, 0.001, 0.01, 5.0, 4000.0):
        counts[bucket_of(int(seconds * 1e9))] += 1
    cells = {"loop": counts, "lateness": counts, "age": counts, "output_age": counts, "loop_sum": 4005.011001}
    source = external(nominal_rate=360.0, repeated=0, recoveries=1, backwards=0)
    made = {"produced": 25, "rate": 1.2, "source_state": None, "nominal_rate": 0.0, "repeated": 3, "not_finite": 2}
    edges = [
        edge(filled=0, repeated=5, dropped={"window": 7}),
        edge("R-peaks", "heart_rate", filled=0, repeated=0),
        edge("R-peaks", "lsl:R-peaks", filled=0, repeated=0),
    ]
    told = status(
        nodes={"r_peaks": node(**more), 'odd "name"\\': node(**more, frequency=None)},
        streams={"ECG": source, "R-peaks": {**external(), **made}},
        edges=edges,
        hosts={
            "head": {"cpu": 0.1, "cores": 2, "clock": None, "state": "up"},
            "gpu": {"cpu": 0.1, "cores": 2, "clock": CLOCK, "state": "silent"},
        },
    )
    detail = {
        "histograms": dict.fromkeys(told["nodes"], cells),
        "latencies": [{"stream": "R-peaks", "to": "lsl:R-peaks", "counts": counts}],
        "gpu_memory": {"r_peaks": 1 << 30},
        "hosts": {name: {"cpu": {"user": 1.0, "idle": 2.0}, "memory": {"total": 8e9}} for name in ("head", "gpu")},
        "agents": {"head": 0.25, "gpu": 0.75},
    }
    return {**metrics_answer(told, detail, 0.5), **changes}


def exposed(told: dict[str, Any]) -> dict[str, Any]:
    """What Prometheus gets: families by name, as its own client reads them."""
    text = exposition(RunCollector(lambda: told))
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families: dict[str, Any], sample: str, **labels: str) -> float:
    for family in families.values():
        for found in family.samples:
            if found.name == sample and found.labels == labels:
                return float(found.value)
    raise AssertionError(f"no {sample}{labels}")


def test_every_metric_is_exposed_with_its_kind_labels_and_help() -> None:
    families = exposed(answer())
    assert len(families) == len(CATALOGUE) + 1, "and whether the run answers"
    for metric in CATALOGUE:
        family = families[metric.name.removesuffix("_total")]
        assert family.type == metric.kind, metric.name
        assert family.documentation == metric.help
        assert family.samples, f"{metric.name} has no sample"
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), metric.name


def test_names_follow_prometheus_conventions() -> None:
    units = ("_seconds", "_bytes", "_hertz", "_samples", "_ratio", "_state", "_stale", "_info")
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
    for metric in CATALOGUE:
        assert NAME.fullmatch(metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        if metric.kind != "counter":
            assert metric.name.endswith(units), metric.name
        assert metric.help.endswith("."), metric.name


def test_values_are_those_of_the_run() -> None:
    families = exposed(answer())
    assert value(families, UP) == 1
    one = {"stream": "ECG", "to": "r_peaks"}
    assert value(families, "rena_graph_edge_delivered_samples_total", **one) == 7200 + 5
    assert value(families, "rena_graph_edge_dropped_samples_total", **one, reason="window") == 7
    assert value(families, "rena_graph_edge_dropped_samples_total", **one, reason="restart") == 0
    assert value(families, "rena_graph_node_state", node="r_peaks", state="running") == 1
    assert value(families, "rena_graph_node_state", node="r_peaks", state="failed") == 0
    assert value(families, "rena_graph_node_restarts_total", node='odd "name"\\') == 2
    assert value(families, "rena_graph_source_state", stream="ECG", state="connected") == 1
    assert value(families, "rena_graph_process_cpu_seconds_total", host="head", process="coordinator") == 0.5
    assert value(families, "rena_graph_process_cpu_seconds_total", host="gpu", process="agent") == 0.75
    assert value(families, "rena_graph_host_cpu_seconds_total", host="gpu", mode="idle") == 2.0
    assert value(families, "rena_graph_node_info", host="gpu", node="r_peaks") == 1
    states = {state: value(families, "rena_graph_host_state", host="gpu", state=state) for state in HOST_STATES}
    assert states == {"awaited": 0, "up": 0, "silent": 1, "lost": 0}
    assert value(families, "rena_graph_host_state", host="head", state="up") == 1
    with pytest.raises(AssertionError):
        value(families, "rena_graph_source_state", stream="R-peaks", state="connected")
    with pytest.raises(AssertionError):
        value(families, "rena_graph_node_asked_rate_hertz", node='odd "name"\\')


def test_histograms_are_cumulative_whole_octaves() -> None:
    families = exposed(answer())
    buckets = [
        (float(sample.labels["le"]), sample.value)
        for sample in families["rena_graph_node_loop_seconds"].samples
        if sample.name.endswith("_bucket") and sample.labels["node"] == "r_peaks"
    ]
    edges, counts = zip(*buckets, strict=True)
    assert list(edges) == sorted(edges)
    assert list(counts) == sorted(counts)
    assert counts[0] == 1
    assert edges[-1] == float("inf")
    assert counts[-2:] == (4, 5), "an hour is beyond the last edge"
    assert value(families, "rena_graph_node_loop_seconds_count", node="r_peaks") == 5
    assert value(families, "rena_graph_node_loop_seconds_sum", node="r_peaks") == 4005.011001
    near = value(families, "rena_graph_node_input_age_seconds_sum", node="r_peaks")
    assert near == pytest.approx(4005.011, rel=1 / 8)


def test_thinning_loses_no_count() -> None:
    counts = list(range(BUCKETS))
    thin = thinned(counts)
    for bucket, (edge_, count) in zip(EDGES, thin, strict=True):
        assert edge_ == upper_edge(bucket)
        assert count == sum(counts[: bucket + 1])
    ratios = {round(after / before, 9) for (before, _), (after, _) in pairwise(thin)}
    assert ratios == {2.0}


def test_before_there_is_a_board_there_is_still_a_page() -> None:
    told = metrics_answer(status(nodes={"a": {"state": "placing"}}, streams={}, edges=[]), {}, 0.1)
    families = exposed(told)
    assert value(families, "rena_graph_node_state", node="a", state="placing") == 1


def test_a_counter_never_falls() -> None:
    told = answer()
    collector = RunCollector(lambda: told)
    before = exposition(collector)
    for edge_ in told["status"]["edges"]:
        edge_["delivered"] -= 1
        edge_["dropped"] = {}
    assert exposition(collector) == before


def test_while_nobody_answers_the_run_is_down() -> None:
    def lost() -> dict[str, Any]:
        raise RunLost("its coordinator is not there for now")

    families = {f.name: f for f in text_string_to_metric_families(exposition(RunCollector(lost)))}
    assert list(families) == [UP]
    assert value(families, UP) == 0


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "prometheus_client", None)
    with pytest.raises(MissingExtra, match=r"pip install 'rena-graph\[metrics\]'"):
        require_prometheus()


# -- the page, the board, the alerts ------------------------------------------------------------------
def test_the_page_has_every_metric_as_it_is_and_no_other() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    for metric in CATALOGUE:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
        assert f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |" in page
    assert set(NAME.findall(page)) == {UP, *(metric.name for metric in CATALOGUE)}


def series() -> set[str]:
    """Names that a query may use."""
    names = {UP}
    for metric in CATALOGUE:
        ends = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        names |= {metric.name + end for end in ends}
    return names


def queries(value_: Any) -> Iterator[str]:
    """Every query below a value of a board."""
    if isinstance(value_, dict):
        for key, inner in value_.items():
            if key in ("expr", "query") and isinstance(inner, str):
                yield inner
            else:
                yield from queries(inner)
    elif isinstance(value_, list):
        for inner in value_:
            yield from queries(inner)


def test_the_board_uses_only_metrics_that_there_are_and_their_labels() -> None:
    board = json.loads((DEPLOY / "grafana" / "rena-graph.json").read_text(encoding="utf-8"))
    labels = {metric.name.removesuffix("_total"): set(metric.labels) for metric in CATALOGUE}
    asked = list(queries(board))
    assert len(asked) > 30
    for query in asked:
        assert set(NAME.findall(query)) <= series(), query
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    for panel in panels:
        for target in panel["targets"]:
            known = {"instance"}
            for name in NAME.findall(target["expr"]):
                known |= labels.get(re.sub(r"_(total|bucket|sum|count)$", "", name), set())
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= known, target
    places = [tuple(panel["gridPos"][key] for key in "xywh") for panel in board["panels"]]
    assert len({place[:2] for place in places}) == len(places), "two panels in one place"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_alerts_use_only_metrics_that_there_are() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rena-graph.rules.yml").read_text(encoding="utf-8"))
    found = [rule for group in rules["groups"] for rule in group["rules"]]
    assert {rule["alert"] for rule in found} >= {"RenaGraphNodeStale", "RenaGraphDropping", "RenaGraphNodeBehind"}
    for rule in found:
        names = set(NAME.findall(rule["expr"]))
        assert names
        assert names <= series(), rule["expr"]
        assert rule["annotations"].keys() == {"summary", "description"}
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    for file in config["rule_files"]:
        assert (DEPLOY / "prometheus" / file).exists()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool: Debian's package prometheus")
def test_prometheus_itself_takes_configuration_and_alerts() -> None:
    command = ["promtool", "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stdout + done.stderr
    text = exposition(RunCollector(answer))
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=LIMIT
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
