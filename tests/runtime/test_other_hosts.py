"""Hosts that are lost one after the other, and at once: each node is sent to one that is there, and told of with it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rena_graph.graph.model import Graph
from rena_graph.runtime.coordinator.agents import Agents
from rena_graph.runtime.coordinator.groundwork import Groundwork
from rena_graph.runtime.coordinator.host_watch import LOST_AFTER
from rena_graph.runtime.coordinator.other_hosts import OtherHosts
from rena_graph.runtime.coordinator.signals import Event, HostGone
from rena_graph.runtime.hosts.layout import Layout
from rena_graph.runtime.hosts.machines import Machine
from rena_graph.runtime.options import LaunchOptions
from rena_graph.runtime.run_setup import RunSetup
from rena_graph.streams.spec import StreamSpec
from rena_graph.testing.clock import FakeClock
from tests.graph.documents import graph_of

OUT = {"channels": 1, "dtype": "float64", "rate": 100}
MACHINES = (
    Machine("here", "10.0.0.1"),
    Machine("far", "10.0.0.2", labels={"room": "lab"}),
    Machine("lab", "10.0.0.3", labels={"room": "lab"}),
)


def graph(placement: dict[str, object]) -> Graph:
    nodes = {
        "moves": {"inputs": ["S"], "outputs": {"X": OUT}, "placement": placement},
        "stays": {"inputs": ["X"], "placement": {"host": "here"}},
        "bound": {"inputs": ["X"], "placement": {"host": "lab"}},
    }
    return graph_of(nodes, S={**OUT, "from": {"simulate": {}}})


class Run:
    """What a coordinator has of the hosts of a run; each event is carried out as far as it moves nodes."""

    def __init__(self, placement: dict[str, object], folder: Path) -> None:
        made = graph(placement)
        setup = RunSetup("r", made, folder, folder, "ring", LaunchOptions())
        self.clock = FakeClock()
        self.gone: list[HostGone] = []
        agents = Agents(setup, lambda host: None)
        self.ground = Groundwork(setup, agents, lambda layout: None, lambda: None, lambda *words: None)
        addresses = {machine.name: machine.address for machine in MACHINES}
        layout = Layout("here", addresses, {"moves": "far", "stays": "here", "bound": "lab"}, {"S": "here"}, MACHINES)
        self.ground.restore(
            {
                "layout": layout.to_dict(),
                "specs": {"S": asdict(StreamSpec("S", 1, "float64", 100.0))},
                "runtimes": {host: str(folder / host) for host in addresses},
                "code": {"lies": {}, "lives": {}, "roots": {}},
                "over": [],
            }
        )
        self.hosts = OtherHosts(agents, self.ground, self._hear, self.clock)
        self.hosts.expect()
        self.beat("far", "lab")

    def _hear(self, event: Event) -> None:
        if isinstance(event, HostGone):
            self.gone.append(event)
            if event.moves:
                self.ground.move(dict(event.moves))

    def beat(self, *hosts: str) -> None:
        for host in hosts:
            self.hosts.heard(host, 0)

    def pass_time(self, seconds: float, *beating: str) -> None:
        for _ in range(round(seconds / 0.25)):
            self.clock.advance(0.25)
            self.beat(*beating)
            self.hosts.look()


def test_a_node_goes_on_where_its_labels_let_it(tmp_path: Path) -> None:
    run = Run({"labels": {"room": "lab"}}, tmp_path)
    run.pass_time(LOST_AFTER + 1, "lab")
    (gone,) = run.gone
    assert (gone.host, gone.nodes, gone.moves, gone.stuck) == ("far", ("moves",), (("moves", "lab"),), ())
    assert run.ground.where == {"moves": "lab", "stays": "here", "bound": "lab"}
    assert run.ground.plans["lab"].node_rows.keys() == {"moves", "bound"}
    run.pass_time(LOST_AFTER + 1)
    gone = run.gone[-1]
    assert (gone.host, gone.nodes) == ("lab", ("moves", "bound"))
    assert dict(gone.stuck)["moves"] == "no host that remains has the label room=lab"


def test_a_silent_host_is_chosen_only_where_there_is_no_other(tmp_path: Path) -> None:
    run = Run({}, tmp_path)
    run.pass_time(LOST_AFTER + 1)
    assert [(gone.host, gone.nodes, gone.moves) for gone in run.gone] == [
        ("far", ("moves",), (("moves", "here"),)),
        ("lab", ("bound",), ()),
    ]


def test_a_node_that_is_sent_to_a_host_that_is_lost_too_is_told_of_with_that(tmp_path: Path) -> None:
    run = Run({"labels": {"room": "lab"}}, tmp_path)
    run.pass_time(LOST_AFTER + 1)
    assert [(gone.host, gone.nodes) for gone in run.gone] == [("far", ("moves",)), ("lab", ("moves", "bound"))]
    assert {node for node, _ in run.gone[-1].stuck} == {"moves", "bound"}
