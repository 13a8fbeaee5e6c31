"""What a run's processes use of their host, read out of ``/proc``; and of its GPUs, where there are any."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from rena_graph.runtime.host.load import told_by_kernel
from rena_graph.transport.board import NodeColumn, Row

__all__ = ["GpuMemory", "UsageMeter", "host_usage", "parse_gpu_memory"]

EVERY_NS = 1_000_000_000
"""Between two looks at the nodes' processes."""
GPU_EVERY_NS = 5_000_000_000
GPU_TIMEOUT = 5.0
_TICK_NS = 1_000_000_000 // (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


class UsageMeter:
    """Keeps, on the board, how much of the processor each node has used over all its lives.

    What a process used between the last look and its end is not known to anybody.

    Parameters
    ----------
    nodes : mapping of str to Row
        The nodes' rows; this owns their columns ``CPU_*`` and ``RSS``.
    """

    def __init__(self, nodes: Mapping[str, Row]) -> None:
        self._nodes = nodes
        self._looked_ns: int | None = None

    def look(self, now_ns: int) -> None:
        """Look at all of them, if it is time to."""
        if self._looked_ns is not None and now_ns - self._looked_ns < EVERY_NS:
            return
        self._looked_ns = now_ns
        for row in self._nodes.values():
            ints = row.ints
            pid = ints[NodeColumn.PID]
            used = _process(pid) if pid else None
            if used is None:
                ints[NodeColumn.RSS] = 0
                continue
            cpu_ns, ints[NodeColumn.RSS] = used
            before = ints[NodeColumn.CPU_SEEN_NS] if ints[NodeColumn.CPU_PID] == pid else 0
            ints[NodeColumn.CPU_NS] += max(0, cpu_ns - before)
            ints[NodeColumn.CPU_PID], ints[NodeColumn.CPU_SEEN_NS] = pid, cpu_ns


def _process(pid: int) -> tuple[int, int] | None:
    """Nanoseconds of processor time, and bytes of resident memory, of a process; None where it is gone."""
    try:
        raw = told_by_kernel(f"/proc/{pid}/stat")
    except OSError:
        return None
    # The name, in parentheses, may hold anything.
    fields = raw[raw.rindex(b")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_NS, int(fields[21]) * _PAGE


def host_usage() -> dict[str, dict[str, float]]:
    """Processor seconds by mode, and bytes of memory; empty where the kernel does not tell."""
    try:
        cpu = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return {}
    memory = {name: float(rest.split()[0]) * 1024 for name, rest in (line.split(":", 1) for line in lines)}
    return {
        "cpu": {mode: int(ticks) * _TICK_NS / 1e9 for mode, ticks in zip(_MODES, cpu, strict=False)},
        "memory": {"total": memory["MemTotal"], "available": memory.get("MemAvailable", memory["MemFree"])},
    }


class GpuMemory:
    """GPU memory by process, as ``nvidia-smi`` tells it; never an error where there is none, or it does not answer."""

    def __init__(self) -> None:
        self._program = shutil.which("nvidia-smi")
        self._known: dict[int, int] = {}
        self._looked_ns: int | None = None
        self._lock = threading.Lock()

    def of(self, pids: Iterable[int], now_ns: int) -> dict[int, int]:
        """Bytes by process id, of those that use any; at most five seconds old."""
        if self._program is None:
            return {}
        with self._lock:
            if self._looked_ns is None or now_ns - self._looked_ns >= GPU_EVERY_NS:
                self._looked_ns = now_ns
                self._known = self._ask(self._program)
        return {pid: self._known[pid] for pid in pids if pid in self._known}

    @staticmethod
    def _ask(program: str) -> dict[int, int]:
        command = [program, "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=GPU_TIMEOUT, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            return {}
        return parse_gpu_memory(said)


def parse_gpu_memory(said: str) -> dict[int, int]:
    """Bytes by process id, over all GPUs, from lines ``pid, MiB``; others (``[N/A]``) are passed over."""
    found: dict[int, int] = {}
    for line in said.splitlines():
        pid, _, mebibytes = line.partition(",")
        if pid.strip().isdigit() and mebibytes.strip().isdigit():
            found[int(pid)] = found.get(int(pid), 0) + (int(mebibytes) << 20)
    return found
