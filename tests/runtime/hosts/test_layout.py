"""One plan for several hosts: the same rows everywhere, each counted once, rings only where somebody needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.graph.model import Graph
from rena_graph.runtime.coordinator.reports import Reports, merged_details
from rena_graph.runtime.host.part import HostPart
from rena_graph.runtime.host.report import BoardReader, stale_nodes
from rena_graph.runtime.host_plan import plan_of_host
from rena_graph.runtime.hosts.layout import Layout
from rena_graph.runtime.plan import HostPaths, Plan, make_plan
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Board, EdgeColumn, NodeColumn, StreamColumn
from tests.graph.documents import LSL_EEG, graph_of

EEG = StreamSpec("EEG", 4, "float32", 250.0)
HOSTS = ("head", "gpu", "lab")


def graph() -> Graph:
    out = {"channels": 1, "dtype": "float32", "rate": 10}
    return graph_of(
        {
            "filter": {"inputs": ["EEG"], "outputs": {"clean": {**out, "to": {"zmq": {"port": 5599}}}}},
            "train": {"inputs": ["clean", "EEG"], "outputs": {"model": out}},
            "ask": {
                "inputs": [{"stream": "clean", "policy": "block", "block_timeout": 3.0}, "model"],
                "outputs": {"answer": {**out, "to": {"lsl": {}}}},
            },
            "show": {"inputs": ["answer", "EEG"]},
        },
        EEG={**LSL_EEG, "from": {"simulate": {}}},
    )


def layout(nodes: dict[str, str], eeg: str = "head") -> Layout:
    used = ["head", *(host for host in HOSTS[1:] if host in {*nodes.values(), eeg})]
    return Layout("head", {host: f"10.0.0.{HOSTS.index(host) + 1}" for host in used}, nodes, {"EEG": eeg})


SPREAD = layout({"filter": "head", "train": "gpu", "ask": "gpu", "show": "lab"})


def plans(where: Layout, folder: Path) -> dict[str, Plan]:
    whole = make_plan(graph(), {"EEG": EEG}, "ring", HostPaths.of("r", folder))
    return {
        host: plan_of_host(whole, where, host, HostPaths("r", folder / host, folder / f"board-{host}"))
        for host in where.addresses
    }


def test_a_stream_crosses_once_for_each_host_that_takes_it(tmp_path: Path) -> None:
    made = plans(SPREAD, tmp_path)
    assert [(link.stream, link.to) for link in made["head"].links] == [
        ("EEG", "gpu"), ("EEG", "lab"), ("clean", "gpu"), ("answer", "lab"),
    ]  # fmt: skip
    assert {host: dict(plan.incoming) for host, plan in made.items()} == {
        "head": {}, "gpu": {"EEG": "head", "clean": "head"}, "lab": {"EEG": "head", "answer": "gpu"},
    }  # fmt: skip
    assert {host: sorted(plan.ports) for host, plan in made.items()} == {
        "head": ["EEG", "clean"], "gpu": ["EEG", "answer", "clean", "model"], "lab": ["EEG", "answer"],
    }  # fmt: skip
    assert [sink.stream for sink in made["head"].own_sinks] == ["clean"]
    assert [sink.stream for sink in made["gpu"].own_sinks] == ["answer"]
    # Whoever waits for its readers there makes the producer here wait for the link.
    waits = {(link.stream, link.to): (link.policy, link.block_timeout) for link in made["head"].links}
    assert waits["clean", "gpu"] == ("block", 3.0)
    assert waits["EEG", "gpu"] == ("fifo", 1.0)
    assert made["head"].own_clock
    assert not made["gpu"].own_clock
    assert not made["gpu"].setup("train", 0, {}).own_clock
    assert made["gpu"].setup("train", 0, {}).board == str(tmp_path / "board-gpu")


@given(st.fixed_dictionaries({node: st.sampled_from(HOSTS) for node in graph().nodes}), st.sampled_from(HOSTS))
def test_every_row_is_counted_on_one_host_and_means_the_same_on_all(nodes: dict[str, str], eeg: str) -> None:
    where = layout(nodes, eeg)
    made = plans(where, Path("/nowhere"))
    (count,) = {plan.edge_count for plan in made.values()}
    (consumers,) = {tuple(plan.consumers().values()) for plan in made.values()}
    assert len(consumers) == count
    assert sorted(row for plan in made.values() for row in plan.own_edges) == list(range(count))
    assert sorted(node for plan in made.values() for node in plan.node_rows) == sorted(nodes)
    for plan in made.values():
        # The rows of a ring are those of its readers here, the links to other hosts among them.
        assert {row for port in plan.ports.values() for row in port.edges} == plan.own_edges
        for name, port in plan.ports.items():
            assert port.index == list(plan.graph.streams).index(name)
            assert all(consumers[row][0] == name for row in port.edges)
        assert all(made[host].outgoing for host in plan.incoming.values())
    assert where.several == (len(made) > 1)
    assert Layout.from_dict(where.to_dict()) == where


def test_what_a_node_takes_from_other_hosts() -> None:
    assert SPREAD.coming_to(graph(), "train") == {"head": ("clean", "EEG")}
    assert SPREAD.coming_to(graph(), "show") == {"gpu": ("answer",), "head": ("EEG",)}
    assert SPREAD.coming_to(graph(), "filter") == {}


def test_the_reports_of_all_hosts_together_are_those_of_one(tmp_path: Path) -> None:
    made = plans(SPREAD, tmp_path)
    reports = Reports(graph())
    for host, plan in made.items():
        with Board.create(plan.paths.board, streams=4, edges=plan.edge_count, nodes=4) as board:
            for name, port in plan.ports.items():
                # What a host takes from another one it has less of.
                board.stream(port.index).ints[StreamColumn.PRODUCED] = 100 - 10 * (name in plan.incoming)
            for row in plan.own_edges:
                board.edge(row).ints[EdgeColumn.POSITION] = board.edge(row).ints[EdgeColumn.DELIVERED] = 80
            for row in plan.node_rows.values():
                board.node(row).ints[NodeColumn.LOOPS] = 7
            assert not reports.complete(made)
            reports.heard(host, BoardReader(board, plan).read(10**9))
            assert stale_nodes(plan, board, 10**9) == []
    assert reports.complete(made)
    merged = reports.merged()
    assert list(merged["nodes"]) == list(graph().nodes)
    assert {name: node["host"] for name, node in merged["nodes"].items()} == SPREAD.nodes
    assert all(node["loops"] == 7 for node in merged["nodes"].values())
    assert list(merged["streams"]) == list(graph().streams)
    assert all(stream["produced"] == 100 for stream in merged["streams"].values()), "as counted where it is made"
    assert [(edge["stream"], edge["to"]) for edge in merged["edges"]] == list(made["head"].consumers().values())
    assert "row" not in merged["edges"][0]
    flying = {(edge["stream"], edge["to"]): edge["in_flight"] for edge in merged["edges"]}
    assert flying["EEG", "filter"] == flying["EEG", "host gpu"] == 20
    assert flying["EEG", "train"] == 10, "counted from what has arrived there"
    assert set(merged["hosts"]) == set(HOSTS)


def test_a_beat_replaces_what_its_own_host_said_of_silent_nodes() -> None:
    reports = Reports(graph())
    assert reports.heard_stale("gpu", [("train", 0, 1.5)]) == (("train", 0, 1.5),)
    assert reports.heard_stale("lab", [("show", 1, 2.0)]) == (("train", 0, 1.5), ("show", 1, 2.0))
    assert reports.heard_stale("gpu", []) == (("show", 1, 2.0),)


def test_details_for_metrics_go_together() -> None:
    def detail(node: str, cpu: float) -> dict[str, Any]:
        return {
            "histograms": {node: {}}, "latencies": [{"stream": node}], "gpu_memory": {node: 1}, "host": {"cpu": cpu},
            "agent_cpu": cpu,
        }  # fmt: skip

    found = merged_details({"lab": detail("a", 1.0), "new": {}, "gpu": detail("b", 2.0)})
    assert found["histograms"] == {"a": {}, "b": {}}
    assert found["latencies"] == [{"stream": "a"}, {"stream": "b"}]
    assert found["gpu_memory"] == {"a": 1, "b": 1}
    assert found["agents"] == {"lab": 1.0, "gpu": 2.0}
    assert found["hosts"] == {"lab": {"cpu": 1.0}, "gpu": {"cpu": 2.0}}
    assert not any(merged_details({}).values())


@pytest.mark.parametrize(("address", "bind"), [("10.0.0.2", "tcp://10.0.0.2:*"), ("fe80::1", "tcp://[fe80::1]:*")])
def test_a_host_lets_others_in_at_its_own_address_alone(address: str, bind: str) -> None:
    assert HostPart("gpu", address, (), here=False, several=True).bind == bind
