"""The coordinator's decisions, without a process or a clock."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rena_graph.errors import ExitCode
from rena_graph.graph.document import NodeDef, RestartDef
from rena_graph.runtime.coordinator.machine import Phase
from rena_graph.runtime.coordinator.memory import restore, save
from rena_graph.runtime.coordinator.restarts import FRAME_LOSSES
from rena_graph.runtime.coordinator.signals import (
    KillAsked,
    LauncherGone,
    NodeReported,
    RayLost,
    RestartAsked,
    Say,
    ScriptChanged,
    SourcesEnded,
    StaleSeen,
    StopAsked,
    StopNode,
    Tick,
)
from rena_graph.runtime.lifecycle import ENDED, NodeState
from tests.runtime.world import World


def node(**changes: object) -> NodeDef:
    return NodeDef.model_validate({"script": "x.py", "restart": RestartDef(max=2, window=60.0), **changes})


def chain(*names: str, debugged: str | None = None, reload: bool = False, **changes: object) -> World:
    nodes = {name: node(**changes) for name in names}
    return World(nodes, [[name] for name in names], debugged=debugged, reload=reload)


def running(*names: str, debugged: str | None = None, reload: bool = False, **changes: object) -> World:
    world = chain(*names, debugged=debugged, reload=reload, **changes)
    world.begin()
    world.settle()
    assert world.machine.phase is Phase.RUNNING
    return world


def test_sources_are_let_in_last_and_stopped_first() -> None:
    world = running("a", "b")
    assert world.order.index("StartSinks") < world.order.index("StartNode")
    assert world.order[-1] == "StartSources"
    world.hear(StopAsked("done"))
    world.settle()
    stop = [o for o in world.order if o.startswith("Stop")]
    assert stop == ["StopSources", "StopNode", "StopNode", "StopSinks"]
    assert world.ended is not None
    assert world.ended.exit_code is ExitCode.OK


def test_a_level_stops_only_after_the_one_before() -> None:
    world = running("a", "b")
    world.hear(StopAsked("done"))
    assert world.machine.nodes["b"].state.label == "running"
    world.settle()
    assert world.machine.nodes["b"].state.label == "stopped"


@pytest.mark.parametrize("where", ["loading", "initializing"])
def test_a_script_that_does_not_load_or_initialise_ends_the_start_with_4(where: str) -> None:
    world = chain("a", "b")
    world.begin()
    world.processes[1].fails_in = where
    world.settle()
    assert world.ended is not None
    assert world.ended.exit_code is ExitCode.SCRIPT
    assert "'b'" in (world.ended.failure or "")
    assert "StartSources" not in world.order
    assert not any(p.alive for p in world.processes)


def test_a_host_that_cannot_be_prepared_ends_with_its_code() -> None:
    world = chain("a")
    world.host_fails = True
    world.begin()
    world.settle()
    assert world.ended is not None
    assert world.ended.exit_code is ExitCode.ENVIRONMENT


def test_another_host_agent_takes_over_and_the_nodes_do_not_notice() -> None:
    world = running("a", "b")
    before = len(world.order)
    world.lose_host()
    world.settle(1.0)
    assert world.ended is None
    assert [node.epoch for node in world.machine.nodes.values()] == [0, 0]
    assert {"StartSinks", "StartSources"} <= set(world.order[before:]), "bridges go on in the new one"
    assert world.machine.run.host_life == 1


def test_when_host_agents_die_again_and_again_the_run_ends_at_once_with_5() -> None:
    world = running("a", "b")
    for _ in range(6):
        world.lose_host()
        world.settle(1.0)
    assert world.ended is not None
    assert world.ended.exit_code is ExitCode.ENVIRONMENT
    assert not any(p.alive for p in world.processes)


def test_a_command_that_a_host_agent_died_over_is_given_again() -> None:
    world = running("a")
    world.swallows = True
    world.hear(StopAsked("done"))
    world.settle(0.3)
    assert world.ended is not None
    assert "KillNode" not in world.order


@pytest.mark.parametrize("moment", [0, 3, 20])
def test_a_coordinator_that_died_while_it_started_goes_on(moment: int) -> None:
    world = chain("a", "b")
    world.begin()
    for _ in range(moment):
        world.deliver()
    world.crash()
    world.settle(1.0)
    assert world.machine.phase is Phase.RUNNING
    assert [node.state for node in world.machine.nodes.values()] == [NodeState.RUNNING] * 2
    assert world.order[-1] == "StartSources"


def test_a_restart_that_was_due_is_made_by_the_next_coordinator() -> None:
    world = running("a")
    for _ in range(2):  # the second waits a while before it
        world.die(world.living("a")[0])
        world.deliver()
        world.crash()
        world.settle(2.0)
    record = world.machine.nodes["a"]
    assert (record.state, record.epoch, record.restarts) == (NodeState.RUNNING, 2, 2)
    world.die(world.living("a")[0])
    world.settle(1.0)
    assert exit_code(world) is ExitCode.SCRIPT, "the budget outlives the coordinator"


def test_a_kill_that_was_due_is_made_by_the_next_coordinator() -> None:
    world = running("a", "b", stop_timeout=2.0)
    world.living("a")[0].hangs = True
    world.hear(StopAsked("done"))
    world.settle(1.0)
    world.crash()
    world.settle(1.5)
    assert "KillNode" not in world.order
    world.settle(1.0)
    assert exit_code(world) is ExitCode.OK


def test_a_coordinator_that_died_over_the_end_ends_the_run() -> None:
    world = running("a")
    world.hear(StopAsked("done"))
    world.settle(1.0)
    assert exit_code(world) is ExitCode.OK
    world.crash()
    assert exit_code(world) is ExitCode.OK


# -- giving up, and restarts that are asked for ------------------------------------------------------
def degraded() -> World:
    world = running("a", "b", restart=RestartDef(policy="never", on_give_up="degrade"))
    world.die(world.living("a")[0])
    world.settle(1.0)
    return world


def test_what_is_given_up_may_leave_the_others_running() -> None:
    world = degraded()
    assert world.ended is None
    assert [n.state for n in world.machine.nodes.values()] == [NodeState.FAILED, NodeState.RUNNING]
    world.hear(StopAsked("done"))
    world.settle(1.0)
    assert exit_code(world) is ExitCode.SCRIPT
    assert "'a' failed" in (world.machine.failure or "")


def test_when_all_are_given_up_the_run_ends() -> None:
    world = degraded()
    world.die(world.living("b")[0])
    world.settle(1.0)
    assert exit_code(world) is ExitCode.SCRIPT


def test_a_node_that_does_not_start_ends_the_start_although_it_may_be_given_up() -> None:
    world = chain("a", "b", restart=RestartDef(on_give_up="degrade"))
    world.begin()
    world.processes[0].fails_in = "loading"
    world.settle(1.0)
    assert exit_code(world) is ExitCode.SCRIPT


def test_a_node_that_was_given_up_lives_again_when_asked() -> None:
    world = degraded()
    world.hear(RestartAsked("a"))
    world.settle(1.0)
    record = world.machine.nodes["a"]
    assert (record.state, record.epoch) == (NodeState.RUNNING, 1)
    assert (record.restarts, record.restart_times, record.asked_restarts) == (0, [], 1)


def test_a_restart_that_is_asked_for_ends_the_life_before_in_good_order() -> None:
    world = running("a", "b")
    assert StopNode("a", 0, 0.0, again=True) in world.hear(RestartAsked("a"))
    world.settle(1.0)
    record = world.machine.nodes["a"]
    assert (record.state, record.epoch, record.restart_times) == (NodeState.RUNNING, 1, [])
    assert "KillNode" not in world.order


def test_a_stopped_process_is_killed_before_the_restart_that_is_asked_for() -> None:
    world = running("a", stop_timeout=2.0)
    world.living("a")[0].hangs = True
    world.hear(RestartAsked("a"))
    world.settle(2.5)
    assert world.machine.nodes["a"].epoch == 0, "no new life before the old one has ended"
    world.settle(1.0)
    assert world.order.count("KillNode") == 1
    assert world.machine.nodes["a"].epoch == 1


def test_a_dead_node_comes_back_and_the_others_do_not_notice() -> None:
    world = running("a", "b")
    world.die(world.living("a")[0])
    world.settle(1.0)
    record = world.machine.nodes["a"]
    assert (record.state, record.epoch, record.restarts) == (NodeState.RUNNING, 1, 1)
    assert world.machine.nodes["b"].epoch == 0
    assert world.ended is None


def test_beyond_its_budget_the_run_ends_with_4() -> None:
    world = running("a", "b")
    for _ in range(3):
        world.die(world.living("a")[0])
        world.settle(5.0)
    assert world.ended is not None
    assert world.ended.exit_code is ExitCode.SCRIPT


def test_an_old_budget_is_forgotten_after_the_window() -> None:
    world = running("a")
    for _ in range(5):
        world.die(world.living("a")[0])
        world.settle(40.0)
    assert world.ended is None
    assert world.machine.nodes["a"].epoch == 5


def test_on_error_stop_does_not_restart() -> None:
    world = running("a")
    world.fail(world.living("a")[0], "loop")
    world.settle(1.0)
    assert world.ended is not None
    assert world.ended.exit_code is ExitCode.SCRIPT


def test_on_error_restart_restarts() -> None:
    world = running("a")
    world.fail(world.living("a")[0], "restart")
    world.settle(1.0)
    assert world.machine.nodes["a"].epoch == 1


def test_policy_always_restarts_a_node_that_stopped_by_itself() -> None:
    world = running("a", restart=RestartDef(policy="always"))
    process = world.living("a")[0]
    for state in (NodeState.STOPPING, NodeState.STOPPED):
        world.hear(NodeReported("a", process.epoch, state))
    world.die(process)
    world.settle(1.0)
    assert world.machine.nodes["a"].epoch == 1


def test_when_all_nodes_stopped_by_themselves_the_run_ends_well() -> None:
    world = running("a")
    process = world.living("a")[0]
    for state in (NodeState.STOPPING, NodeState.STOPPED):
        world.hear(NodeReported("a", process.epoch, state))
    world.settle()
    assert world.ended is not None
    assert world.ended.exit_code is ExitCode.OK


def test_a_node_that_does_not_stop_is_killed() -> None:
    world = running("a", stop_timeout=2.0)
    world.living("a")[0].hangs = True
    world.hear(StopAsked("done"))
    world.settle(2.5)
    assert "KillNode" not in world.order
    world.settle(1.0)
    assert world.order.count("KillNode") == 1
    assert world.ended is not None


def test_without_a_launcher_everything_ends_soon() -> None:
    world = running("a", "b", "c", stop_timeout=60.0)
    for process in world.processes:
        process.hangs = True
    world.hear(LauncherGone())
    world.settle(7.0)
    assert world.ended is not None


@pytest.mark.parametrize("hangs", [False, True])
def test_without_ray_everything_ends_soon_and_with_a_failure(hangs: bool) -> None:
    world = running("a", "b", "c", stop_timeout=60.0)
    for process in world.processes:
        process.hangs = hangs
    told = world.hear(RayLost("Ray is lost"))
    assert Say("error", "Ray is lost") in told
    world.settle(7.0 if hangs else 1.0)
    assert world.ended is not None
    assert (world.ended.exit_code, world.ended.failure) == (ExitCode.ENVIRONMENT, "Ray is lost")
    assert world.order.count("KillNode") == (3 if hangs else 0)


def test_finite_sources_end_the_run_well() -> None:
    world = running("a")
    world.hear(SourcesEnded())
    world.settle()
    assert world.ended is not None
    assert world.ended.exit_code is ExitCode.OK


def test_kill_ends_at_once_with_130() -> None:
    world = running("a", "b")
    world.hear(KillAsked())
    assert world.ended is not None
    assert world.ended.exit_code is ExitCode.KILLED
    assert not any(p.alive for p in world.processes)


def test_a_hung_node_is_killed_after_its_timeout_and_restarted() -> None:
    world = running("a", hang_timeout=3.0)
    world.hear(StaleSeen((("a", 0, 1.2),)))
    assert world.machine.nodes["a"].stale_for == 1.2
    assert "KillNode" not in world.order
    world.hear(StaleSeen((("a", 0, 3.1),)))
    world.hear(StaleSeen((("a", 0, 3.4),)))
    assert world.order.count("KillNode") == 1
    world.settle(1.0)
    assert world.machine.nodes["a"].epoch == 1


def test_without_a_hang_timeout_a_hung_node_is_only_said_to_be_stale() -> None:
    world = running("a")
    world.hear(StaleSeen((("a", 0, 1000.0),)))
    world.hear(StaleSeen(()))
    assert "KillNode" not in world.order
    assert world.machine.nodes["a"].stale_for is None


def test_the_silence_of_an_earlier_life_is_not_held_against_the_next() -> None:
    world = running("a", hang_timeout=3.0)
    world.die(world.living("a")[0])
    world.settle(1.0)
    world.hear(StaleSeen((("a", 0, 10.0),)))
    assert world.machine.nodes["a"].stale_for is None
    assert "KillNode" not in world.order


def test_an_earlier_life_no_longer_counts() -> None:
    world = running("a")
    world.die(world.living("a")[0])
    world.settle(1.0)
    world.hear(NodeReported("a", 0, NodeState.FAILED, "late", "loop"))
    assert world.machine.nodes["a"].state is NodeState.RUNNING


# -- reload ------------------------------------------------------------------------------------------
def test_a_changed_script_ends_its_node_in_good_order_and_begins_it_anew() -> None:
    world = running("a", "b", reload=True)
    told = world.hear(ScriptChanged("a", "a.py"))
    assert StopNode("a", 0, 0.0, again=True) in told, "what it has not read yet is the next life's"
    world.settle(1.0)
    record = world.machine.nodes["a"]
    assert (record.state, record.epoch, record.reloads) == (NodeState.RUNNING, 1, 1)
    assert (record.restarts, record.restart_times) == (0, []), "it takes nothing from the budget of restarts"
    assert "KillNode" not in world.order
    assert world.machine.nodes["b"].epoch == 0


def test_a_script_that_cannot_be_started_leaves_its_node_alone() -> None:
    world = running("a", reload=True)
    told = world.hear(ScriptChanged("a", "a.py", "invalid syntax (line 3)"))
    assert [type(i) for i in told] == [Say]
    assert "invalid syntax (line 3)" in str(told[0])
    assert "it runs on as it was" in str(told[0])
    world.settle(1.0)
    assert world.machine.nodes["a"].epoch == 0


@pytest.mark.parametrize("where", ["loading", "initializing"])
def test_a_changed_script_that_does_not_start_is_waited_for(where: str) -> None:
    world = running("a", reload=True)
    world.fails_next = where
    world.hear(ScriptChanged("a", "a.py"))
    world.settle(10.0)
    assert node_a(world) == (NodeState.RESTARTING, 1, 1)
    assert world.ended is None
    refused = world.hear(ScriptChanged("a", "a.py", "no"))
    assert "it waits for another" in str(refused)
    world.hear(ScriptChanged("a", "a.py"))
    world.settle(1.0)
    assert node_a(world) == (NodeState.RUNNING, 2, 2)


def node_a(world: World) -> tuple[NodeState, int, int]:
    record = world.machine.nodes["a"]
    return record.state, record.epoch, record.reloads


def test_a_node_that_waits_for_its_script_is_stopped_with_the_others() -> None:
    world = running("a", "b", reload=True)
    world.fails_next = "loading"
    world.hear(ScriptChanged("a", "a.py"))
    world.settle(1.0)
    world.hear(StopAsked("done"))
    world.settle(1.0)
    assert world.ended is not None
    assert world.ended.exit_code is ExitCode.OK


def test_a_node_that_does_not_end_for_its_new_script_is_killed() -> None:
    world = running("a", reload=True, stop_timeout=2.0)
    world.living("a")[0].hangs = True
    world.hear(ScriptChanged("a", "a.py"))
    world.settle(2.5)
    assert "KillNode" not in world.order
    world.settle(1.0)
    assert world.machine.nodes["a"].epoch == 1


def test_a_stop_waits_for_the_life_that_a_change_has_ended() -> None:
    world = running("a", "b", reload=True, stop_timeout=2.0)
    world.living("a")[0].hangs = True
    world.hear(ScriptChanged("a", "a.py"))
    world.hear(StopAsked("done"))
    world.settle(2.5)
    assert world.machine.nodes["b"].state is NodeState.RUNNING
    world.settle(1.0)
    assert world.ended is not None
    assert not any(p.alive for p in world.processes)


def test_changes_before_the_start_and_during_a_restart_need_nothing() -> None:
    world = chain("a", reload=True)
    world.begin()
    assert world.hear(ScriptChanged("a", "a.py")) == []
    world.settle()
    world.hear(ScriptChanged("a", "a.py"))
    assert world.hear(ScriptChanged("a", "a.py")) == []
    world.settle(1.0)
    assert world.machine.nodes["a"].epoch == 1


# -- debug -------------------------------------------------------------------------------------------
def test_a_node_under_debug_is_never_killed_nor_stale() -> None:
    world = running("a", "b", debugged="a", hang_timeout=1.0, stop_timeout=1.0)
    world.hear(StaleSeen((("a", 0, 1000.0),)))
    assert world.machine.nodes["a"].stale_for is None
    world.living("a")[0].hangs = True
    world.hear(StopAsked("done"))
    world.settle(100.0)
    assert "KillNode" not in world.order
    assert exit_code(world) is None, "its prompt may be open still"
    world.die(world.living("a")[0])
    world.settle(1.0)
    assert exit_code(world) is ExitCode.OK


def exit_code(world: World) -> ExitCode | None:
    return None if world.ended is None else world.ended.exit_code


def test_a_node_under_debug_that_fails_ends_the_run() -> None:
    world = running("a", "b", debugged="a")
    world.die(world.living("a")[0])
    world.settle(1.0)
    assert world.ended is not None
    assert world.ended.exit_code is ExitCode.SCRIPT
    assert world.machine.nodes["a"].restarts == 0


def test_a_kill_is_not_for_the_process_under_debug() -> None:
    world = running("a", "b", debugged="a")
    world.hear(KillAsked())
    assert world.ended is not None
    assert [p.node for p in world.processes if p.alive] == ["a"], "its own launcher ends it"


def test_without_its_launcher_a_node_under_debug_is_gone() -> None:
    world = running("a", "b", debugged="a", stop_timeout=60.0)
    world.living("a")[0].hangs = True
    world.hear(LauncherGone())
    world.settle(2.0)
    assert world.ended is not None


def test_a_node_under_debug_is_not_started_anew_for_its_script() -> None:
    world = running("a", debugged="a", reload=True)
    assert "not started anew" in str(world.hear(ScriptChanged("a", "a.py")))
    world.settle(1.0)
    assert world.machine.nodes["a"].epoch == 0


actions = st.lists(
    st.tuples(
        st.sampled_from(
            ["deliver", "tick", "die", "fail", "hang", "stale", "sources", "launcher", "change", "restart", "crash",
             "host", "swallow", "machine"]
        ),
        st.integers(0, 20),
    ),
    max_size=80,
)  # fmt: skip


@settings(max_examples=200)
@given(actions, st.sampled_from(["never", "on_failure", "always"]), st.booleans(), st.booleans())
def test_no_order_of_events_leads_astray(steps: list[tuple[str, int]], policy: str, kill: bool, degrade: bool) -> None:
    """Whatever happens in whatever order: no impossible state, never two lives of a node, and it always ends."""
    give_up = "degrade" if degrade else "stop_graph"
    restart = RestartDef(policy=policy, max=3, on_give_up=give_up)  # type: ignore[arg-type]
    world = chain("a", "b", "c", restart=restart, hang_timeout=2.0, reload=True)
    world.begin()
    for what, index in steps:
        if world.ended is not None:
            break
        alive = [p for p in world.processes if p.alive]
        match what:
            case "deliver":
                world.deliver(index)
            case "tick":
                due = world.machine.waits
                world.now += index / 10
                assert not world.hear(Tick()) or due, "the shell sleeps where nothing is due"
            case "die" if alive:
                world.die(alive[index % len(alive)])
            case "fail" if alive:
                process = alive[index % len(alive)]
                if process.state is not NodeState.PLACING:
                    world.fail(process, ["loop", "restart", "died"][index % 3])
            case "hang" if alive:
                alive[index % len(alive)].hangs = True
            case "stale" if alive:
                process = alive[index % len(alive)]
                world.hear(StaleSeen(((process.node, process.epoch, float(index)),)))
            case "change":
                world.fails_next = [None, "loading", "initializing"][index % 3]
                world.hear(ScriptChanged("abc"[index % 3], "x.py", "broken" if index > 15 else None))
            case "sources":
                world.hear(SourcesEnded())
            case "launcher":
                world.hear(LauncherGone())
            case "restart":
                world.hear(RestartAsked("abc"[index % 3]))
            case "crash":
                world.crash()
            case "host":
                world.lose_host()
            case "machine":
                world.lose_machine(("b", "c")[: 1 + index % 2], index % 3)
            case "swallow":
                world.swallows = True
    if world.ended is None:
        world.hear(KillAsked() if kill else StopAsked("the test is over"))
        world.settle(60.0)
    assert world.ended is not None
    # A host agent that dies too often takes the run down by force.
    by_force = kill or sum(what in ("host", "swallow") for what, _ in steps) > FRAME_LOSSES
    assert all(r.state in ENDED or by_force for r in world.machine.nodes.values())
    assert not any(p.alive and not p.hangs for p in world.processes)
    assert (world.ended.exit_code is ExitCode.OK) == (world.machine.failure is None)


@settings(max_examples=100)
@given(actions)
def test_a_coordinator_that_was_saved_decides_as_the_one_that_lived_on(steps: list[tuple[str, int]]) -> None:
    """What is saved holds all that matters: from it another one wants the same, whatever comes."""
    world = chain("a", "b", "c", restart=RestartDef(max=3), hang_timeout=2.0)
    world.begin()
    for number, (what, index) in enumerate(steps):
        alive = [p for p in world.processes if p.alive]
        if world.ended is not None:
            break
        if what == "die" and alive:
            world.die(alive[index % len(alive)])
        elif what == "restart":
            world.hear(RestartAsked("abc"[index % 3]))
        elif what == "sources" and index > 15:
            world.hear(SourcesEnded())
        elif what == "host" and index > 15:
            world.lose_host()
        elif world.on_the_way:
            event = world.on_the_way[0]
            other = chain("a", "b", "c", restart=RestartDef(max=3), hang_timeout=2.0).machine
            restore(other, json.loads(json.dumps(save(world.machine))))
            world.on_the_way.popleft()
            wanted = other.handle(event, world.now)
            assert world.hear(event) == wanted, number
            assert save(world.machine) == save(other)
        else:
            world.now += index / 10
            world.hear(Tick())
