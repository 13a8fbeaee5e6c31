"""Where nodes are placed: within what hosts have, as the graph says, and so that little flows between hosts."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rena_graph.errors import EnvironmentRefused, UsageError
from rena_graph.graph.load import graph_from_dict
from rena_graph.graph.model import Graph
from rena_graph.runtime.hosts import planner
from rena_graph.runtime.hosts.machines import Machine, coordinator_first, machines_of_ray, read_hosts
from rena_graph.runtime.hosts.planner import Placement, place
from rena_graph.runtime.hosts.traffic import crossings, total

SCRIPTS = Path(__file__).parents[2] / "scripts"
LAB = Machine("lab", "10.0.0.1", cpus=4, labels={"device": "eeg"})
GPU = Machine("gpu", "10.0.0.2", cpus=8, gpus=1, memory=2**34)
SPARE = Machine("spare", "10.0.0.3", cpus=2)


def graph(nodes: dict[str, Any], streams: dict[str, Any] | None = None) -> Graph:
    """Each node as (inputs, {output: (channels, rate)}, placement)."""
    made = {
        name: {
            "script": "relay.py",
            "inputs": inputs,
            "outputs": {s: {"channels": c, "rate": r, "dtype": "float32"} for s, (c, r) in outputs.items()},
            "placement": placement,
        }
        for name, (inputs, outputs, placement) in nodes.items()
    }
    simulated = {
        name: {"from": {"simulate": {}}, "channels": c, "rate": r, "dtype": "float32"}
        for name, (c, r) in (streams or {}).items()
    }
    return graph_from_dict({"version": 1, "name": "g", "streams": simulated, "nodes": made}, SCRIPTS)


CHAIN = {
    "filter": (["EEG"], {"clean": (64, 1000)}, {}),
    "classify": (["clean"], {"label": (1, 10)}, {"num_gpus": 1}),
    "feedback": (["label"], {}, {"host": "lab"}),
}


def test_everything_is_where_the_coordinator_is_unless_something_asks_otherwise() -> None:
    placed = place(graph({"a": (["S"], {"T": (1, 10)}, {}), "b": (["T"], {}, {})}, {"S": (8, 250)}), [LAB, GPU])
    assert placed.nodes == {"a": "lab", "b": "lab"}
    assert placed.streams == {"S": "lab"}
    assert placed.crossings == ()
    assert placed.used == [LAB]


def test_the_cut_goes_through_the_thinnest_stream() -> None:
    doc = graph(CHAIN, {"EEG": (64, 1000)})
    placed = place(doc, [LAB, GPU])
    assert placed.nodes == {"filter": "gpu", "classify": "gpu", "feedback": "lab"}
    assert placed.streams == {"EEG": "gpu"}
    (crossing,) = placed.crossings
    assert (crossing.stream, crossing.source, crossing.target) == ("label", "gpu", "lab")
    assert crossing.bits == 8 * 10 * (4 + 8)


def test_a_device_stream_enters_at_the_coordinators_host_or_where_the_graph_says() -> None:
    source = {"from": {"lsl": {"name": "EEG"}}, "channels": 64, "rate": 1000.0, "dtype": "float32"}
    node = {"script": "relay.py", "inputs": ["EEG"], "placement": {"num_gpus": 1}}
    doc: dict[str, Any] = {"version": 1, "name": "g", "streams": {"EEG": source}, "nodes": {"n": node}}
    placed = place(graph_from_dict(doc, SCRIPTS), [LAB, GPU])
    assert placed.streams == {"EEG": "lab"}
    assert [(c.source, c.target) for c in placed.crossings] == [("lab", "gpu")]
    source["host"] = "10.0.0.2"
    assert place(graph_from_dict(doc, SCRIPTS), [LAB, GPU]).crossings == ()
    source["host"] = "nowhere"
    with pytest.raises(EnvironmentRefused, match="nowhere"):
        place(graph_from_dict(doc, SCRIPTS), [LAB, GPU])


def test_a_stream_crosses_a_link_once_however_many_take_it() -> None:
    nodes: dict[str, Any] = {f"n{i}": (["S"], {}, {"host": "gpu"}) for i in range(3)}
    nodes["m"] = (["S"], {}, {"host": "lab"})
    nodes["make"] = ([], {"S": (4, 100)}, {"host": "lab"})
    placed = place(graph(nodes), [LAB, GPU, SPARE])
    assert [(c.stream, c.target) for c in placed.crossings] == [("S", "gpu")]


def test_near_labels_and_what_is_fixed_hold() -> None:
    nodes = {
        "a": ([], {"S": (1, 10)}, {"labels": {"device": "eeg"}}),
        "b": (["S"], {"T": (500, 1000)}, {"near": "c"}),
        "c": (["T"], {}, {"near": "d"}),
        "d": (["S"], {}, {"num_gpus": 1}),
        "e": ([], {}, {}),
    }
    placed = place(graph(nodes), [LAB, GPU, SPARE], fixed={"e": "spare"})
    assert placed.nodes == {"a": "lab", "b": "gpu", "c": "gpu", "d": "gpu", "e": "spare"}


@pytest.mark.parametrize(
    ("placement", "said"),
    [
        ({"num_gpus": 2}, "node 'n' asks for 2 GPU, which no host has"),
        ({"host": "attic"}, "host attic"),
        ({"labels": {"room": "b"}}, "label room=b"),
        ({"num_cpus": 9}, "9 CPU"),
        ({"memory": 2**40}, "memory"),
    ],
)
def test_what_nobody_has_is_refused_with_what_there_is(placement: dict[str, Any], said: str) -> None:
    with pytest.raises(EnvironmentRefused) as caught:
        place(graph({"n": ([], {}, placement)}), [LAB, GPU])
    assert said in str(caught.value)
    assert "lab (10.0.0.1): 4 CPU" in str(caught.value)
    assert "label device=eeg" in str(caught.value)


def test_what_all_ask_for_together_must_be_there_too() -> None:
    nodes: dict[str, Any] = {f"n{i}": ([], {}, {"num_gpus": 1}) for i in range(2)}
    with pytest.raises(EnvironmentRefused, match="together"):
        place(graph(nodes), [LAB, GPU])
    with pytest.raises(EnvironmentRefused, match="node 'n0'"):
        place(graph({"n0": nodes["n0"]}), [LAB, GPU], taken={"gpu": {"GPU": 1}})


def test_many_nodes_are_placed_too_and_no_move_of_one_would_help() -> None:
    machines = [Machine(f"h{i}", f"10.0.0.{i}", cpus=8) for i in range(4)]
    nodes: dict[str, Any] = {
        f"n{i}": ([f"s{i - 1}"] if i % 8 else [], {f"s{i}": (1 + i % 5, 100)}, {"num_cpus": 1}) for i in range(32)
    }
    doc = graph(nodes)
    placed = place(doc, machines)
    assert placed.crossings == (), "four chains of eight fit four hosts of eight exactly"


@settings(max_examples=40, deadline=None)
@given(
    widths=st.lists(st.integers(1, 64), min_size=5, max_size=5),
    homes=st.lists(st.sampled_from(["lab", "gpu", None]), min_size=5, max_size=5),
)
def test_few_nodes_are_placed_as_well_as_can_be(widths: list[int], homes: list[str | None]) -> None:
    nodes: dict[str, Any] = {}
    for i, (width, home) in enumerate(zip(widths, homes, strict=True)):
        inputs = [f"s{i - 1}"] if i else []
        inputs += [f"s{i - 2}"] if i > 1 else []
        nodes[f"n{i}"] = (inputs, {f"s{i}": (width, 100)}, {"host": home} if home else {})
    doc = graph(nodes)
    placed = place(doc, [LAB, GPU])
    ways = itertools.product(*[[home] if home else ["lab", "gpu"] for home in homes])
    best = min(total(crossings(doc, dict(zip(nodes, way, strict=True)), {})) for way in ways)
    assert total(list(placed.crossings)) == best


def test_local_search_finds_the_same_where_all_ways_could_be_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    doc = graph(CHAIN, {"EEG": (64, 1000)})
    exact = place(doc, [LAB, GPU, SPARE])
    monkeypatch.setattr(planner, "_ALL_WAYS", 0)
    found: Placement = place(doc, [LAB, GPU, SPARE])
    assert total(list(found.crossings)) <= 100 * total(list(exact.crossings))
    assert found.nodes["classify"] == "gpu"


def test_hosts_as_ray_tells_them() -> None:
    def node(address: str, name: str, **resources: float) -> dict[str, Any]:
        return {
            "Alive": True,
            "NodeID": address * 2,
            "NodeManagerAddress": address,
            "NodeManagerHostname": name,
            "Resources": resources,
            "Labels": {"ray.io/node-id": "x", "room": "a"},
        }

    nodes = [node("10.0.0.2", "b", CPU=2, GPU=1.0), node("10.0.0.1", "a", CPU=4.0, memory=100.0)]
    machines = machines_of_ray([*nodes, {**node("10.0.0.3", "c"), "Alive": False}])
    assert [(m.name, m.cpus, m.gpus, m.memory, dict(m.labels)) for m in machines] == [
        ("a", 4.0, 0.0, 100.0, {"room": "a"}),
        ("b", 2.0, 1.0, 0.0, {"room": "a"}),
    ]
    assert coordinator_first(machines, "10.0.0.2")[0].name == "b"
    with pytest.raises(EnvironmentRefused, match="not a host of the cluster"):
        coordinator_first(machines, "10.9.9.9")
    same = machines_of_ray([node("10.0.0.1", "x"), node("10.0.0.2", "x")])
    assert [m.name for m in same] == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "JSON"),
        ('{"hosts": {}}', "hosts"),
        ('{"hosts": {"a": {"gpus": 1}}}', "hosts.a.gpus"),
        ('{"hosts": {"a": {}}, "coordinator": "b"}', "coordinator 'b'"),
    ],
)
def test_a_file_of_hosts_that_is_wrong_says_where(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "hosts.json"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_hosts(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    with pytest.raises(UsageError):
        read_hosts(tmp_path / "missing.json")
