"""Runs that start their own Ray, ended in every way that there is: nothing may stay behind.

Each test starts ``rena-graph launch`` as a user does, in a process of its own.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.limits import LIMIT
from tests.runtime.live import SCRIPTS, collect, counter, document, relay, wait_until

LONG_LEG = pytest.mark.faults
GONE_WITHIN = 60.0
"""Seconds in which everything of a run has to be gone, whatever happened to it; on an idle machine ten at the most."""


def processes_of_session(sid: int) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_bytes().rsplit(b")", 1)[1].split()
                if int(fields[3]) == sid and fields[0] != b"Z":
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:80])
            except OSError:
                continue
    return found


class Launched:
    """A launcher process, and what is known of its run."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, before: set[str]) -> None:
        self.process = process
        self._state = Path(os.environ["XDG_STATE_HOME"]) / "rena_graph" / "runs"
        self._before = before
        self.folder = folder

    @property
    def run_folder(self) -> Path | None:
        new = [p for p in self._state.glob("*-lifetime-*") if p.name not in self._before]
        return new[0] if new else None

    @property
    def session(self) -> int | None:
        """Process id of the session, which is the Unix session id of all that belongs to the run."""
        for entry in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            if b"rena_graph.runtime.session.process" in Path(f"/proc/{entry}/cmdline").read_bytes():
                return int(entry)
        return None

    def console(self) -> str:
        folder = self.run_folder
        path = folder / "console.jsonl" if folder else None
        return path.read_text() if path and path.exists() else ""

    def wait_until_running(self) -> int:
        """Returns the session's process id."""
        wait_until(lambda: "loops well" in self.console(), what="the script's first word")
        session = self.session
        assert session is not None
        return session

    def all_gone(self, session: int) -> None:
        run_id = (self.run_folder or Path("x-none")).name.rsplit("-", 1)[1]
        deadline = time.monotonic() + GONE_WITHIN
        while True:
            left = processes_of_session(session)
            left += [p.name for p in Path("/dev/shm").glob(f"rg-{run_id}*")]
            left += [str(p) for p in (Path(os.environ["XDG_RUNTIME_DIR"]) / "rena-graph").glob(run_id)]
            if not left:
                return
            assert time.monotonic() < deadline, f"still there after {GONE_WITHIN} s: {left}"
            time.sleep(0.05)


@contextmanager
def launched(tmp_path: Path, *options: str, where: str = "nowhere", **more: object) -> Iterator[Launched]:
    """`rena-graph launch` of two nodes, the second of which says when it runs and when it cleans up."""
    nodes = {
        "first": relay("C", "X", 100),
        "talker": {**collect(tmp_path / "a.npz", "X"), "script": "talker.py", "params": {"where": where}, **more},
    }
    path = SCRIPTS / f"lifetime-{os.getpid()}-{random.randrange(10**9)}.json"
    path.write_text(json.dumps({**document({"C": counter(100)}, nodes), "name": "lifetime"}))
    runs = Path(os.environ["XDG_STATE_HOME"]) / "rena_graph" / "runs"
    before = {p.name for p in runs.glob("*")}
    process = subprocess.Popen(
        [sys.executable, "-m", "rena_graph.cli", "launch", str(path), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        preexec_fn=os.setpgrp,
    )
    try:
        yield Launched(process, tmp_path, before)
    finally:
        path.unlink()
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def output_of(run: Launched, limit: float = LIMIT) -> str:
    """What it printed until its end."""
    text, _ = run.process.communicate(timeout=limit)
    return text


@LONG_LEG
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_stops_in_good_order(signum: signal.Signals, tmp_path: Path) -> None:
    with launched(tmp_path) as run:
        session = run.wait_until_running()
        os.kill(run.process.pid, signum)
        text = output_of(run)
        assert run.process.returncode == 0, text
        assert "cleaned up" in run.console()
        run.all_gone(session)


def test_ctrl_c_in_the_terminal_reaches_the_launcher_only(tmp_path: Path) -> None:
    """A terminal's Ctrl-C goes to the whole process group: Ray's processes must not be in it."""
    with launched(tmp_path) as run:
        session = run.wait_until_running()
        assert os.getsid(session) == session != os.getsid(run.process.pid)
        os.killpg(run.process.pid, signal.SIGINT)
        text = output_of(run)
        assert run.process.returncode == 0, text
        assert "Traceback" not in text
        run.all_gone(session)


def test_a_second_signal_kills(tmp_path: Path) -> None:
    with launched(tmp_path, where="hang_in_cleanup", stop_timeout=60.0) as run:
        session = run.wait_until_running()
        os.kill(run.process.pid, signal.SIGINT)
        wait_until(lambda: "cleaning up" in run.console(), what="cleanup() to begin")
        os.kill(run.process.pid, signal.SIGINT)
        text = output_of(run)
        assert run.process.returncode == 130, text
        run.all_gone(session)


@pytest.mark.parametrize(
    "where", ["nowhere", *(pytest.param(where, marks=LONG_LEG) for where in ("hang", "hang_in_cleanup"))]
)
def test_a_killed_launcher_takes_everything_with_it(where: str, tmp_path: Path) -> None:
    with launched(tmp_path, where=where, stop_timeout=60.0) as run:
        session = run.wait_until_running()
        run.process.kill()
        run.process.wait()
        run.all_gone(session)
        if where == "nowhere":
            assert "cleaned up" in run.console(), "the run still ended in good order"


def test_a_killed_session_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with launched(tmp_path) as run:
        session = run.wait_until_running()
        os.kill(session, signal.SIGKILL)
        text = output_of(run)
        assert run.process.returncode == 5, text
        assert "Traceback" not in text
        run.all_gone(session)


@LONG_LEG
def test_launcher_and_session_killed_at_once_leave_nothing(tmp_path: Path) -> None:
    with launched(tmp_path, where="stop_itself") as run:
        session = run.wait_until_running()
        os.kill(run.process.pid, signal.SIGSTOP)
        os.kill(session, signal.SIGKILL)
        run.process.kill()
        run.process.wait()
        run.all_gone(session)


@LONG_LEG
@pytest.mark.parametrize("part", ["first", "middle", "last"])
def test_ctrl_c_while_it_starts_leaves_nothing(part: str, tmp_path: Path) -> None:
    """At a moment of the start-up drawn at random within the part; the seed is in the message."""
    seed = random.SystemRandom().randrange(10**6)
    low, high = {"first": (0.2, 1.5), "middle": (1.5, 4.0), "last": (4.0, 7.0)}[part]
    with launched(tmp_path) as run:
        session = wait_until(lambda: run.session, what="the session process")
        with pytest.raises(subprocess.TimeoutExpired):
            run.process.wait(random.Random(seed).uniform(low, high))
        os.kill(run.process.pid, signal.SIGINT)
        text = output_of(run)
        assert run.process.returncode in (0, 130), f"seed {seed}: {text}"
        assert "Traceback" not in text, f"seed {seed}: {text}"
        run.all_gone(session)


@LONG_LEG
def test_for_ends_by_itself_and_sums_up(tmp_path: Path) -> None:
    with launched(tmp_path, "--for", "2") as run:
        session = wait_until(lambda: run.session, what="the session process")
        text = output_of(run)
        assert run.process.returncode == 0, text
        assert re.search(r"none dropped", text), text
        run.all_gone(session)
