"""What supervision costs: the rows that measure it, and that a beat's cost does not grow with the graph (counted)."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from types import FrameType

import pytest

from rena_graph.bench import cpu, p12, p13
from rena_graph.bench.bare_actors import bare_actors
from rena_graph.bench.rows import Bench, measure_row
from rena_graph.errors import EnvironmentRefused
from rena_graph.runtime.coordinator.machine import Phase
from rena_graph.runtime.coordinator.signals import StaleSeen, Tick


def calls_of_a_beat(hosts: int) -> int:
    """Functions that the state machine calls for one beat and one tick in which nothing happened."""
    simulation = p13.Simulation(hosts, 10)
    assert simulation.machine.phase is Phase.RUNNING
    counted: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        counted[event] += 1

    before = sys.getprofile()
    gc.disable()  # who looks after collections is called in the middle of whatever runs then
    sys.setprofile(note)
    try:
        simulation.machine.handle(StaleSeen(()), 1.0)
        simulation.machine.handle(Tick(), 1.1)
    finally:
        sys.setprofile(before)
        gc.enable()
    return counted["call"] + counted["c_call"]


def test_what_a_beat_costs_does_not_depend_on_the_number_of_nodes() -> None:
    assert len({calls_of_a_beat(hosts) for hosts in (1, 10, 100)}) == 1


def test_simulated_nodes_die_are_stale_and_come_back() -> None:
    simulation = p13.Simulation(4, 5)
    simulation.run(6.0)
    machine = simulation.machine
    assert machine.phase is Phase.RUNNING
    assert sum(record.restarts for record in machine.nodes.values()) in (5, 6)
    assert {record.state.label for record in machine.nodes.values()} <= {"running", "restarting", "placing"}
    assert all(set(report) == {"nodes", "streams", "edges"} for report in simulation.reports)


def test_the_row_of_the_state_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p13, "QUICK_SECONDS", 0.5)
    figures = {f.what: f for f in measure_row("P13", Bench(rounds=1, quick=True))}
    assert figures["100 hosts of 50 nodes"].ours[0] > 0
    assert figures["grown in the second half"].unit == "kB"


def test_a_process_of_ours_is_measured_and_one_that_has_ended_is_not() -> None:
    before = cpu.cpu_seconds(os.getpid()), cpu.main_thread_seconds(os.getpid())
    sum(range(200_000))
    assert cpu.cpu_seconds(os.getpid()) > before[0]
    assert cpu.main_thread_seconds(os.getpid()) > before[1]
    assert cpu.own_memory(os.getpid()) > 1 << 20
    gone = 1 << 22  # above what the kernel gives
    for look in (cpu.cpu_seconds, cpu.main_thread_seconds, cpu.own_memory):
        with pytest.raises(EnvironmentRefused, match="has ended"):
            look(gone)


@pytest.mark.ray
@pytest.mark.long
def test_supervision_is_measured_beside_idle_actors(monkeypatch: pytest.MonkeyPatch, ray_address: str) -> None:
    monkeypatch.setattr(p12, "NODES", 3)
    monkeypatch.setattr(p12, "FREQUENCY", 100.0)
    monkeypatch.setattr(p12, "QUICK_SECONDS", 0.5)
    monkeypatch.setattr(p12, "SETTLE", 0.1)
    monkeypatch.setattr(Bench, "ray", lambda self: ray_address)
    figures = measure_row("P12", Bench(rounds=1, quick=True))
    assert all(f.ours[0] > 0 for f in figures if "beyond script and bare loop" not in f.what)
    assert any(f.against == "bare loop" and f.reference[0] > 0 for f in figures)


@pytest.mark.ray
def test_bare_actors_live_as_long_as_they_are_held(ray_address: str) -> None:
    with bare_actors(2, ray_address) as pids:
        assert len(set(pids)) == 2
        assert all(cpu.cpu_seconds(pid) > 0 for pid in pids)


def test_bare_actors_that_do_not_start_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EnvironmentRefused, match="bare actors did not start"), bare_actors(1):
        pass
