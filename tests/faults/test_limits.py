"""Limits of a machine that a run meets: named before anything starts, or gone around where that can be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rena_graph.errors import EnvironmentRefused
from rena_graph.runtime.session.limits import allow_processes
from tests.runtime.live import SCRIPTS, counter, document, relay

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

BIN = Path(sys.executable).parent
# Somebody who is not root, and may read what only root may: where Python and the tests are.
READS = "+dac_override,+dac_read_search"
SOMEBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps={READS}",
            f"--ambient-caps={READS}"]  # fmt: skip


@pytest.fixture
def study() -> Iterator[Path]:
    """A folder for a graph that everybody may read, and that is not in the temporary one."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None or shutil.which("unshare") is None:
        pytest.skip("needs root: to become somebody else, and for mounts of its own")
    folder = Path("/run") / f"rgt-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder)


def launched(folder: Path, before: Sequence[str], shell: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A launch of a graph of one node for a second, in a shell that first does what is asked."""
    graph = folder / "graph.json"
    graph.write_text(json.dumps(document({"C": counter(100)}, {"a": relay("C", "X", 100)})))
    shutil.copy(SCRIPTS / "relay.py", folder)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "RAY_"))}
    words = f"{shell} && exec {BIN / 'rena-graph'} launch {graph} --for 1"
    return subprocess.run(
        [*before, "bash", "-c", words], capture_output=True, text=True, timeout=150, cwd=folder,
        env={**kept, "HOME": str(home)},
    )  # fmt: skip


def test_too_few_processes_are_refused_by_name(study: Path) -> None:
    done = launched(study, SOMEBODY, "ulimit -u 100", study / "home")
    assert done.returncode == 5, done.stderr
    assert "a user (ulimit -u) may have 100 processes and threads here" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_group_of_too_few_processes_is_refused_by_name(tmp_path: Path) -> None:
    groups, processes = tmp_path / "groups", tmp_path / "proc"
    inner = groups / "user.slice" / "inner"
    inner.mkdir(parents=True)
    (processes / "self").mkdir(parents=True)
    (processes / "self" / "cgroup").write_text("1:cpu:/other\n0::/user.slice/inner\n")
    for folder, limit in ((inner, "max"), (inner.parent, "300")):
        (folder / "pids.max").write_text(f"{limit}\n")
        (folder / "pids.current").write_text("41\n")
    allow_processes(1, groups, processes)
    with pytest.raises(EnvironmentRefused, match=r"control group .*/user.slice may have 300 .* of which 41 are"):
        allow_processes(3, groups, processes)


def test_a_home_that_cannot_be_written_is_gone_around_and_said(study: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = launched(study, ["unshare", "--mount"], f"mount -t tmpfs -o ro tmpfs {home}", home)
    assert done.returncode == 0, done.stderr
    assert "cannot be written (Read-only file system): run folders go to" in done.stderr


def test_where_nothing_can_be_written_that_is_said_with_what_to_do(study: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # What lies in /tmp stays to be seen there: the environment that runs these tests may be in it.
    mounts = f"mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp && mount -t tmpfs -o ro tmpfs {home}"
    done = launched(study, ["unshare", "--mount"], mounts, home)
    assert done.returncode == 5, done.stderr
    assert "XDG_STATE_HOME" in done.stderr or "XDG_RUNTIME_DIR" in done.stderr
    assert "Traceback" not in done.stderr
