"""What happens to a graph when its coordinator or its host agent fails: a row of the fault table each."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rena_graph.errors import ExitCode, RunLost
from rena_graph.runtime.lifecycle import NodeState
from rena_graph.runtime.plan import HostPaths
from rena_graph.runtime.segments import read_segments
from rena_graph.transport.board import Board, NodeColumn
from tests.faults.frame import process_of, send
from tests.faults.scene import Fault, Scene, fault_graph
from tests.faults.table import FaultRow, record
from tests.faults.test_node_faults import scene, sent, unharmed
from tests.limits import LIMIT
from tests.live.launching import unique
from tests.live.processes import LslClient, ZmqSubscriber
from tests.ports import free_port
from tests.runtime.live import balanced, collect, document, finish, kept, relay, running, told, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.faults]


def loops(on: Scene) -> dict[str, int]:
    return {name: node["loops"] for name, node in on.run.status()["nodes"].items()}


def nobody_restarted(status: dict[str, Any]) -> None:
    assert {name: node["restarts"] for name, node in status["nodes"].items()} == dict.fromkeys(status["nodes"], 0)


def test_a_killed_coordinator_comes_back_and_the_nodes_do_not_notice(ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address) as on:
        on.run.params["bad"]["mark"] = "new"  # changed while it runs: the next coordinator has to know
        fault = send(signal.SIGKILL, on.run, "CoordinatorActor")
        status = on.flows_again(0)
    row = on.report("coordinator: SIGKILL", "another one goes on", fault, "coordinator died", status)
    unharmed(row, status)
    nobody_restarted(status)
    undisturbed(row, fault, tmp_path)
    assert row.repeated == 0
    assert status["nodes"]["bad"]["params"]["mark"] == "new"
    events = list(read_segments(on.run.folder, "events"))
    assert [e["phase"] for e in events if e["event"] == "phase"] == ["starting", "running", "stopping", "ended"]
    for name in status["nodes"]:
        states = [e["state"] for e in events if e["event"] == "state" and e["node"] == name]
        assert len(states) == len(set(states)), f"each state of {name} is written once"


def undisturbed(row: FaultRow, fault: Fault, folder: Path) -> None:
    """There is no hole to be seen: keep the first sample that came after the fault."""
    times = kept(folder / "reader.npz")["times"]
    record(replace(row, first_sample=float(times[times > fault.graph_time][0] - fault.graph_time)))


def test_a_coordinator_killed_while_the_run_stops_ends_it(ray_address: str, tmp_path: Path) -> None:
    document = fault_graph(tmp_path)
    document["nodes"]["above"].update(script="faulty.py", params={"where": "slow_cleanup", "at": 0}, stop_timeout=60.0)
    # Its cleanup takes three seconds.
    with running(document, ray_address) as run:
        on = Scene(run, tmp_path)
        on.wait_until_it_flows()
        run.stop()
        wait_until(lambda: run.status()["state"] == "stopping", what="the stop")
        fault = send(signal.SIGKILL, run, "CoordinatorActor")
        status = finish(run)
    balanced(status)
    assert {node["state"] for node in status["nodes"].values()} == {"stopped"}
    said = on.told_at("coordinator died")
    record(
        FaultRow(
            "coordinator: SIGKILL while the run stops",
            "another one ends it in good order, exit code 0",
            None if said is None else said - fault.unix,
        )
    )


def test_a_coordinator_killed_while_a_node_restarts_makes_it_live_again(ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address) as on:
        fault = sent(signal.SIGKILL, on)
        os.kill(process_of(on.run, "CoordinatorActor"), signal.SIGKILL)
        status = on.flows_again(1)
    row = on.report(
        "node and coordinator: SIGKILL together", "another one restarts the node", fault, "restarting", status
    )
    unharmed(row, status)
    assert status["nodes"]["bad"]["restarts"] == 1


def test_coordinators_that_die_again_and_again_end_the_run(ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address) as on:
        for _ in range(6):
            send(signal.SIGKILL, on.run, "CoordinatorActor")
            wait_until(lambda: on.run.ended or answers(on), what="the next one, or the end")
        assert on.run.wait(LIMIT) is ExitCode.ENVIRONMENT
        assert "6 times" in (on.run.failure or "")
        assert len(kept(tmp_path / "reader.npz")["values"]), "its scripts were still cleaned up"
    record(FaultRow("coordinator: SIGKILL again and again", "the run ends in good order, exit code 5"))


def answers(on: Scene) -> bool:
    try:
        return bool(on.run.ask({"op": "status"})["status"]["state"] == "running")
    except RunLost:
        return False


def test_a_killed_host_agent_comes_back_and_the_nodes_do_not_notice(ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address) as on:
        before = loops(on)
        fault = send(signal.SIGKILL, on.run, "AgentActor")
        wait_until(lambda: all(n > before[name] for name, n in loops(on).items()), what="loops that go on")
        status = on.flows_again(0)
    row = on.report("host agent: SIGKILL", "another one goes on; sources catch up", fault, "host agent died", status)
    # What a simulated source makes while its process is dead comes late, but it comes.
    assert row.lost == 0
    assert row.repeated == 0
    nobody_restarted(status)
    values = kept(tmp_path / "reader.npz")["values"]
    assert np.array_equal(values, np.arange(len(values)))


@pytest.mark.lsl
def test_a_host_agent_killed_at_the_edges_counts_what_it_had_in_hand(ray_address: str, tmp_path: Path) -> None:
    """A recording in, an LSL outlet and a ZMQ publisher out: each goes on where it was."""
    count, rate = 4000, 250.0
    np.savez(tmp_path / "r.npz", data=np.arange(count, dtype=float)[:, None], rate=rate)
    name, port = unique("frame"), free_port()
    out = {"channels": 1, "dtype": "float64", "rate": rate, "as": "out"}
    # Its window takes what a recording catches up with, however long a busy machine needs for another agent.
    relayed = relay("R", "X", rate, buffer_duration=10.0)
    node = {**relayed, "outputs": {"X": {**out, "to": {"lsl": {"name": name}, "zmq": {"port": port}}}}}
    recording = {"from": {"recording": {"path": str(tmp_path / "r.npz")}}}
    doc = document({"R": recording}, {"relay": node, "keeper": collect(tmp_path / "a.npz", "X", buffer_duration=10.0)})
    # The clients look for it from the start on: the recording has to last until they have it and the agent has died.
    with (
        LslClient(f"name='{name}'", tmp_path / "lsl.npz", recover=True, mark=100) as lsl,
        ZmqSubscriber(port, "X") as zmq,
        running(doc, ray_address) as run,
    ):
        assert len(lsl.connected()) == 1
        lsl.marked()
        send(signal.SIGKILL, run, "AgentActor")
        status = finish(run)
        said = told(run)
        values = lsl.finished()[0].data[:, 0]
        messages = zmq.finished()
    balanced(status)
    nobody_restarted(status)
    assert "host agent died" in said
    assert np.array_equal(kept(tmp_path / "a.npz")["X"][:, 0], np.arange(count)), "inside the graph nothing is lost"
    sinks = {edge["to"]: edge for edge in status["edges"] if edge["to"].startswith(("lsl:", "zmq:"))}
    assert len(sinks) == 2
    for edge in sinks.values():
        assert edge["delivered"] + sum(edge["dropped"].values()) == count, edge
        assert set(edge["dropped"]) <= {"restart"}
    # What a client of LSL or ZMQ misses while there is no outlet is outside, and cannot be counted; but nothing twice.
    assert np.all(np.diff(values) > 0)
    assert values[-1] == count - 1
    assert len(messages) > 500


def test_a_host_agent_killed_with_a_command_under_way_is_no_loss(ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address) as on:
        send(signal.SIGKILL, on.run, "AgentActor")
        assert on.run.change_params("bad", set={"mark": "new"})["mark"] == "new"
        on.run.pause("above")
        wait_until(lambda: on.run.status()["nodes"]["above"]["state"] == "paused", what="the pause")
        on.run.resume("above")
        status = on.flows_again(0)
        said = told(on.run)
    balanced(status)
    nobody_restarted(status)
    assert "host agent died" in said


def test_a_stopped_coordinator_holds_its_nodes_and_lets_them_go(ray_address: str, tmp_path: Path) -> None:
    with scene(tmp_path, ray_address) as on:
        on.run.pause("beside")
        wait_until(lambda: on.run.status()["nodes"]["beside"]["state"] == "paused", what="the pause")
        board = BoardLook(on)
        pid = process_of(on.run, "CoordinatorActor")
        send(signal.SIGSTOP, on.run, "CoordinatorActor")
        wait_until(lambda: board.state("reader") == "paused", what="the hold")
        held = board.loops("reader")
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: board.loops("reader") > held, what="loops again")
        assert board.state("beside") == "paused", "the user has paused it, and it stays so"
        on.run.resume("beside")
        status = on.flows_again(0)
    balanced(status)
    nobody_restarted(status)
    assert "nodes and outlets are held" in told(on.run)
    record(FaultRow("coordinator: SIGSTOP for more than 10 s, then SIGCONT", "nodes and outlets held, then let go"))


class BoardLook:
    """What nodes count, without asking anybody."""

    def __init__(self, on: Scene) -> None:
        self._board = Board.attach(HostPaths.of(on.run.id, Path("/")).board)
        self._rows = {name: i for i, name in enumerate(on.run.status()["nodes"])}

    def state(self, node: str) -> str:
        return NodeState(self._board.node(self._rows[node]).ints[NodeColumn.STATE]).label

    def loops(self, node: str) -> int:
        return self._board.node(self._rows[node]).ints[NodeColumn.LOOPS]
