"""Where the debugger of a script stops, and what it passes over."""

from __future__ import annotations

import io
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rena_graph.runtime.launch.script_debugger import ScriptDebugger


class Passing(ScriptDebugger):
    """Notes where it would have stopped, and steps on."""

    def __init__(self, script: Path) -> None:
        super().__init__(script)
        self.stops: list[str] = []

    def interaction(self, frame: Any, traceback: Any = None) -> None:
        self.stops.append(frame.f_code.co_name)
        self.set_step()


def module(name: str, file: Path, code: str) -> dict[str, Any]:
    made = types.ModuleType(name)
    made.__dict__["json"] = json
    exec(compile(code, str(file), "exec"), made.__dict__)
    return made.__dict__


def stops(script: Path, work: Callable[[], object]) -> list[str]:
    """Where it stops if Ctrl-C comes before `work`."""
    debugger = Passing(script)
    before = sys.gettrace()
    debugger.reset()
    debugger.set_step()
    sys.settrace(debugger.trace_dispatch)
    try:
        work()
    finally:
        sys.settrace(before)
    return debugger.stops


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "mine" / "script.py"


def test_it_stops_in_the_script_and_in_what_that_calls(script: Path) -> None:
    theirs = module("rena_script_node_1", script, "def loop(): return json.dumps({'a': 1}, indent=1)")
    ours = module("rena_graph.runtime.node.loop", Path("/ours/loop.py"), "def one_loop(script): script()")
    found = stops(script, lambda: ours["one_loop"](theirs["loop"]))
    assert found[0] == "loop"
    assert "dumps" in found, "a step goes into a library"
    assert "one_loop" not in found


def test_it_passes_over_what_this_package_calls(script: Path) -> None:
    ours = module("rena_graph.runtime.node.console", Path("/ours/console.py"), "def write(): json.dumps({}, indent=1)")
    theirs = module("rena_script_node_1", script, "def loop(write):\n  write()\n  return 1")
    assert stops(script, ours["write"]) == []
    assert set(stops(script, lambda: theirs["loop"](ours["write"]))) == {"loop"}


def test_a_module_beside_the_script_is_the_script_s_and_one_installed_there_is_not(script: Path) -> None:
    beside = module("helpers", script.parent / "helpers.py", "def helps(): return 1")
    installed = module("zmq.poll", script.parent / ".venv" / "site-packages" / "poll.py", "def poll(): return 1")
    ours = module("rena_graph.runtime.node.loop", Path("/ours/loop.py"), "def call(what): what()")
    assert set(stops(script, lambda: ours["call"](beside["helps"]))) == {"helps"}
    assert stops(script, lambda: ours["call"](installed["poll"])) == []


def test_a_breakpoint_stops_wherever_it_was_set(script: Path) -> None:
    debugger = Passing(script)
    debugger.stdout = io.StringIO()
    ours = module("rena_script_node_1", script, "def loop(stop):\n  stop()\n  return 1")
    before = sys.gettrace()
    try:
        ours["loop"](lambda: debugger.set_trace(sys._getframe().f_back))
    finally:
        sys.settrace(before)
    assert debugger.stops[0] == "loop"
