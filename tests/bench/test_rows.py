"""Each row, measured with the smallest runs that there are: what comes out must make sense, not be fast."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from rena_graph.bench import busy, hop_rounds, p6, p7, phases
from rena_graph.bench import floor as floor_module
from rena_graph.bench.figures import Figure, Hops
from rena_graph.bench.floor import measure_floor
from rena_graph.bench.graph_hop import HopRun, run_hop
from rena_graph.bench.payload import HEADER_BYTES, PAYLOADS, Payload, header_of
from rena_graph.bench.peers.installed import find_interpreter, what_is_missing
from rena_graph.bench.rows import ROWS, Bench, choose_rows, measure_row
from rena_graph.bench.ticking import Ticking, tick_side_by_side
from rena_graph.errors import EnvironmentRefused, UsageError
from tests.runtime.live import wait_until

TINY = Payload("tiny", 4, 8, "float64", 200.0, 40, 40)
WIDE = Payload("wide", 1, 6000, "uint8", 200.0, 40, 40)


def check_times(times: NDArray[np.int64], sent: int) -> None:
    """In order, once each, and no message before it was sent."""
    assert np.array_equal(times[:, 0], np.unique(times[:, 0]))
    assert set(times[:, 0]) <= set(range(sent))
    assert (times[:, 2] >= times[:, 1]).all()
    assert (np.diff(times[:, 1]) > 0).all()


# -- names -------------------------------------------------------------------------------------------
def test_all_rows_where_none_is_named_and_in_the_table_s_order() -> None:
    assert choose_rows([]) == list(ROWS)
    assert choose_rows(["p7", "P1", "P7"]) == ["P1", "P7"]


@pytest.mark.parametrize(("name", "hint"), [("P66", "P6"), ("1", "P1"), ("speed", ", ".join(ROWS))])
def test_an_unknown_row_is_answered_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"{name}.*{hint}"):
        choose_rows([name])


# -- messages ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("payload", [*PAYLOADS.values(), TINY], ids=lambda p: p.name)
def test_a_message_carries_its_header_in_its_first_bytes(payload: Payload) -> None:
    message = payload.make()
    assert message.shape == (payload.samples, payload.channels)
    assert message.nbytes == payload.nbytes
    header_of(message)[0] = 7
    assert message.tobytes()[:8] == (7).to_bytes(8, "little")
    assert len(header_of(message).tobytes()) == HEADER_BYTES


def test_the_messages_are_the_peers_harness_s() -> None:
    assert [(p.nbytes, p.rate) for p in PAYLOADS.values()] == [
        (2560, 100.0),
        (2**20, 30.0),
        (1920 * 1080 * 3, 30.0),
    ]


# -- the floor and the graph --------------------------------------------------------------------------
@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("payload", [TINY, WIDE], ids=lambda p: p.name)
def test_the_floor_moves_every_message(payload: Payload, copy: bool) -> None:
    times = measure_floor(payload, 40, copy=copy)
    check_times(times, 40)
    # It has two slots and waits for nobody: a reader that was held up misses some.
    assert len(times) > 2


def test_what_was_overwritten_while_it_was_read_is_no_message_of_the_floor() -> None:
    times = np.array([[0, 5, 9], [3, 8, 12], [3, 8, 13], [2, 9, 14], [5, 8, 15], [6, 20, 19], [7, 21, 22]])
    assert floor_module._whole(times).tolist() == [[0, 5, 9], [3, 8, 12], [7, 21, 22]]


def test_a_floor_whose_process_dies_says_so() -> None:
    with pytest.raises(EnvironmentRefused, match="floor's measurement died"):
        measure_floor(Payload("never", 4, 8, "float64", 0.0, 40, 40), 40, copy=True)


def test_a_system_without_rings_has_no_floor_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor_module, "ring_available", lambda: "not Linux on x86-64")
    with pytest.raises(EnvironmentRefused, match="not Linux on x86-64"):
        measure_floor(TINY, 40, copy=True)


@pytest.mark.ray
@pytest.mark.parametrize(("payload", "access"), [(TINY, "copy"), pytest.param(WIDE, "view", marks=pytest.mark.long)])
def test_the_graph_moves_every_message(payload: Payload, access: str, ray_address: str) -> None:
    run = run_hop(payload, 40, ray_address, access=access)  # type: ignore[arg-type]
    check_times(run.times, 40)
    assert Hops.of(run.times, 40).lost == 0
    assert set(run.own_cost) == {"producer", "consumer"}
    assert all(cost > 0 for cost in run.own_cost.values())


def test_floor_and_graph_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    numbers = np.arange(40)
    times = np.column_stack((numbers, numbers, numbers + 1000))

    def floor(payload: Payload, messages: int, *, copy: bool, hops: int) -> object:
        turns.append(f"floor {copy}")
        return times

    def graph(payload: Payload, messages: int, address: str, *, access: str, window: float, hops: int) -> object:
        turns.append(f"graph {address}")
        return HopRun(times, {"producer": 3.0})

    monkeypatch.setattr(hop_rounds, "measure_floor", floor)
    monkeypatch.setattr(hop_rounds, "run_hop", graph)
    monkeypatch.setattr(Bench, "ray", lambda self: "here")
    rounds = hop_rounds.measure_hops(Bench(rounds=3, quick=True), TINY, "copy", 1.0)
    assert turns == ["floor True", "graph here", "graph here", "floor True", "floor True", "graph here"]
    figure = rounds.figure("tiny", "p50", 1.5)
    assert figure.ours == figure.reference == (1.0, 1.0, 1.0)
    assert rounds.lost("tiny").verdict == "met"
    assert rounds.costs("tiny")[0].ours == (3.0, 3.0, 3.0)


# -- the input window -----------------------------------------------------------------------------------
def test_the_input_window_is_timed_over_several_of_its_arrays() -> None:
    result = p6.time_window(0.1, 50)
    assert 0 < result["mean"] <= result["longest"]
    assert result["p99"] <= result["longest"]
    assert result["memcpy"] > 0


def test_the_row_of_the_input_window(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(p6, "DURATIONS", (0.1, 0.2))
    monkeypatch.setattr(p6, "COMPARED", 0.1)
    figures = {f.what: f for f in measure_row("P6", Bench(rounds=2, quick=True, peers=tmp_path))}
    assert {"0.1 s, longest", "0.2 s, p99", "mean at 0.2 s, flat"} <= set(figures)
    assert all(len(f.ours) == 2 and min(f.ours) > 0 for f in figures.values())
    compared = [f for f in measure_row("P6", Bench(rounds=1, quick=True)) if f.against == "PhysioLabXR"]
    assert [f.verdict for f in compared] == ["not measured"]
    assert "setup.sh" in compared[0].missing


def test_a_peer_is_found_where_its_environment_is(tmp_path: Path) -> None:
    assert find_interpreter("physiolabxr", None) is None
    assert find_interpreter("physiolabxr", tmp_path) is None
    assert str(tmp_path) in what_is_missing("physiolabxr", tmp_path)
    interpreter = tmp_path / "physiolabxr" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.touch()
    assert find_interpreter("physiolabxr", tmp_path) == interpreter


# -- pacing ---------------------------------------------------------------------------------------------
def test_two_loops_keep_their_rate_side_by_side() -> None:
    node, bare = tick_side_by_side([Ticking("node", 100.0, 0.3), Ticking("bare", 100.0, 0.3, phase=0.5)])
    for times in (node, bare):
        ticks = np.floor(times * 100.0 + 1e-9)
        assert (times >= 0).all()
        assert (np.diff(ticks) > 0).all()
        assert (ticks[:-1] < 30).all(), "the last one may be late on a busy machine"


def test_a_stalled_node_does_not_make_up_for_it() -> None:
    (times,) = tick_side_by_side([Ticking("node", 200.0, 0.5, stall=0.1)])
    assert np.diff(times).max() >= 0.1
    assert p7.most_in_ten_periods(times, 200.0) <= p7.MOST_IN_TEN


def test_a_loop_that_dies_says_so() -> None:
    with pytest.raises(EnvironmentRefused, match="loop of the benchmark died"):
        tick_side_by_side([Ticking("node", -1.0, 0.1)])


def test_pace_counts_skipped_ticks_and_lateness() -> None:
    ticks = np.delete(np.arange(100), [10, 11, 60])
    pace = p7.Pace.of(ticks / 50.0 + 0.0001, 50.0)
    assert pace.skipped == 3
    assert (pace.late_p50, pace.late_p99) == pytest.approx((100.0, 100.0))
    assert p7.Pace.of(np.array([0.0, 0.0121, 0.0201]), 100.0).late_p50 == pytest.approx(100.0), "from the one before"
    assert pace.grid_ppm == pytest.approx(0.0, abs=1e-3)
    assert p7.Pace.of(ticks / 50.0 * 1.0001, 50.0).grid_ppm == pytest.approx(100.0, rel=0.01)


def test_one_late_tick_does_not_bend_the_grid() -> None:
    times = np.arange(30) / 1.0
    times[-1] += 0.01
    assert p7.Pace.of(times, 1.0).grid_ppm < 1


def test_a_burst_is_seen() -> None:
    steady = np.arange(100) / 50.0
    assert p7.most_in_ten_periods(steady, 50.0) == 10
    burst = np.concatenate((steady[:50], steady[50] + np.arange(20) * 1e-4, steady[60:]))
    assert p7.most_in_ten_periods(burst, 50.0) > p7.MOST_IN_TEN


@pytest.mark.long
def test_the_row_of_pacing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p7, "TOGETHER", (50.0, 20.0))
    monkeypatch.setattr(p7, "QUICK_SECONDS", 0.2)
    monkeypatch.setattr(p7, "STALL_SECONDS", 0.8)
    figures = measure_row("P7", Bench(rounds=2, quick=True))
    each = [("ppm", ""), ("ticks", "bare loop"), ("µs", "bare loop")]
    assert [(f.unit, f.against) for f in figures] == [*each, *each, ("loops", "")]
    assert [f.what.partition(",")[0] for f in figures[::3]] == ["20 Hz", "50 Hz", "250 Hz"]
    assert figures[0].at_most is None, "too short to judge"
    assert all(isinstance(f, Figure) and len(f.ours) == 2 for f in figures)
    assert max(figures[-1].ours) <= p7.MOST_IN_TEN


def test_the_peer_s_program_and_ours_do_the_same_work() -> None:
    text = p6.PEER.read_text(encoding="utf-8")
    assert f"CHANNELS, RATE, SAMPLES = {p6.CHANNELS}, {p6.RATE:g}, {p6.SAMPLES}" in text


@pytest.mark.ray
@pytest.mark.long
def test_a_line_of_clocks_is_timed_with_phases_and_without(monkeypatch: pytest.MonkeyPatch, ray_address: str) -> None:
    monkeypatch.setattr(phases, "SETTLE", 0.5)
    monkeypatch.setattr(phases, "QUICK_SECONDS", 0.5)
    monkeypatch.setattr(Bench, "ray", lambda self: ray_address)
    figures = {f.what: f for f in measure_row("PHASES", Bench(rounds=1, quick=True))}
    p50, p99 = (figures[f"end to end in cascade, {quantile}"] for quantile in ("p50", "p99"))
    assert 0 < p50.ours[0] <= p99.ours[0]
    assert 0 < p50.reference[0] <= p99.reference[0]
    assert figures["what the cascade gains, p50"].ours[0] == pytest.approx(p50.reference[0] - p50.ours[0])
    assert figures["free clocks, p50"].reference == (phases.by_free_phases(0),)


def test_busy_programs_are_at_work_and_end_with_whoever_started_them() -> None:
    with busy.busy_programs(2) as programs:
        assert [program.poll() for program in programs] == [None, None]
        assert all(Path(f"/proc/{program.pid}").exists() for program in programs)
    assert all(program.returncode == -signal.SIGKILL for program in programs)
    starts_one = """
        import sys
        from rena_graph.bench import busy
        with busy.busy_programs(1) as programs:
            print(programs[0].pid, flush=True)
            sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(starts_one)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout is not None
        orphan = psutil.Process(int(starter.stdout.readline()))
        starter.kill()
        starter.wait()
        wait_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)


def test_a_node_beside_busy_programs_is_held_against_an_ordinary_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "QUICK_SECONDS", 0.4)
    p50, p99, skipped = measure_row("BUSY", Bench(rounds=2, quick=True))
    for low, high in (*zip(p50.ours, p99.ours, strict=True), *zip(p50.reference, p99.reference, strict=True)):
        assert 0 <= low <= high < 1e6 / busy.FREQUENCY
    assert len(skipped.ours) == 2
    assert all(figure.verdict == "no target" for figure in (p50, p99, skipped))


def test_free_clocks_take_what_their_names_say() -> None:
    period = 1e6 / phases.FREQUENCY
    lengths = [phases.by_free_phases(k) for k in range(200)]
    assert all(0 < length < (phases.NODES - 1) * period for length in lengths)
    assert len(set(lengths)) == 200
    assert np.mean(lengths) == pytest.approx((phases.NODES - 1) * period / 2, rel=0.1)
