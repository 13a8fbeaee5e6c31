"""``launch --debug NODE``, on a real terminal: the node's prompt, Ctrl-C, and every way to end."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rena_graph.errors import ExitCode
from tests.runtime.live import SCRIPTS, counter, document, wait_until
from tests.runtime.terminals import CTRL_C, Terminal, launched_on_terminal

pytestmark = pytest.mark.ray

PROMPT = "(Pdb) "


@contextmanager
def debugging(address: str, at: int, *options: str, fails_at: int = -1, **more: Any) -> Iterator[Terminal]:
    """A launch with a node under debug that opens the debugger in its loop `at` (0: in init()), and a neighbour."""
    here = {"script": "stops_here.py", "inputs": ["C"], "params": {"at": at, "fails_at": fails_at}, **more}
    neighbour = {"script": "tells.py", "inputs": ["C"]}
    name = f"debug-{os.getpid()}-{random.randrange(10**9)}"
    path = SCRIPTS / f"{name}.json"
    doc = document({"C": counter(100)}, {"here": here, "neighbour": neighbour})
    path.write_text(json.dumps({**doc, "name": name}))
    try:
        with launched_on_terminal(name, path, "--debug", "here", "--address", address, *options) as terminal:
            yield terminal
    finally:
        path.unlink()


def test_breakpoint_stops_in_the_node_and_the_others_go_on(ray_address: str) -> None:
    with debugging(ray_address, 3, hang_timeout=0.5) as terminal:
        terminal.until("here runs in this process, under debug")
        assert "stops_here.py" in terminal.until(PROMPT)
        # Its hang_timeout has passed six times over.
        wait_until(lambda: terminal.told("neighbour 180"))
        terminal.type("p 'inputs', len(self.inputs)\n")
        terminal.until("('inputs', 1)")
        terminal.until(PROMPT)
        terminal.type(CTRL_C)
        terminal.until("--KeyboardInterrupt--")
        terminal.until(PROMPT)
        terminal.type("c\n")
        said = terminal.until("here 50")
        assert "neighbour: neighbour 20" in said, "what the others print waits while the prompt is open"
        terminal.type(CTRL_C)
        assert "stops_here.py" in terminal.until(PROMPT), "it stops in the script, not in what calls it"
        terminal.type("q\n")
        assert terminal.end() == ExitCode.OK
        assert terminal.shown.count("cleaned up after") == 1
        assert "ended in good order" in terminal.shown
        node = terminal.outcome()["status"]["nodes"]["here"]
        assert (node["debug"], node["restarts"], node["stale"], node["exceptions"]) == (True, 0, False, 0)
        assert node["pid"] == terminal.process.pid
        assert terminal.told("here 50"), "the run's log has what the terminal showed"
        assert terminal.told("neighbour cleaned up")


def test_leaving_the_debugger_in_init_ends_the_start_in_good_order(ray_address: str) -> None:
    with debugging(ray_address, 0) as terminal:
        terminal.until(PROMPT)
        terminal.type("q\n")
        assert terminal.end() == ExitCode.OK
        assert "Traceback" not in terminal.shown


@pytest.mark.parametrize("on_error", ["continue", "restart"])
def test_a_failing_loop(on_error: str, ray_address: str) -> None:
    with debugging(ray_address, -1, "--for", "2", fails_at=3, on_error=on_error) as terminal:
        terminal.until("loop 3 failed after 2 that went well (inputs: ")
        terminal.until("ValueError: loop is broken")
        if on_error == "continue":
            terminal.until("the time is over")
            assert terminal.end() == ExitCode.OK
            node = terminal.outcome()["status"]["nodes"]["here"]
            assert node["loops"] > 3, "the loops went on"
        else:
            assert terminal.end() == ExitCode.SCRIPT
            assert terminal.outcome()["status"]["nodes"]["here"]["restarts"] == 0, "under debug it has one life"


def test_a_kill_ends_the_prompt_too(ray_address: str) -> None:
    with debugging(ray_address, 3) as terminal:
        terminal.until(PROMPT)
        wait_until(lambda: terminal.told("neighbour 20"))  # the run has started
        send_until(terminal, "stopping: each node ends its loop and runs cleanup()")
        send_until(terminal, "killing")
        assert terminal.end() == ExitCode.KILLED
        assert "cleaned up after" not in terminal.shown


def send_until(terminal: Terminal, text: str) -> None:
    """A signal that comes just before readline waits for a key is noticed with the next one."""
    terminal.process.send_signal(signal.SIGTERM)
    terminal.until(text)


def test_a_closed_terminal_ends_the_run(ray_address: str) -> None:
    with debugging(ray_address, 3) as terminal:
        terminal.until(PROMPT)
        wait_until(lambda: terminal.told("neighbour 20"))
        terminal.process.send_signal(signal.SIGHUP)
        terminal.type("\x04")  # the end of input, which a closed terminal is too
        assert terminal.end() == ExitCode.OK
        assert terminal.told("neighbour cleaned up")


def test_a_launcher_that_dies_with_its_prompt_takes_the_run_along(ray_address: str) -> None:
    with debugging(ray_address, 3) as terminal:
        terminal.until(PROMPT)
        wait_until(lambda: terminal.told("neighbour 20"))
        run_id = terminal.run_folder.name.rsplit("-", 1)[1]
        sockets = Path(os.environ["XDG_RUNTIME_DIR"]) / "rena-graph" / run_id
        assert sockets.exists()
        terminal.process.kill()
        wait_until(lambda: not sockets.exists(), what="the end of the run")
        assert terminal.told("neighbour cleaned up")
        assert not list(Path("/dev/shm").glob(f"rg-{run_id}*"))


def test_without_a_prompt_ctrl_c_stops_the_run(ray_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")  # Python's own way to pass breakpoints over
    with debugging(ray_address, 3) as terminal:
        terminal.until("here 50")
        terminal.type(CTRL_C)
        terminal.until("stopping: each node ends its loop and runs cleanup()")
        assert terminal.end() == ExitCode.OK
        assert "cleaned up after" in terminal.shown
        assert PROMPT not in terminal.shown
