"""Finds the processes of a run's frame, which no status names: coordinator, host agent, session."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Literal

from rena_graph.runtime.folders import runtime_dir
from rena_graph.runtime.launch.handle import RunHandle
from tests.faults.scene import Fault
from tests.runtime.live import wait_until

__all__ = ["Part", "process_of", "send"]

Part = Literal["CoordinatorActor", "AgentActor"]


def process_of(run: RunHandle, part: Part) -> int:
    """Process id of the living one; waits for one."""
    found: int = wait_until(lambda: _living(run, part), what=part)
    return found


def _living(run: RunHandle, part: Part) -> int | None:
    noted = (runtime_dir() / run.id / "pids").read_text().split()[::2]
    for pid in reversed(noted):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            if state != "Z" and part in Path(f"/proc/{pid}/cmdline").read_text():
                return int(pid)
        except OSError:
            continue
    return None


def send(signum: signal.Signals, run: RunHandle, part: Part) -> Fault:
    """Send a signal, and say when."""
    pid = process_of(run, part)
    fault = Fault(time.monotonic(), time.time())
    os.kill(pid, signum)
    return fault
