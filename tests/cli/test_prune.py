"""`rena-graph prune` and the environments of nodes: which go, which stay, and who is in the way of whom."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rena_graph.cli import main
from rena_graph.runtime.hosts.environment_store import NOTE, alone, environments_dir, mark_used
from tests.cli.fake_runs import fake_run
from tests.limits import LIMIT


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which no other test has run anything; short paths, since sockets' are."""
    folder = Path(tempfile.mkdtemp(prefix="rgt-"))
    for name, variable in (("state", "XDG_STATE_HOME"), ("run", "XDG_RUNTIME_DIR")):
        (folder / name).mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(folder / name))
    yield
    shutil.rmtree(folder)


def environment(name: str, days: float, packages: dict[str, str] | None = None) -> Path:
    """One as a run leaves it that wanted it so long ago; without packages as a maker that was killed leaves it."""
    path = environments_dir() / name
    path.mkdir(parents=True)
    path.with_suffix(".log").write_text("what pip said")
    path.with_suffix(".lock").touch()
    file = path / NOTE
    if packages is not None:
        file.write_text(json.dumps({"packages": packages}))
    aged = file if packages is not None else path
    os.utime(aged, (time.time() - days * 86400,) * 2)
    return path


def test_prune_removes_environments_that_no_run_needs(machine: None, capsys: pytest.CaptureFixture[str]) -> None:
    old, half = environment("aaaa", 9, {"pyxdf": "1.16", "torch": "2.5"}), environment("bbbb", 8)
    recent, needed, kept = (environment(name, days, {"x": "1"}) for name, days in (("cc", 3), ("dd", 9), ("ee", 9)))
    fresh = environment("ff", 0, {})
    with fake_run() as run, fake_run("beef0001", "eeg", time.time() - 9 * 86400) as ended:
        mark_used(run.runtime, str(needed / "bin" / "python"))
        ended.end()
        nodes = {"a": {"script": {}, "environment": {"python": str(kept / "bin" / "python")}}, "b": {"script": {}}}
        (ended.folder / "provenance.json").write_text(json.dumps({"nodes": nodes}))
        assert main(["prune", "--older-than", "7", "--keep", "1"]) == 0
        captured = capsys.readouterr()
        lines = captured.out.splitlines()
        assert [line.rpartition("/")[2] for line in lines] == ["aaaa", "bbbb"]
        assert lines[0].startswith("environment  pyxdf 1.16, torch 2.5  unused")
        assert captured.err.startswith("2 environments, ")
        assert main(["prune", "--older-than", "7", "--keep", "1", "--yes"]) == 0
        assert sorted(path.name for path in old.parent.iterdir() if path.is_dir()) == ["cc", "dd", "ee", "ff"]
        assert not [path.name for path in old.parent.iterdir() if path.stem in (old.name, half.name)]
        capsys.readouterr()
        # Somebody looks at one, or makes it anew, in this very moment.
        with alone(recent.with_suffix(".lock")):
            assert main(["prune", "--yes"]) == 0
        assert f"a run wants {recent} now: it stays" in capsys.readouterr().err
        assert [path.is_dir() for path in (recent, needed, kept, fresh)] == [True, True, False, True]


def test_who_waits_for_an_environment_that_is_removed_makes_it_anew(machine: None) -> None:
    path = environment("aaaa", 9)
    lock = path.with_suffix(".lock")
    got = threading.Event()

    def want() -> None:
        with alone(lock):
            got.set()
            assert lock.exists(), "so that the next one waits for the same"

    with alone(lock):
        other = threading.Thread(target=want)
        other.start()
        assert not got.wait(0.2)
        lock.unlink()
    other.join(LIMIT)
    assert got.is_set()
