"""The rows that run graphs, peers and transports, each as small as can be: what comes out must make sense."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rena_graph.bench import hop_rounds, p4, p5, p8, p9, p10, p11
from rena_graph.bench.figures import Figure, Hops
from rena_graph.bench.floor import measure_floor
from rena_graph.bench.graph_hop import HopRun, hop_document, run_hop
from rena_graph.bench.graph_run import SCRIPTS
from rena_graph.bench.link_parts import Part, Task
from rena_graph.bench.payload import Payload
from rena_graph.bench.peers import chains
from rena_graph.bench.peers.chains import measure_peer
from rena_graph.bench.peers.installed import PEER_NAMES, find_interpreter, what_is_missing
from rena_graph.bench.peers.programs import workload
from rena_graph.bench.rows import Bench, measure_row
from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.load import graph_from_dict

TINY = Payload("tiny", 4, 8, "float64", 200.0, 40, 40)

FAKE_PEER = """
import os, sys
sys.path.insert(0, os.environ["PEERS_FOLDER"])
from workload import Sink, Task, stamp
task = Task.of_environment()
sink = Sink(task)
for number in range(task.messages):
    message = task.message()
    stamp(message, number)
    sink.add(message)
sink.save()
"""


# -- chains ------------------------------------------------------------------------------------------
def test_the_floor_s_chain_moves_messages_through_every_process() -> None:
    times = measure_floor(TINY, 40, copy=True, hops=3)
    assert np.array_equal(times[:, 0], np.unique(times[:, 0]))
    # Whoever was held up misses some, as in the floor of one hop.
    assert len(times) > 2
    assert (times[:, 2] > times[:, 1]).all()


@pytest.mark.ray
@pytest.mark.long
def test_the_graph_s_chain_loses_nothing(ray_address: str) -> None:
    run = run_hop(TINY, 40, ray_address, hops=2)
    assert Hops.of(run.times, 40).lost == 0
    assert set(run.own_cost) == {"producer", "relay-1", "consumer"}


def test_a_chain_is_a_graph_of_that_depth(tmp_path: Path) -> None:
    graph = graph_from_dict(hop_document(TINY, 40, "copy", 1.0, tmp_path / "times.npy", hops=5), SCRIPTS)
    assert [len(level) for level in graph.levels] == [1] * 6


# -- peers -------------------------------------------------------------------------------------------
@pytest.fixture
def fake_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of environments in which ezmsg is this interpreter, with a program that sends to itself."""
    folder = tmp_path / "peers"
    (folder / "ezmsg" / "bin").mkdir(parents=True)
    (folder / "ezmsg" / "bin" / "python").symlink_to(sys.executable)
    program = tmp_path / "fake_chain.py"
    program.write_text(FAKE_PEER)
    monkeypatch.setenv("PEERS_FOLDER", str(chains._PROGRAMS))
    monkeypatch.setitem(chains.CHAINS, "ezmsg", chains.CHAINS["ezmsg"]._replace(program=str(program)))
    return folder


def test_a_peer_is_told_what_to_send_and_gives_the_times_back(fake_peer: Path) -> None:
    times = measure_peer("ezmsg", fake_peer, TINY, 30)
    assert np.array_equal(times[:, 0], np.arange(30))
    assert (times[:, 2] >= times[:, 1]).all()


def test_a_peer_that_gives_nothing_says_what_it_said(fake_peer: Path, tmp_path: Path) -> None:
    (tmp_path / "fake_chain.py").write_text("raise SystemExit('no room at the inn')")
    with pytest.raises(EnvironmentRefused, match=r"ezmsg gave no result:\n.*no room at the inn"):
        measure_peer("ezmsg", fake_peer, TINY, 30)


def test_a_peer_that_hangs_is_ended_with_all_its_processes(fake_peer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Path(chains.CHAINS["ezmsg"].program)
    program.write_text("import subprocess, time\nsubprocess.Popen(['sleep', '1000'])\ntime.sleep(1000)")
    monkeypatch.setattr(chains, "_PATIENCE", 1.0)
    with pytest.raises(EnvironmentRefused, match="gave no result"):
        measure_peer("ezmsg", fake_peer, TINY, 30)


@pytest.mark.parametrize("peer", PEER_NAMES)
def test_a_missing_peer_is_said_to_be_missing(peer: str, tmp_path: Path) -> None:
    assert find_interpreter(peer, tmp_path) is None
    assert f"setup.sh {peer}`" in what_is_missing(peer, None)
    assert f"PEER_VENVS={tmp_path}" in what_is_missing(peer, tmp_path)
    if peer in chains.CHAINS:
        with pytest.raises(EnvironmentRefused, match="not installed"):
            measure_peer(peer, tmp_path, TINY, 30)


def test_the_peers_programs_know_the_same_task_and_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert workload.VARIABLE == chains._VARIABLE
    task = {"samples": 4, "channels": 8, "rate": 0, "messages": 3, "hops": 1, "variant": "", "settle": 0,
            "path": str(tmp_path / "x.npy")}  # fmt: skip
    monkeypatch.setitem(os.environ, workload.VARIABLE, json.dumps(task))
    message = workload.Task.of_environment().message()
    assert np.array_equal(message, TINY.make())
    assert workload.Pacer(0).delay() == 0.0
    assert 0 < workload.Pacer(10).delay() <= 0.1


def test_peers_take_their_turns_and_the_best_one_is_judged_against(
    fake_peer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = np.column_stack((np.arange(40), np.zeros(40, int), np.full(40, 1000)))
    monkeypatch.setattr(hop_rounds, "measure_floor", lambda *_, **__: times)
    monkeypatch.setattr(hop_rounds, "run_hop", lambda *_, **__: HopRun(times, {}))
    monkeypatch.setattr(Bench, "ray", lambda self: "here")
    bench = Bench(rounds=2, quick=True, peers=fake_peer)
    rounds = hop_rounds.measure_hops(bench, TINY, "copy", 1.0, peers=("ezmsg", "dora"))
    ezmsg, dora = rounds.against_peers("tiny", 0.25)
    assert (ezmsg.against, len(ezmsg.reference), ezmsg.at_most) == ("ezmsg", 2, 0.25)
    assert (dora.against, dora.verdict) == ("dora-rs", "not measured")


# -- density -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("first", [0, 4, 8, 100])
def test_the_longest_chain_is_the_last_one_before_the_first_that_fails(first: int) -> None:
    assert p8.longest(lambda n: n <= 8, (4, 6, 8, 12), first) == 8
    assert p8.longest(lambda n: True, (4, 6, 8, 12), first) == 12
    assert p8.longest(lambda n: False, (4, 6), first) == 0


def test_longer_chains_are_not_tried_after_one_that_fails() -> None:
    asked: list[int] = []
    assert p8.longest(lambda n: asked.append(n) or n < 8, (4, 6, 8, 12), 6) == 6  # type: ignore[func-returns-value]
    assert asked == [6, 8]
    asked.clear()
    assert p8.longest(lambda n: asked.append(n) or n < 6, (4, 6, 8, 12), 8) == 4  # type: ignore[func-returns-value]
    assert asked == [8, 6, 4]


@pytest.mark.parametrize(("rates", "runs"), [((1.0,), 1), ((0.97, 1.0), 2), ((0.97, 0.98), 2), ((0.6,), 1)])
def test_a_chain_that_nearly_keeps_its_rate_has_a_second_chance(rates: tuple[float, ...], runs: int) -> None:
    asked: list[int] = []

    def run(length: int) -> p8.Chain:
        asked.append(length)
        return p8.Chain(rates[len(asked) - 1])

    chains = p8._Chains(Bench(), "it", run)
    assert chains.longest((4,), 4, lambda chain: chain.rate) == (4 if rates[-1] >= p8.KEPT else 0)
    assert asked == [4] * runs


def sent_at(numbers: NDArray[np.int64], sent_every: int, arrived: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.column_stack((numbers, numbers * sent_every, arrived))


def test_what_is_lost_or_late_is_not_kept() -> None:
    numbers = np.arange(1000)
    period = 4_000_000
    times = sent_at(numbers, period, numbers * period + 1000)
    assert p8.kept_rate(times, 1000, 250.0) == pytest.approx(1.0, abs=0.002)
    assert p8.kept_rate(times[::2], 1000, 250.0) == pytest.approx(0.5, abs=0.002)
    assert p8.kept_rate(times[:0], 1000, 250.0) == 0.0
    slow = sent_at(numbers, period, numbers * 5_000_000)
    assert p8.kept_rate(slow, 1000, 250.0) == pytest.approx(0.8, abs=0.002)
    held_up = sent_at(numbers, 5_000_000, numbers * 5_000_000)
    assert p8.kept_rate(held_up, 1000, 250.0) == pytest.approx(0.8, abs=0.002)


def test_a_chain_that_falls_behind_does_not_make_up_for_it_once_the_source_has_ended() -> None:
    numbers = np.arange(1000)
    behind = np.minimum(numbers * 5_000_000, 1000 * 4_000_000 + numbers * 1000)
    times = sent_at(numbers, 4_000_000, np.maximum(behind, numbers * 4_000_000))
    assert p8.kept_rate(times, 1000, 250.0) == pytest.approx(0.8, abs=0.002)


def test_a_chain_that_is_slow_and_keeps_the_rate_keeps_it() -> None:
    numbers = np.arange(1000)
    times = sent_at(numbers, 4_000_000, numbers * 4_000_000 + 300_000_000)
    assert p8.kept_rate(times, 1000, 250.0) == pytest.approx(1.0, abs=0.002)


@pytest.mark.ray
@pytest.mark.long
def test_a_short_chain_keeps_its_rate(ray_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p8, "LENGTHS", (2,))
    monkeypatch.setattr(p8, "KEPT", 0.5)
    monkeypatch.setattr(p8, "PAYLOAD", Payload("slow", 1, 8, "float64", 50.0, 150, 150))
    monkeypatch.setattr(Bench, "ray", lambda self: ray_address)
    figures = measure_row("P8", Bench(rounds=1, quick=True))
    assert [f.ours for f in figures[:2]] == [(2.0,), (2.0,)]
    assert all(f.verdict == "not measured" and f.missing for f in figures[:2])
    single, latency = figures[2:]
    assert single.ours[0] in (0.0, 2.0)
    assert 0.0 < latency.ours[0] < 1000.0


# -- readers, devices, throughput, start -------------------------------------------------------------
@pytest.mark.ray
@pytest.mark.long
def test_the_row_of_many_readers(ray_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p5, "MANY", 2)
    monkeypatch.setattr(p5, "QUICK_SECONDS", 0.5)
    monkeypatch.setattr(Bench, "ray", lambda self: ray_address)
    (figure,) = measure_row("P5", Bench(rounds=1, quick=True))
    assert figure.ours[0] > 0
    assert figure.reference[0] > 0


@pytest.mark.ray
@pytest.mark.long
def test_the_row_of_all_devices(ray_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p9, "DEVICES", {"EEG": p9.DEVICES["EEG"]})
    monkeypatch.setattr(p9, "QUICK_SECONDS", 1.0)
    monkeypatch.setattr(p9, "SETTLE", 0.2)
    monkeypatch.setattr(Bench, "ray", lambda self: ray_address)
    figures = {f.what: f for f in measure_row("P9", Bench(rounds=1, quick=True))}
    assert figures["samples dropped, all edges"].ours == (0.0,)
    assert figures["samples let in or made but not delivered"].ours == (0.0,)
    assert figures["memory of all processes, shared left out"].ours[0] > 10


def test_the_devices_are_those_of_the_original() -> None:
    graph = graph_from_dict(p9.workload(), SCRIPTS)
    assert len(graph.nodes) == 10
    assert {name: graph.document.streams[name].rate for name in p9.DEVICES} == {
        "EEG": 2048, "Trigger": 2048, "Eyes": 1200, "Camera": 30, "fMRI": 2,
    }  # fmt: skip


def test_the_row_of_throughput_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p10, "QUICK_CHUNKS", 3000)
    figures = measure_row("P10", Bench(rounds=1, quick=True))
    assert [f.verdict for f in figures] == ["not measured"] * len(p10.PEERS)
    assert all(f.ours[0] > 0 for f in figures)


def test_the_row_between_two_hosts_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p4, "QUICK_MESSAGES", 60)
    figures = measure_row("P4", Bench(rounds=1, quick=True))
    assert all(f.ours[0] > 0 for f in figures[:3])
    assert figures[0].reference[0] > figures[2].ours[0], "the raw connection, and the floors besides"
    assert figures[1].reference == figures[0].ours
    assert figures[3].ours == (0.0,)
    assert figures[3].verdict == "met"


def test_a_process_of_that_row_that_dies_is_named(tmp_path: Path) -> None:
    with ExitStack() as stack, pytest.raises(EnvironmentRefused, match="'write'"):
        Part(stack, Task("write", str(tmp_path), "no such payload", 1)).hear()


def test_a_program_s_start_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p11, "_bare", lambda: 2.0)
    monkeypatch.setattr(p11, "_launch", lambda: p11.Launch(0.5, 1.75, 2.5, 3.25, 3.5))
    figures = measure_row("P11", Bench(rounds=1, quick=True))
    assert figures[0].ours == (1.5,)
    assert figures[0].verdict == "met"
    assert [f.ours[0] for f in figures if f.what.startswith("launch: ")] == [0.5, 1.25, 0.75, 0.75, 0.25]
    assert all(f.ours[0] > 0 and f.reference[0] > 0 for f in figures if f.against == "import numpy")


def test_a_launch_s_stages_are_found_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"created": 100.5}))
    events = [
        {"event": "phase", "phase": "starting", "time": 101.0},
        {"event": "state", "node": "a", "state": "loading", "time": 102.0},
        {"event": "state", "node": "b", "state": "loading", "time": 103.0},
        {"event": "phase", "phase": "running", "time": 103.5},
        {"event": "asked", "op": "stop", "time": 110.0},
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    assert p11.stages_of(tmp_path, 100.0, 3.75) == p11.Launch(0.5, 1.0, 3.0, 3.5, 3.75)


@pytest.mark.long
def test_a_launch_is_timed_from_the_command_line() -> None:
    launch = p11._launch()
    assert 0 < launch.checked < launch.coordinator < launch.processes <= launch.running
    assert launch.output > launch.coordinator


def test_what_may_not_be_less_is_judged_from_below() -> None:
    def verdict(ours: float, against: str = "") -> str:
        return Figure("x", "n", (ours,), against, (10.0,) if against else (), at_least=2.0).verdict

    assert (verdict(2.0), verdict(1.9)) == ("met", "missed")
    assert (verdict(20.0, "peer"), verdict(19.0, "peer")) == ("met", "missed")
