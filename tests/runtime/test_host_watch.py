"""Hosts that are heard, silent, lost, by beats alone; leases; the guard that outlives Ray: all with a made-up clock."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rena_graph.errors import ExitCode
from rena_graph.graph.document import NodeDef
from rena_graph.runtime.alive import process_start
from rena_graph.runtime.coordinator.host_watch import (
    LOST_AFTER,
    MADE_ANEW_WITHIN,
    MADE_WITHIN,
    SILENT_AFTER,
    Change,
    HostState,
    HostWatch,
)
from rena_graph.runtime.coordinator.machine import Coordinator, Phase
from rena_graph.runtime.coordinator.memory import restore, save
from rena_graph.runtime.coordinator.signals import (
    HostGone,
    HostHeard,
    HostPrepared,
    HostSilent,
    Instruction,
    MoveNodes,
    NodeGone,
    NodeReported,
    PlaceNode,
    PrepareHost,
    RunNode,
    Say,
    StartNode,
    StopSources,
)
from rena_graph.runtime.host import guard
from rena_graph.runtime.host.guard import WITHOUT_AGENT, WITHOUT_RAY, Watch, end_guard, start_guard
from rena_graph.runtime.host.lease import ABANDONED_AFTER, LEASE_SECONDS, Lease
from rena_graph.runtime.host.mark import AgentMark, read_mark
from rena_graph.runtime.lifecycle import NodeState
from tests.limits import LIMIT
from tests.runtime.live import wait_until

TICK = 0.1


class Watched:
    """One host that beats or does not, looked at every tick."""

    def __init__(self) -> None:
        self.now = 0.0
        self.watch = HostWatch(0.0)
        self.changes: list[Change] = []
        self.watch.expect("far", 0.0)

    def run(self, seconds: float, beats: bool) -> list[HostState]:
        """States that were entered meanwhile."""
        known = len(self.changes)
        for tick in range(round(seconds / TICK)):
            self.now += TICK
            if beats and tick % 2 == 0:
                change = self.watch.beat("far", self.now)
                self.changes += [] if change is None else [change]
            self.changes += self.watch.look(self.now)
        return [change.state for change in self.changes[known:]]


def test_a_host_is_silent_soon_lost_later_and_that_for_good() -> None:
    host = Watched()
    assert host.run(5, beats=True) == []
    assert host.run(SILENT_AFTER - 0.3, beats=False) == []
    assert host.run(5, beats=True) == [], "a short silence is none"
    assert host.run(SILENT_AFTER + 0.3, beats=False) == [HostState.SILENT]
    assert host.watch.states(host.now)["far"]["silent_for"] > SILENT_AFTER
    assert host.run(1, beats=True) == [HostState.UP]
    assert host.run(LOST_AFTER + 1, beats=False) == [HostState.SILENT, HostState.LOST]
    assert host.run(LOST_AFTER + 1, beats=True) == []
    assert host.watch.is_lost("far")


def test_one_late_beat_is_not_enough_to_be_there_again() -> None:
    host = Watched()
    host.run(1, beats=True)
    host.run(5, beats=False)
    assert host.watch.beat("far", host.now) is None
    assert host.run(1, beats=False) == []
    assert host.run(1, beats=True) == [HostState.UP]
    assert host.changes[-1].seconds > 5


def test_of_an_agent_that_is_being_made_nothing_is_said_before_it_takes_too_long() -> None:
    host = Watched()
    assert host.run(MADE_WITHIN - 1, beats=False) == []
    assert host.run(2, beats=False) == [HostState.LOST]
    other = Watched()
    other.run(1, beats=True)
    other.watch.expect("far", other.now)
    assert other.run(MADE_ANEW_WITHIN - 1, beats=False) == []
    assert other.run(2, beats=False) == [HostState.LOST]


def test_a_doomed_host_is_silent_at_once_and_no_beat_helps_it() -> None:
    host = Watched()
    host.run(1, beats=True)
    change = host.watch.doom("far", "no raylet", host.now)
    assert change is not None
    assert (change.state, change.why) == (HostState.SILENT, "no raylet")
    assert host.run(1, beats=True) == []
    host.watch.expect("far", host.now)
    assert host.run(LOST_AFTER + 1, beats=False) == [HostState.LOST]
    assert host.changes[-1].why == "no raylet"


def test_what_the_coordinator_slept_is_nobody_s_silence() -> None:
    host = Watched()
    host.run(1, beats=True)
    host.now += 100
    assert host.run(1, beats=False) == []
    assert host.run(LOST_AFTER, beats=False) == [HostState.SILENT, HostState.LOST]


def test_the_next_coordinator_knows_who_is_lost() -> None:
    host = Watched()
    host.run(1, beats=True)
    host.run(LOST_AFTER + 1, beats=False)
    after = HostWatch(host.now)
    after.restore(host.watch.save(), ["other"], host.now)
    assert after.is_lost("far")
    assert after.beat("far", host.now) is None
    assert after.states(host.now)["other"]["state"] == "awaited"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0.05, 0.45), st.booleans()), max_size=150))
def test_no_host_is_lost_while_a_lease_may_hold_there(steps: list[tuple[float, bool]]) -> None:
    """The agent renews its lease by what was taken, no later than when it sent it; it may never learn of it."""
    watch, lease, now = HostWatch(0.0), Lease(0.0), 0.0
    watch.expect("far", now)
    for seconds, beats in steps:
        now += seconds
        if beats and not watch.is_lost("far"):
            watch.beat("far", now)
            lease.heard(now)
        watch.look(now)
        lease.look(now)
        if watch.is_lost("far"):
            assert lease.held


def test_a_lease_counts_from_when_the_coordinator_was_told() -> None:
    lease = Lease(0.0)
    lease.heard(5.0)
    lease.heard(3.0)
    assert lease.look(5.0 + LEASE_SECONDS) is None
    assert lease.look(5.1 + LEASE_SECONDS) is True
    assert not lease.abandoned(5.0 + ABANDONED_AFTER)
    assert lease.abandoned(5.1 + ABANDONED_AFTER)


# -- what the coordinator decides ----------------------------------------------------------------------
def running(*degrade: str) -> Coordinator:
    """Nodes a and b, one behind the other."""
    nodes = {
        name: NodeDef.model_validate(
            {"script": "s.py", "restart": {"on_give_up": "degrade" if name in degrade else "stop_graph"}}
        )
        for name in ("a", "b")
    }
    machine = Coordinator(nodes, [["a"], ["b"]])
    machine.begin(0.0)
    machine.handle(HostPrepared(), 0.0)
    for state in (NodeState.READY, NodeState.RUNNING):
        for name in nodes:
            machine.handle(NodeReported(name, 0, state), 0.0)
    assert machine.phase is Phase.RUNNING
    return machine


def texts(instructions: list[Instruction]) -> list[str]:
    return [one.text for one in instructions if isinstance(one, Say)]


def test_a_silent_host_is_said_once_and_nothing_else_is_done() -> None:
    machine = running()
    assert texts(machine.handle(HostSilent("far", "no raylet"), 1.0)) == ["host far is silent: no raylet"]
    assert texts(machine.handle(HostHeard("far", 3.0), 1.0)) == ["host far is there again, after 3.0 s"]
    assert machine.phase is Phase.RUNNING


def test_a_run_goes_on_without_a_host_where_its_nodes_let_it() -> None:
    machine = running("b")
    done = machine.handle(HostGone("far", 20.0, "", ("b",), ()), 1.0)
    assert machine.phase is Phase.RUNNING
    assert PrepareHost(1) in done
    assert (machine.nodes["b"].state, machine.nodes["b"].gone) == (NodeState.FAILED, True)
    assert machine.exit_code is ExitCode.ENVIRONMENT
    assert "with it node 'b'" in str(machine.failure)
    assert not machine.handle(NodeReported("b", 0, NodeState.RUNNING), 2.0), "what it says later does not count"


def test_a_run_ends_with_a_host_whose_nodes_or_streams_it_needs() -> None:
    for degrade, nodes, streams in (((), ("b",), ()), (("b",), ("b",), ("S",))):
        machine = running(*degrade)
        done = machine.handle(HostGone("far", 20.0, "cut off", nodes, streams), 1.0)
        assert StopSources() in done
        assert machine.phase is Phase.STOPPING
        assert machine.exit_code is ExitCode.ENVIRONMENT
        assert "host far is lost, after 20 s without a word (cut off)" in str(machine.failure)


def test_nodes_that_may_be_elsewhere_begin_there_once_the_old_ones_are_surely_gone() -> None:
    machine = running()
    gone = HostGone("far", 20.0, "", ("b",), (), (("b", "near"),))
    done = machine.handle(gone, 1.0)
    assert machine.phase is Phase.RUNNING
    assert machine.failure is None
    order = [one for one in done if isinstance(one, (MoveNodes, PlaceNode, RunNode))]
    assert order == [MoveNodes({"b": "near"}), PlaceNode("b", 1), RunNode("b", 1)], "room first, and one life"
    assert "node 'b' goes on, from its beginning, on host near" in texts(done)[0]
    assert PrepareHost(1) in done
    assert not machine.handle(NodeReported("b", 0, NodeState.FAILED, "x", "loop"), 2.0), "what the old one says"
    assert not machine.handle(NodeGone("b", 0, "killed"), 2.0)
    assert StartNode("b", 1) in machine.handle(NodeReported("b", 1, NodeState.READY), 3.0)
    machine.handle(NodeReported("b", 1, NodeState.RUNNING), 3.0)
    done = machine.handle(HostGone("near", 20.0, "", ("b",), (), (("b", "here"),)), 30.0)
    assert [one for one in done if isinstance(one, (MoveNodes, PlaceNode))] == [
        MoveNodes({"b": "here"}), PlaceNode("b", 2),
    ]  # fmt: skip
    assert machine.nodes["b"].restart_times == [], "it takes nothing from the budget"
    assert machine.exit_code is ExitCode.OK


def test_a_coordinator_that_comes_after_moves_first_what_was_moved() -> None:
    before = running()
    before.handle(HostGone("far", 20.0, "", ("b",), (), (("b", "near"),)), 1.0)
    after = running()
    restore(after, json.loads(json.dumps(save(before))))
    done = after.resume(2.0)
    moves = [one for one in done if isinstance(one, (MoveNodes, PlaceNode, RunNode))]
    assert moves == [MoveNodes({"b": "near"}), RunNode("a", 0), RunNode("b", 1)]


def test_nothing_is_moved_where_the_run_ends_all_the_same() -> None:
    moves, stuck = (("b", "near"),), (("a", "it is bound"),)
    for gone in (
        HostGone("far", 20.0, "", ("a", "b"), (), moves, stuck),
        HostGone("far", 20.0, "", ("b",), ("S",), moves),
    ):
        machine = running()
        done = machine.handle(gone, 1.0)
        assert machine.phase is Phase.STOPPING
        assert machine.nodes["b"].state is NodeState.FAILED
        assert not [one for one in done if isinstance(one, (MoveNodes, PlaceNode))]
        assert not gone.stuck or "node 'a' cannot be moved: it is bound" in str(machine.failure)


def test_one_is_moved_and_one_is_done_without() -> None:
    machine = running("a")
    gone = HostGone("far", 20.0, "", ("a", "b"), (), (("b", "near"),), (("a", "it is bound"),))
    assert MoveNodes({"b": "near"}) in machine.handle(gone, 1.0)
    assert (machine.nodes["a"].state, machine.nodes["b"].epoch) == (NodeState.FAILED, 1)
    assert machine.phase is Phase.RUNNING
    assert machine.exit_code is ExitCode.ENVIRONMENT
    machine = running()
    machine.handle(NodeReported("b", 0, NodeState.STOPPED), 0.5)
    done = machine.handle(HostGone("far", 20.0, "", ("b",), (), (("b", "near"),)), 1.0)
    assert not [one for one in done if isinstance(one, (MoveNodes, PlaceNode))], "what has ended stays so"


# -- the guard -----------------------------------------------------------------------------------------
def looks(watch: Watch, seconds: float, mark: float, ray: bool = True) -> str | None:
    found = None
    for _ in range(round(seconds / guard.LOOK_SECONDS)):
        found = found or watch.look(mark, ray)
    return found


def test_a_guard_acts_without_ray_and_without_an_agent() -> None:
    watch = Watch()
    assert watch.look(1.0, True) is None
    assert looks(watch, WITHOUT_AGENT - 1, 1.0) is None
    assert watch.look(2.0, True) is None
    assert looks(watch, WITHOUT_AGENT - 1, 2.0) is None
    assert "sign of life" in (looks(watch, 1.5, 2.0) or "")
    assert "Ray" in (looks(Watch(), WITHOUT_RAY + 1, 1.0, ray=False) or "")
    assert looks(Watch(), WITHOUT_AGENT, math.nan) is not None, "there never was one"
    assert WITHOUT_AGENT < LOST_AFTER - 2


def test_a_guard_goes_when_it_is_told_and_ends_what_is_left_when_its_raylet_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    AgentMark(folder).write(1.0)
    assert read_mark(folder) == 1.0
    start_guard(folder, "rg-none-", tmp_path)
    wait_until(lambda: (folder / guard.GUARD_LOCK).read_text())
    end_guard(folder)
    assert folder.is_dir()
    # Its raylet is a process that ends, and what is left is one that does not.
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    (folder / "pids").write_text(f"{left.pid} {process_start(left.pid)}\n")
    words = [sys.executable, "-m", "rena_graph.runtime.host.guard", str(folder), "rg-none-", "1", "0"]
    subprocess.run([*words, str(tmp_path / "guard.log")], check=True)
    assert left.wait(LIMIT) == -9
    wait_until(lambda: not folder.exists())
