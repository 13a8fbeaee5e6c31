"""A host is lost: who goes on where, in which rows, and how ledgers go on there. Without hosts and processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.model import Graph
from rena_graph.runtime.host.moved import Ledger, Moved, begin_links, follow_ledgers, make_missing, open_moved
from rena_graph.runtime.host.shared import make_shared, remove_shared
from rena_graph.runtime.host_plan import plan_of_host
from rena_graph.runtime.hosts.anew import hosts_of, place_anew
from rena_graph.runtime.hosts.layout import Layout
from rena_graph.runtime.hosts.machines import Machine
from rena_graph.runtime.hosts.planner import may_be, place
from rena_graph.runtime.plan import HostPaths, Plan, make_plan
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Board, EdgeColumn, StreamColumn
from rena_graph.transport.interface import EdgeOptions
from rena_graph.transport.links import open_reader, open_writer
from tests.graph.documents import graph_of

HERE = Machine("here", "10.0.0.1", cpus=4)
FAR = Machine("far", "10.0.0.2", cpus=4, gpus=1, labels={"room": "lab"})
LAB = Machine("lab", "10.0.0.3", cpus=3, labels={"room": "lab"})
MACHINES = [HERE, FAR, LAB]
OUT = {"channels": 1, "dtype": "float64", "rate": 100}
NAMES = ("a", "b", "c", "d")
PLACEMENTS = st.lists(
    st.sampled_from([
        {}, {"host": "here"}, {"host": "far"}, {"host": "lab"}, {"labels": {"room": "lab"}}, {"num_cpus": 2},
        {"num_gpus": 1}, {"near": "a"}, {"num_cpus": 2, "labels": {"room": "lab"}},
    ]),
    min_size=4, max_size=4,
)  # fmt: skip


def graph(placements: list[dict[str, Any]], **of_b: Any) -> Graph:
    """S → a → A → b → B → c, and A → d."""
    inputs = (["S"], ["A"], ["B"], ["A"])
    outputs: tuple[dict[str, Any], ...] = ({"A": OUT}, {"B": OUT}, {"C": OUT}, {})
    nodes: dict[str, Any] = {
        name: {
            "inputs": takes,
            "outputs": makes,
            "placement": {k: v for k, v in placed.items() if (k, v) != ("near", name)},
        }
        for name, takes, makes, placed in zip(NAMES, inputs, outputs, placements, strict=True)
    }
    nodes["b"] |= of_b
    return graph_of(nodes, S={**OUT, "from": {"simulate": {}}})


def laid_out(made: Graph) -> Layout:
    """Over all three hosts, also those of which the planner makes no use."""
    placed = place(made, MACHINES)
    addresses = {machine.name: machine.address for machine in MACHINES}
    return Layout("here", addresses, placed.nodes, placed.streams, tuple(MACHINES))


def plans(made: Graph, where: Layout, folder: Path = Path("/nowhere")) -> dict[str, Plan]:
    specs = {"S": StreamSpec("S", 1, "float64", 100.0)}
    whole = make_plan(made, specs, "ring", HostPaths("anew", folder, folder / "board"))
    paths = {host: HostPaths(f"anew-{host}", folder / host, folder / f"board-{host}") for host in where.addresses}
    return {host: plan_of_host(whole, where, host, paths[host]) for host in where.addresses}


@settings(deadline=None)
@given(PLACEMENTS, st.permutations(["far", "lab"]))
def test_every_node_of_a_lost_host_has_one_other_place_or_a_reason(
    placements: list[dict[str, Any]], order: list[str]
) -> None:
    made = graph(placements)
    try:
        where = laid_out(made)
    except EnvironmentRefused:
        assume(False)
    first, lost, alone = where, [], None
    for host in order:
        lost.append(host)
        found = place_anew(made, where, host, lost)
        before = {node for node, there in where.nodes.items() if there == host}
        assert {*found.moves, *found.stuck} == before
        assert not {*found.moves} & {*found.stuck}
        after = where.with_moved(found.moves)
        assert after.with_moved(found.moves) == after
        assert Layout.from_dict(after.to_dict()) == after
        assert after.first == first
        assert {n: h for n, h in after.nodes.items() if n not in before} == {
            n: h for n, h in where.nodes.items() if n not in before
        }
        machines = {machine.name: machine for machine in MACHINES}
        may = hosts_of(made, first)
        for node, to in found.moves.items():
            assert to not in lost
            assert to in may[node], "there are rows for it"
            assert may_be(made.nodes[node].placement, machines[to])
            near = made.nodes[node].placement.near
            assert near is None or after.nodes[near] == to
        for name, machine in machines.items():
            there = [made.nodes[n].placement for n, h in after.nodes.items() if h == name]
            assert sum(p.num_cpus for p in there) <= machine.cpus
            assert sum(p.num_gpus for p in there) <= machine.gpus
        where, alone = after, rows_hold(made, first, after, alone)


def rows_hold(made: Graph, first: Layout, after: Layout, before: dict[Any, int] | None) -> dict[Any, int]:
    """Rows mean the same before and after, and each is counted on one host."""
    then, now = plans(made, first), plans(made, after)
    (count,) = {plan.edge_count for plan in (*then.values(), *now.values())}
    counted = sorted(row for plan in now.values() for row in plan.own_edges)
    consumers = now["here"].consumers()
    assert counted == sorted(consumers), "every edge on one host"
    assert all(row < count for row in counted)
    meaning = {**(before or {}), **{who: row for row, who in then["here"].consumers().items()}}
    for row, who in consumers.items():
        assert meaning.setdefault(who, row) == row
    assert len(set(meaning.values())) == len(meaning), "no row for two edges"
    for plan in now.values():
        for name, port in plan.ports.items():
            assert not {*port.edges} & {*port.later}
            assert set(port.edges) == {row for row in plan.own_edges if consumers[row][0] == name}
    for host, plan in now.items():
        assert all(after.made_on(made)[name] == host for name in plan.ports if name not in plan.incoming)
        # Rings that a host had it has still; a stream may only be made there now.
        assert host in ("far", "lab") or {*then[host].ports} <= {*plan.ports}
    return meaning


def test_a_run_on_one_host_has_no_rows_for_links() -> None:
    made = graph([{}] * 4)
    where = Layout("here", {"here": "10.0.0.1"}, dict.fromkeys(NAMES, "here"), {"S": "here"}, (HERE,))
    (plan,) = plans(made, where).values()
    assert plan.edge_count == len(made.edges) == len(plan.consumers())
    assert (plan.link_rows, plan.crossable) == (0, ())
    assert not any(port.later for port in plan.ports.values())


@pytest.mark.parametrize(
    ("of_b", "why"),
    [
        ({"placement": {"host": "far"}}, "the graph wants it on host far"),
        ({"placement": {"num_gpus": 1}}, "too little of what it asks for"),
        ({"placement": {"labels": {"room": "lab"}, "num_cpus": 4}}, "too little of what it asks for"),
        ({"restart": {"policy": "never"}}, "never begun anew"),
        ({"pip": ["x==1"]}, "packages"),
        ({"inputs": [{"stream": "A", "lossless": True}]}, "lose nothing"),
        ({"outputs": {"B": {**OUT, "to": {"lsl": {}}}}}, "leaves the graph from its host"),
    ],
)
def test_what_holds_a_node_on_its_host_is_said(of_b: dict[str, Any], why: str) -> None:
    made = graph([{}, {}, {"host": "lab"}, {"host": "far"}], **of_b)
    nodes = {"a": "here", "b": "far", "c": "lab", "d": "far"}
    where = Layout("here", {m.name: m.address for m in MACHINES}, nodes, {"S": "here"}, tuple(MACHINES))
    found = place_anew(made, where, "far", ["far"])
    assert found.moves == {}
    assert why in found.stuck["b"]
    assert found.stuck["d"] == "the graph wants it on host far"


def test_nodes_that_stay_together_are_moved_together_or_not_at_all() -> None:
    made = graph([{}, {"host": "far"}, {"near": "b"}, {"labels": {"room": "lab"}}])
    nodes = {"a": "here", "b": "far", "c": "far", "d": "far"}
    where = Layout("here", {m.name: m.address for m in MACHINES}, nodes, {"S": "here"}, tuple(MACHINES))
    found = place_anew(made, where, "far", [])
    assert found.moves == {"d": "lab"}
    assert "node 'b', which is to be on one host with it" in found.stuck["c"]


def test_a_host_takes_over_streams_and_ledgers(tmp_path: Path) -> None:
    """Node b goes from `far`, where A came in, to `lab`, where B came in, and A never did."""
    made = graph([{"host": "here"}, {}, {"host": "lab"}, {"host": "here"}])
    nodes = {"a": "here", "b": "far", "c": "lab", "d": "here"}
    first = Layout("here", {m.name: m.address for m in MACHINES}, nodes, {"S": "here"}, tuple(MACHINES))
    after = first.with_moved({"b": "lab"})
    then, now = plans(made, first, tmp_path)["lab"], plans(made, after, tmp_path)["lab"]
    assert (dict(then.incoming), dict(now.incoming)) == ({"B": "far"}, {"A": "here"})
    board: Board = make_shared(then)
    try:
        links = open_writer(then.ports["B"], board, 5)
        links.publish(np.zeros((30, 1)), np.arange(30.0))
        reader = open_reader(then.ports["B"], EdgeOptions(made.inputs_of("c")[0].index), board, start=0)
        make_missing(now)
        into = open_writer(now.ports["A"], board, 1)  # as the receiver does
        into.skip(50)  # type: ignore[attr-defined]
        links.hand_over()  # type: ignore[attr-defined]
        (edge,) = made.inputs_of("b")
        moved = Moved(frozenset({"b"}), {"A": 50, "B": 40}, {edge.index: Ledger(40, {"window": 3})})
        for _ in range(2):
            open_moved(now, board, moved)
            follow_ledgers(now, board, moved)
            assert begin_links(now, board, moved.nodes) == {}, "B goes nowhere from here"
        row = board.edge(edge.index).ints
        assert (row[EdgeColumn.START], row[EdgeColumn.POSITION]) == (0, 50)
        assert row[EdgeColumn.DELIVERED] == 40
        assert (row[EdgeColumn.DROPPED_WINDOW], row[EdgeColumn.DROPPED_HOST]) == (3, 7)
        takes = open_reader(now.ports["A"], EdgeOptions(edge.index), board, resume=True)
        into.publish(np.ones((5, 1)), np.arange(5.0))
        assert takes.pending() == 5
        # Its own epoch is less than that of whoever wrote before.
        makes = open_writer(now.ports["B"], board, 1)
        makes.publish(np.ones((10, 1)), np.arange(30.0, 40.0))
        assert reader.pending() == 40, "the same stream for who reads it"
        assert board.stream(now.ports["B"].index).ints[StreamColumn.PRODUCED] == 40
        for opened in (links, into, makes, reader, takes):
            opened.close()
    finally:
        remove_shared(now, board)


def test_a_link_that_is_new_begins_with_what_is_made_from_now_on(tmp_path: Path) -> None:
    made = graph([{"host": "here"}, {}, {"host": "lab"}, {"host": "here"}])
    nodes = {"a": "here", "b": "far", "c": "lab", "d": "here"}
    first = Layout("here", {m.name: m.address for m in MACHINES}, nodes, {"S": "here"}, tuple(MACHINES))
    now = plans(made, first.with_moved({"b": "lab"}), tmp_path)["here"]
    board: Board = make_shared(plans(made, first, tmp_path)["here"])
    try:
        writer = open_writer(now.ports["A"], board, 0)
        writer.publish(np.zeros((20, 1)), np.arange(20.0))
        assert begin_links(now, board, {"b"}) == {"A": 20}
        writer.publish(np.zeros((20, 1)), np.arange(20.0, 40.0))
        assert begin_links(now, board, {"b"}) == {"A": 20}, "once"
        writer.close()
    finally:
        remove_shared(now, board)
