"""What happens to a graph when its launcher is killed: a row of the fault table each."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rena_graph.errors import ExitCode
from rena_graph.runtime.folders import runtime_dir
from rena_graph.runtime.launch.handle import RunHandle, attach
from tests.faults.table import FaultRow, record
from tests.limits import LIMIT
from tests.runtime.live import SCRIPTS, collect, counter, document, kept, wait_until
from tests.runtime.test_detach import LAUNCHER

pytestmark = [pytest.mark.ray, pytest.mark.faults]


@contextmanager
def orphan(address: str, folder: Path, detach: bool, *, folder_removed: bool = False) -> Iterator[RunHandle]:
    """A run whose launcher was killed."""
    doc = document({"C": counter(100)}, {"keeper": collect(folder / "a.npz", "C")})
    program = LAUNCHER if detach else LAUNCHER.replace("detach=True", "detach=False")
    command = [sys.executable, "-c", program, json.dumps(doc), str(SCRIPTS), str(folder), address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        with attach(launcher.stdout.readline().strip()) as handle:
            wait_until(lambda: handle.status()["nodes"]["keeper"]["loops"] > 20, what="loops")
            if folder_removed:
                shutil.rmtree(handle.folder)
            launcher.kill()
            yield handle


def test_without_its_launcher_an_attached_run_ends(ray_address: str, tmp_path: Path) -> None:
    with orphan(ray_address, tmp_path, detach=False) as run:
        assert run.wait(LIMIT) is ExitCode.OK
    assert len(kept(tmp_path / "a.npz")["C"]), "its script was cleaned up"
    record(FaultRow("launcher: SIGKILL", "the run ends in good order within 10 s"))


def test_a_run_whose_folder_was_removed_ends_without_its_launcher(ray_address: str, tmp_path: Path) -> None:
    with orphan(ray_address, tmp_path, detach=False, folder_removed=True) as run:
        runtime = runtime_dir() / run.id
        # There is no place left for an outcome: what its processes have is.
        wait_until(lambda: not runtime.exists(), what="the end of all that the run had")


def test_a_detached_run_does_not_need_its_launcher(ray_address: str, tmp_path: Path) -> None:
    with orphan(ray_address, tmp_path, detach=True) as run:
        before = run.status()["nodes"]["keeper"]["loops"]
        wait_until(lambda: run.status()["nodes"]["keeper"]["loops"] > before + 200, what="two seconds of loops")
        run.stop()
        assert run.wait(LIMIT) is ExitCode.OK
    record(FaultRow("launcher: SIGKILL, `launch --detach`", "nothing: the run goes on"))
