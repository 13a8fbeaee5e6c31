"""``launch --reload``: what counts as a change, and a node that begins anew with its changed script."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rena_graph.errors import ExitCode
from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.coordinator.signals import ScriptChanged
from rena_graph.runtime.host.reload import ScriptWatch, modules_beside
from rena_graph.runtime.launch.client import Run, launch
from rena_graph.runtime.options import LaunchOptions
from tests.runtime.live import SCRIPTS, balanced, collect, counter, document, finish, kept, relay, told, wait_until

GOOD = "from rena_graph import RenaScript\nclass S(RenaScript):\n    def loop(self): pass\n"
AGES_AGO = 1_000_000_000


def write(path: Path, text: str, age: float = 1000.0) -> Path:
    """With a time of change of its own: two writes may fall into one tick of the file system's clock."""
    write.count += 1  # type: ignore[attr-defined]
    path.write_text(text)
    stamp = AGES_AGO + write.count - age  # type: ignore[attr-defined]
    os.utime(path, (stamp, stamp))
    return path


write.count = 0  # type: ignore[attr-defined]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return write(tmp_path / "s.py", GOOD)


@pytest.fixture
def watch(script: Path) -> ScriptWatch:
    made = ScriptWatch()
    made.begin("n", script, time.time())
    return made


def twice(watch: ScriptWatch) -> list[ScriptChanged]:
    """A file is read once it was left alone for one look."""
    return watch.look() + watch.look()


def test_what_does_not_change_is_not_reported(watch: ScriptWatch, script: Path) -> None:
    assert twice(watch) == []
    write(script, GOOD)  # saved again as it was
    assert twice(watch) == []
    script.unlink()
    assert twice(watch) == []


def test_a_change_is_reported_once_and_only_when_it_is_complete(watch: ScriptWatch, script: Path) -> None:
    write(script, GOOD + "# ha")
    assert watch.look() == []
    write(script, GOOD + "# half and half")
    assert watch.look() == [], "it is being written"
    assert watch.look() == [ScriptChanged("n", "s.py")]
    assert twice(watch) == []


def test_the_same_size_and_another_content_is_a_change(watch: ScriptWatch, script: Path) -> None:
    write(script, GOOD.replace("pass", "ssap"))
    assert len(twice(watch)) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def f(:\n", "line 1"),
        ("x = 1\nreturn\n", "line 2"),
        ("x = 1\n", "no subclass of RenaScript"),
        (GOOD + "class T(RenaScript): pass\n", "2 subclasses of RenaScript: S, T"),
        ("a\0b", "NUL"),
    ],
)
def test_what_cannot_be_started_is_said_once(code: str, words: str, watch: ScriptWatch, script: Path) -> None:
    write(script, code)
    (change,) = twice(watch)
    assert words in (change.problem or "")
    write(script, code)
    assert twice(watch) == []
    write(script, GOOD)
    assert twice(watch) == [], "it is again what the node runs"
    write(script, code)
    assert len(twice(watch)) == 1


def test_modules_beside_the_script_are_watched_and_need_no_class(watch: ScriptWatch, tmp_path: Path) -> None:
    helper = write(tmp_path / "helper.py", "x = 1\n")
    watch.note("n", [helper])
    assert twice(watch) == []
    write(helper, "x = 2\n")
    assert twice(watch) == [ScriptChanged("n", "helper.py")]
    watch.begin("n", tmp_path / "s.py", time.time())
    write(helper, "x = (\n")
    (change,) = twice(watch)
    assert change.problem is not None, "known from the life before, until this one has told what it imports"


def test_what_was_written_while_a_life_began_is_a_change(watch: ScriptWatch, script: Path) -> None:
    """Nobody can tell whether it was loaded before or after."""
    watch.begin("n", script, AGES_AGO - 10_000)
    assert twice(watch) == [ScriptChanged("n", "s.py")]


def test_every_node_of_a_script_is_told_of(watch: ScriptWatch, script: Path) -> None:
    watch.begin("m", script, time.time())
    write(script, GOOD + "# new\n")
    assert sorted(change.node for change in twice(watch)) == ["m", "n"]


def test_only_modules_below_the_scripts_folder_are_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    (tmp_path / "site-packages").mkdir()
    for name, file in {"a": "helper.py", "b": "site-packages/numpy.py", "c": "native.so"}.items():
        module = types.ModuleType(name)
        module.__file__ = str(tmp_path / file)
        monkeypatch.setitem(sys.modules, f"test_reload_{name}", module)
    assert modules_beside(tmp_path / "s.py") == [tmp_path / "helper.py", tmp_path / "s.py"]


# -- live --------------------------------------------------------------------------------------------
RELAY = """
from rena_graph import RenaScript
from factor import FACTOR

class Relay(RenaScript):
    def init(self):
        {init}
        print("version {version} with", FACTOR)

    def loop(self):
        if "in" in self.inputs:
            data, stamps = self.inputs.new("in")
            if len(stamps):
                self.set_output("out", data * FACTOR, stamps)
"""


def relay_code(version: int, init: str = "pass") -> str:
    return RELAY.replace("{version}", str(version)).replace("{init}", init)


@pytest.mark.ray
def test_a_running_node_follows_its_script(ray_address: str, tmp_path: Path) -> None:
    """Changed, broken, repaired, failing in init(), repaired, its module changed: and no sample is lost."""
    script, factor = tmp_path / "relay.py", tmp_path / "factor.py"
    script.write_text(relay_code(1))
    factor.write_text("FACTOR = 1\n")
    nodes = {
        # Windows longer than any start of a process: what waited meanwhile comes all at once, to both.
        "relay": relay("C", "X", 200, buffer_duration=60),
        "last": collect(tmp_path / "a.npz", "X", script=str(SCRIPTS / "collect.py"), buffer_duration=60),
    }
    doc = document({"C": counter(200)}, nodes)
    graph = graph_from_dict(doc, tmp_path, allow_code=[SCRIPTS, Path(tempfile.gettempdir())])
    with launch(graph, LaunchOptions(address=ray_address, reload=True)) as run:
        run.start()
        says(run, "version 1 with 1")
        first = pid(run)

        script.write_text("class :\n")
        says(run, "relay.py has changed and is refused; it runs on as it was: ")
        assert pid(run) == first
        script.write_text(relay_code(2))
        says(run, "version 2 with 1")
        script.write_text(relay_code(3, "raise ValueError('not yet')"))
        says(run, "init failed; it waits for its script to change again")
        says(run, "not yet")
        assert run.status()["nodes"]["relay"]["state"] == "restarting"
        script.write_text(relay_code(4))
        says(run, "version 4 with 1")
        factor.write_text("FACTOR = -1\n")
        says(run, "version 4 with -1")
        node = wait_until(lambda: running(run))
        assert (node["restarts"], node["reloads"]) == (0, 4)
        seen = node["loops"]
        wait_until(lambda: run.status()["nodes"]["relay"]["loops"] > seen + 5)
        run.stop()
        status = finish(run, ExitCode.OK)
    balanced(status)
    data = np.abs(kept(tmp_path / "a.npz")["X"][:, 0])
    assert np.array_equal(data, np.arange(len(data))), "every sample once, by whichever version"
    assert status["nodes"]["last"]["reloads"] == 0


def says(run: Run, text: str) -> None:
    wait_until(lambda: text in told(run), what=repr(text))


def pid(run: Run) -> Any:
    return wait_until(lambda: run.status()["nodes"]["relay"]["pid"])


def running(run: Run) -> Any:
    node = run.status()["nodes"]["relay"]
    return node if node["state"] == "running" else None
