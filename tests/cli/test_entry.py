"""``main``: every way to end has its message and its exit code."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rena_graph.cli import main
from rena_graph.cli.entry import _CRASHES_KEPT
from rena_graph.cli.group import VERBS, root
from rena_graph.errors import ExitCode, RenaGraphError, ScriptError
from tests.cli.running import COMMAND, run_cli
from tests.limits import LIMIT

HEAVY = ("pydantic", "ray", "zmq", "pylsl", "networkx", "rich", "numpy", "scipy", "pyxdf", "msgpack")


def replace_version(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the verb ``version`` raise `error`."""

    @click.command("version")
    def command() -> None:
        raise error

    monkeypatch.setattr("rena_graph.cli.version.command", command)


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("nonsense",)])
def test_the_frame_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom rena_graph.cli import main\n"
        f"main({list(arguments)!r})\n"
        f"print('HEAVY', sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_completing_a_verb_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom rena_graph.cli import main\ncode = main([])\n"
        f"print('HEAVY', sorted(set(sys.modules) & set({HEAVY!r})), code)"
    )
    env = {"COMP_WORDS": "rena-graph v", "COMP_CWORD": "1", "_RENA_GRAPH_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT, env={**os.environ, **env}
    )
    assert done.stdout.splitlines() == ["plain,validate", "plain,version", "HEAVY [] 0"]


def test_help_lists_every_verb() -> None:
    done = run_cli("--help")
    assert done.returncode == 0
    for name, verb in VERBS.items():
        assert f"  {name} " in done.stdout
        assert verb.help in done.stdout


def test_version_is_the_package_s() -> None:
    import rena_graph

    done = run_cli("--version")
    assert (done.returncode, done.stdout) == (0, f"rena-graph {rena_graph.__version__}\n")


def test_no_arguments_show_the_help_and_are_a_usage_error() -> None:
    done = run_cli()
    assert done.returncode == ExitCode.USAGE
    assert "Verbs:" in done.stderr
    assert done.stdout == ""


def test_an_unknown_verb_is_answered_with_the_nearest() -> None:
    done = run_cli("lanuch", "graph.json")
    assert done.returncode == ExitCode.USAGE
    assert "has no verb 'lanuch'. Did you mean 'launch'?" in done.stderr
    assert done.stdout == ""


def test_an_unknown_verb_without_a_near_one_is_answered_with_all() -> None:
    done = run_cli("xyzzy")
    assert done.returncode == ExitCode.USAGE
    assert "There are: launch, attach" in done.stderr


def test_an_unknown_option_is_a_usage_error() -> None:
    done = run_cli("version", "--jsn")
    assert done.returncode == ExitCode.USAGE
    assert "--json" in done.stderr


@pytest.mark.parametrize("code", [ExitCode.GRAPH, ExitCode.ENVIRONMENT, ExitCode.SCRIPT])
def test_our_errors_are_printed_and_give_their_code(
    code: ExitCode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refused(RenaGraphError):
        exit_code = code

    replace_version(monkeypatch, Refused("no \x1b[31mred\x1b[0m here\x1b[2J"))
    assert main(["version"]) == code
    assert capsys.readouterr().err == "rena-graph: no red here\\x1b[2J\n"


def test_debug_shows_the_traceback_of_our_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RENA_GRAPH_DEBUG", "1")
    replace_version(monkeypatch, ScriptError("broken"))
    assert main(["version"]) == ExitCode.SCRIPT
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_bug_is_one_message_and_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    replace_version(monkeypatch, ZeroDivisionError("oops"))
    assert main(["version"]) == ExitCode.INTERNAL
    shown = capsys.readouterr().err
    assert "internal error: ZeroDivisionError: oops" in shown
    assert "Traceback" not in shown
    (written,) = (tmp_path / "rena_graph" / "crashes").glob("crash-*.txt")
    assert str(written) in shown
    assert "ZeroDivisionError: oops" in written.read_text()
    assert "Traceback (most recent call last)" in written.read_text()


def test_only_the_newest_crashes_are_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "rena_graph" / "crashes"
    folder.mkdir(parents=True)
    for number in range(_CRASHES_KEPT + 5):
        path = folder / f"crash-{number:03d}.txt"
        path.touch()
        os.utime(path, (number, number))
    replace_version(monkeypatch, ZeroDivisionError())
    main(["version"])
    kept = sorted(path.name for path in folder.iterdir())
    assert len(kept) == _CRASHES_KEPT
    assert "crash-005.txt" not in kept
    assert f"crash-{_CRASHES_KEPT + 4:03d}.txt" in kept
    assert capsys.readouterr().err.count("\n") == 2


def test_a_bug_is_still_a_message_where_nothing_can_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "rena_graph").mkdir()
    (tmp_path / "rena_graph" / "crashes").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    replace_version(monkeypatch, ZeroDivisionError("oops"))
    assert main(["version"]) == ExitCode.INTERNAL
    assert "RENA_GRAPH_DEBUG=1" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_outside_of_a_run_is_130(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_version(monkeypatch, error)
    assert main(["version"]) == ExitCode.KILLED
    assert capsys.readouterr().err == "interrupted\n"


def test_a_real_ctrl_c_is_130() -> None:
    # The verb waits for answers for a minute; liblsl's own search holds no Python lock.
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == ExitCode.KILLED
        assert process.stderr.read() == "interrupted\n"


WAITING = """
import sys, threading
import click
import rena_graph.cli.version as version

@click.command("version")
def command():
    print("waiting", flush=True)
    threading.Event().wait(60)

version.command = command
from rena_graph.cli import main
sys.exit(main(["version"]))
"""


@pytest.mark.parametrize(("ended", "code"), [("raise SystemExit(4)", 4), ("raise SystemExit('why')", 1), ("pass", 0)])
def test_what_a_verb_exits_with_is_kept(ended: str, code: int) -> None:
    program = WAITING.replace('    print("waiting", flush=True)\n    threading.Event().wait(60)', f"    {ended}")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == code
    assert done.stderr == ("why\n" if code == 1 else "")


def test_a_reader_that_leaves_is_no_error() -> None:
    with subprocess.Popen([*COMMAND, "version"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(LIMIT) == ExitCode.OK
        assert process.stderr.read() == ""


def test_text_that_the_terminal_cannot_say_is_escaped(tmp_path: Path) -> None:
    done = run_cli("launch", "gräph.json", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert done.returncode == ExitCode.GRAPH
    assert "gr\\xe4ph.json" in done.stderr


def test_the_group_holds_only_what_is_in_the_table() -> None:
    context = click.Context(root)
    assert root.list_commands(context) == list(VERBS)
    assert root.get_command(context, "nonsense") is None


def test_warnings_go_to_stderr_and_the_handler_goes_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_cli("doctor", "--json", env={"XDG_STATE_HOME": str(tmp_path / "file"), "TMPDIR": str(tmp_path)})
    assert done.stderr.startswith(f"rena-graph: {tmp_path}/file/rena_graph cannot be written")
    before = list(logging.getLogger("rena_graph").handlers)
    main(["version"])
    assert logging.getLogger("rena_graph").handlers == before


@pytest.mark.parametrize("verb", ["stop", "kill", "pause"])
def test_a_verb_that_needs_a_run_says_so_when_none_is_named(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb]) == ExitCode.USAGE
    assert "Missing argument 'RUN'" in capsys.readouterr().err
