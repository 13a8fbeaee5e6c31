"""What all tests share: folders of their own, one Ray, the check that nothing is left behind, and honest skips."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent
GRAPHS = ROOT / "graphs"

ALLOWED_SKIPS = (
    "needs root:",
    "needs network namespaces:",
    "needs another Python environment:",
    "needs a C compiler:",
    "needs promtool:",
    "needs systemd-analyze:",
    "needs KubeRay's definitions:",
)
"""How the reason of a skip begins that may happen in CI; any other one fails the run there."""

GONE_WITHIN = 60.0
"""Seconds that what a test began may take to end; on an idle machine it is one at the most."""

# A busy machine is no failure. Here, so that it holds for every module that is imported after this one.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

_unexpected: list[str] = []


@pytest.fixture(scope="session", autouse=True)
def own_signals() -> Iterator[None]:
    """Signals do what they do in a terminal, also where the tests were started by ``nohup`` or in the background."""
    usual: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {signum: signal.signal(signum, handler) for signum, handler in usual.items()}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.fixture(scope="session", autouse=True)
def own_folders() -> Iterator[None]:
    """State and sockets go to folders of this test session: short ones, since socket paths are short."""
    folder = Path(tempfile.mkdtemp(prefix="rgt-"))
    (folder / "run").mkdir(mode=0o700)
    before = {name: os.environ.get(name) for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR")}
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    os.environ["XDG_RUNTIME_DIR"] = str(folder / "run")
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    shutil.rmtree(folder)


HOLDER = """
import sys
from pathlib import Path
from typing import Any
from rena_graph.runtime.session.local_ray import prepare_environment, start_local_ray
folder = Path(sys.argv[1])
prepare_environment(folder / "token")
start_local_ray("tests", folder / "ray")
import ray
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
ray.shutdown()
"""


@pytest.fixture(scope="session")
def ray_address(own_folders: None) -> Iterator[str]:
    """One Ray for all tests that are not about starting one; its processes are the holder's."""
    folder = Path(tempfile.mkdtemp(prefix="rgr-"))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        _shared.add(holder.pid)
        address = holder.stdout.readline().strip()
        assert address, "the shared Ray did not start"
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(folder / "token")
        try:
            yield address
        finally:
            del os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN_PATH"]
            holder.stdin.close()
            holder.wait(120)
            _shared.discard(holder.pid)
    shutil.rmtree(folder, ignore_errors=True)


_shared: set[int] = set()


def _children() -> dict[int, str]:
    """Processes that this one started, and theirs, the shared Ray left out."""
    found: dict[int, str] = {}
    waiting = _started_by(os.getpid())
    while waiting:
        child = waiting.pop()
        if child in _shared:
            continue
        try:
            found[child] = " ".join(psutil.Process(child).cmdline())[:120]
            waiting += _started_by(child)
        except psutil.NoSuchProcess:
            continue
    return found


def _started_by(pid: int) -> list[int]:
    """Children of a process; where the kernel lists them, without a look at every process of the machine."""
    try:
        tasks = [*Path(f"/proc/{pid}/task").iterdir()]
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return [child.pid for child in psutil.Process(pid).children()]


def _segments() -> set[str]:
    shm = Path("/dev/shm")
    return {p.name for p in shm.glob("rg*")} if shm.is_dir() else set()


def _held_by_others(segments: set[str]) -> set[str]:
    """Segments that processes of somebody else on this machine (another test session, a run) have mapped."""
    ours = {os.getpid(), *(p.pid for p in psutil.Process().children(recursive=True))}
    held: set[str] = set()
    for process in psutil.process_iter():
        if process.pid not in ours:
            try:
                maps = Path(f"/proc/{process.pid}/maps").read_text()
            except OSError:
                continue
            held |= {name for name in segments if f"/dev/shm/{name}" in maps}
    return held


def _sockets() -> set[str]:
    base = Path(os.environ["XDG_RUNTIME_DIR"]) / "rena-graph"
    return {p.name for p in base.iterdir()} if base.is_dir() else set()


def _threads() -> set[str]:
    # Third-party pools that stay by design are named here; ours all begin with "rena".
    return {f"{t.name} ({t.ident})" for t in threading.enumerate() if t.name.startswith("rena") or not t.daemon}


@pytest.fixture(autouse=True)
def nothing_left(own_folders: None) -> Iterator[None]:
    """Each test leaves no process, no segment, no socket and no thread behind."""
    before = (set(_children()), _segments(), _sockets(), _threads())
    yield
    deadline = time.monotonic() + GONE_WITHIN
    while True:
        children = _children()
        segments = _segments() - before[1]
        left = {
            "processes": sorted(f"{pid} {children[pid]}" for pid in set(children) - before[0]),
            "segments": sorted(segments - _held_by_others(segments) if segments else ()),
            "sockets": sorted(_sockets() - before[2]),
            "threads": sorted(_threads() - before[3]),
        }
        if not any(left.values()):
            return
        if time.monotonic() > deadline:
            pytest.fail(f"the test left behind: { {k: v for k, v in left.items() if v} }")
        # Processes that were told to end take a moment; nothing can be waited for but their end.
        psutil.wait_procs([psutil.Process(pid) for pid in set(children) - before[0] if psutil.pid_exists(pid)], 0.05)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith(ALLOWED_SKIPS):
            _unexpected.append(f"{item.nodeid}: {reason}")
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if os.environ.get("CI") and _unexpected and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _unexpected:
        terminalreporter.write_line(f"unexpected skip: {line}", red=True)
