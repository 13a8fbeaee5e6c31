"""The three displays, and the guard around them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rena_graph.cli.display import Guarded, JsonDisplay, LiveDisplay, PlainDisplay, choose_display
from rena_graph.errors import ExitCode
from tests.cli.statuses import node, status
from tests.limits import LIMIT

RECORD = {"time": 0.0, "node": "a", "level": "print", "text": "hello"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_prints_messages_and_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay()
    display.progress("starting Ray")
    display.messages([RECORD])
    display.say("stopping")
    display.finish(status(), ExitCode.SCRIPT, Path("/runs/x"), "a failed")
    out, err = capsys.readouterr()
    assert err == "starting Ray\nstopping\na failed\n"
    assert out.splitlines()[0].endswith(" a: hello")
    assert out.splitlines()[-1] == "logs and statistics: /runs/x"


def test_plain_shows_no_status(capsys: pytest.CaptureFixture[str]) -> None:
    PlainDisplay().status(status())
    assert capsys.readouterr() == ("", "")


def test_json_is_strict(capsys: pytest.CaptureFixture[str]) -> None:
    JsonDisplay().status(status(nodes={"a": node(rate=float("nan"), frequency=float("inf"))}))
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert shown["event"] == "status"
    assert shown["nodes"]["a"]["rate"] is None
    assert shown["nodes"]["a"]["frequency"] is None


def test_live_draws_in_place_and_leaves_the_last_table() -> None:
    terminal = Terminal()
    display = LiveDisplay(Console(file=terminal, width=120, height=30, force_terminal=True, color_system=None))
    display.progress("starting Ray")
    display.messages([RECORD])
    display.status(status())
    display.status(status(nodes={"a": node(loops=7)}))
    display.finish(status(), ExitCode.OK, Path("/runs/x"), None)
    text = terminal.getvalue()
    assert "starting Ray" in text
    assert "\x1b[1A" in text  # the cursor went up, to draw over
    assert text.rstrip().endswith("logs and statistics: /runs/x")
    assert "a: hello" in text


def test_live_gives_the_terminal_back() -> None:
    terminal = Terminal()
    display = LiveDisplay(Console(file=terminal, width=80, height=24, force_terminal=True, color_system=None))
    before = sys.stdout
    display.status(status())
    assert "\x1b[?25l" in terminal.getvalue()  # no cursor while it draws
    display.close()
    display.close()
    assert terminal.getvalue().count("\x1b[?25h") == 1
    assert sys.stdout is before


@pytest.mark.parametrize(
    ("as_json", "tty", "term", "kind"),
    [
        (True, True, "xterm", JsonDisplay),
        (False, True, "xterm", LiveDisplay),
        (False, True, "dumb", PlainDisplay),
        (False, True, None, PlainDisplay),
        (False, False, "xterm", PlainDisplay),
    ],
)
def test_the_display_fits_the_terminal(
    as_json: bool, tty: bool, term: str | None, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal() if tty else io.StringIO())
    if term is None:
        monkeypatch.delenv("TERM", raising=False)
    else:
        monkeypatch.setenv("TERM", term)
    assert type(choose_display(as_json)) is kind


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    display = choose_display(as_json=False)
    display.status(status(nodes={"a": node(state="failed")}))
    display.close()
    assert "\x1b[31m" not in terminal.getvalue()
    assert "\x1b[1;31m" not in terminal.getvalue()


def test_a_guarded_display_is_mute_after_its_reader_left() -> None:
    program = """
import sys
from rena_graph.cli.display import Guarded, PlainDisplay
guarded = Guarded(PlainDisplay())
sys.stdin.readline()
for _ in range(3):
    guarded.messages([{"time": 0.0, "node": "a", "level": "print", "text": "x"}])
sys.stderr.write(f"broken {guarded.broken}")
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write("\n")
        process.stdin.close()
        assert process.wait(LIMIT) == 0
        assert process.stderr.read() == "broken True"


def test_a_guarded_display_passes_everything_on(capsys: pytest.CaptureFixture[str]) -> None:
    guarded = Guarded(PlainDisplay())
    guarded.progress("p")
    guarded.say("s")
    guarded.status(status())
    guarded.messages([RECORD])
    guarded.finish(status(), 0, Path("x"), None)
    guarded.close()
    out, err = capsys.readouterr()
    assert err == "p\ns\n"
    assert "a: hello" in out
    assert not guarded.broken
