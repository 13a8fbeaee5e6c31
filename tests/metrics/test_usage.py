"""What is read of processes, host and GPUs."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rena_graph.runtime.host.usage import GpuMemory, UsageMeter, host_usage, parse_gpu_memory
from rena_graph.transport.board import Board, NodeColumn

SECOND = 1_000_000_000


def busy() -> subprocess.Popen[bytes]:
    """A process that has used some of the processor, and waits."""
    work = "import sys\nfor _ in range(3_000_000): pass\nprint(flush=True)\nsys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.communicate()


def test_processor_time_adds_up_over_the_lives_of_a_node(tmp_path: Path) -> None:
    with Board.create(tmp_path / "board", streams=0, edges=0, nodes=1) as board:
        row = board.node(0)
        meter = UsageMeter({"node": row})
        now = 0
        meter.look(now)
        assert row.ints[NodeColumn.CPU_NS] == 0, "no process yet"
        seen = []
        for _ in range(2):
            process = busy()
            row.ints[NodeColumn.PID] = process.pid
            now += SECOND
            meter.look(now)
            assert row.ints[NodeColumn.RSS] > 1 << 20
            seen.append(row.ints[NodeColumn.CPU_NS])
            now += SECOND
            meter.look(now)
            assert row.ints[NodeColumn.CPU_NS] - seen[-1] < SECOND // 10, "it only waits: nothing is counted twice"
            # An agent that is begun anew goes on from the board.
            UsageMeter({"node": row}).look(now)
            end(process)
            now += SECOND
            meter.look(now)
            assert row.ints[NodeColumn.RSS] == 0
        assert 0 < seen[0] < seen[1]


def test_it_does_not_look_more_than_once_a_second(tmp_path: Path) -> None:
    with Board.create(tmp_path / "board", streams=0, edges=0, nodes=1) as board:
        row = board.node(0)
        meter = UsageMeter({"node": row})
        meter.look(0)
        row.ints[NodeColumn.PID] = os.getpid()
        meter.look(SECOND - 1)
        assert row.ints[NodeColumn.RSS] == 0
        meter.look(SECOND)
        assert row.ints[NodeColumn.RSS] > 0


def test_the_host_tells_its_processor_time_and_memory() -> None:
    first = host_usage()
    assert 0 < first["memory"]["available"] < first["memory"]["total"]
    assert first["cpu"]["user"] > 0
    assert sum(host_usage()["cpu"].values()) >= sum(first["cpu"].values())


def test_gpu_memory_is_that_of_all_gpus_and_odd_lines_are_passed_over() -> None:
    said = "123, 1024\n456, 10\n123, 24\n789, [N/A]\nNo running processes found\n\n"
    assert parse_gpu_memory(said) == {123: 1048 << 20, 456: 10 << 20}


def test_without_nvidia_smi_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert GpuMemory().of([1, 2], 0) == {}


@pytest.mark.parametrize(
    ("body", "found"),
    [("echo '42, 100'", {42: 100 << 20}), ("exit 9", {}), ("echo 'NVIDIA-SMI has failed'", {})],
)
def test_what_nvidia_smi_says_is_asked_for_now_and_then(
    body: str, found: dict[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/log\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    gpu = GpuMemory()
    for now in (0, SECOND, 6 * SECOND):
        assert gpu.of([42, 43], now) == found
    assert (tmp_path / "log").read_text() == "asked\n" * 2


def test_a_program_that_cannot_run_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("this is no program")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    before = time.monotonic_ns()
    assert GpuMemory().of([1], before) == {}
