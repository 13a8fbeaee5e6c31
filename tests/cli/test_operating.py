"""The verbs for running graphs, against a run that the test plays."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete

from rena_graph.cli import main
from rena_graph.cli.group import COMPLETE_VARIABLE, PROGRAM, root
from rena_graph.cli.logs import in_order, since_when
from rena_graph.cli.runs import node_argument
from rena_graph.errors import ExitCode, ParamRefused
from rena_graph.runtime.messages import MessageLog
from tests.cli.fake_runs import FakeRun, fake_run
from tests.cli.running import run_cli
from tests.cli.statuses import node

CHANGES = [
    (["rate", "@", "r_peaks", "120"], {"op": "rate", "node": "r_peaks", "hz": 120.0}),
    (["pause", "@", "r_peaks"], {"op": "pause", "node": "r_peaks"}),
    (["resume", "c0f", "r_peaks"], {"op": "resume", "node": "r_peaks"}),
    (["step", "heart-rate", "r_peaks"], {"op": "step", "node": "r_peaks", "count": 1}),
    (["step", "heart-rate", "r_peaks", "5"], {"op": "step", "node": "r_peaks", "count": 5}),
    (["restart", "c0ffee12", "r_peaks"], {"op": "restart", "node": "r_peaks"}),
    (["stop", "@", "--no-wait"], {"op": "stop", "why": "rena-graph stop"}),
]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which no other test has run anything; short paths, since sockets' are."""
    folder = Path(tempfile.mkdtemp(prefix="rgt-"))
    for name, variable in (("state", "XDG_STATE_HOME"), ("run", "XDG_RUNTIME_DIR")):
        (folder / name).mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(folder / name))
    yield
    shutil.rmtree(folder)


@pytest.fixture
def run(machine: None) -> Iterator[FakeRun]:
    with fake_run() as run:
        run.answers |= {op: {} for op in ("pause", "resume", "restart", "stop", "kill")}
        run.answers |= {"step": {"made": 1, "left": 4}, "rate": {"applied": True}}
        run.answers["params"] = {
            "applied": True,
            "params": {"threshold": 0.5, "mode": "fast"},
            "definitions": {
                "threshold": {"type": "float", "value": 1.0, "min": 0, "max": 5},
                "mode": {"type": "str", "value": "slow"},
            },
        }
        yield run


def out(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("words", "request_"), CHANGES)
def test_a_verb_asks_for_one_thing(words: list[str], request_: dict[str, Any], run: FakeRun) -> None:
    assert main(words) == 0
    assert run.asked == [request_]


def test_what_is_not_taken_up_yet_is_said(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run.answers["rate"] = {"applied": False}
    run.answers["params"]["applied"] = False
    for words in (["rate", "@", "a", "5"], ["step", "@", "a", "5"], ["params", "set", "@", "a.mode=x"]):
        assert main(words) == 0
    lines = out(capsys)
    assert lines[0] == "a: at most 5 Hz, once it takes it up: it is in a long loop, hangs, or still loads"
    assert lines[1] == "a: 1 loop made, 4 are still being made"
    assert lines[2] == 'a.mode = "fast", once it takes it up: it is in a long loop, hangs, or still loads'


def test_several_nodes_are_paused_one_after_the_other(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pause", "@", "r_peaks", "heart_rate"]) == 0
    assert [request["node"] for request in run.asked] == ["r_peaks", "heart_rate"]
    assert out(capsys) == ["r_peaks: paused", "heart_rate: paused"]


def test_what_is_refused_is_said_in_the_run_s_words(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run.answers["params"] = ParamRefused("9 is greater than its maximum, 5")
    assert main(["params", "set", "@", "r_peaks.threshold=9"]) == ExitCode.USAGE
    assert capsys.readouterr().err == "rena-graph: 9 is greater than its maximum, 5\n"


def test_parameters_of_one_node_are_set_together_and_by_their_text(run: FakeRun) -> None:
    assert main(["params", "set", "@", "r_peaks.threshold=2", "r_peaks.mode=a=b"]) == 0
    assert run.asked == [{"op": "params", "node": "r_peaks", "set_text": {"threshold": "2", "mode": "a=b"}}]


def test_parameters_are_listed_and_got(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["params", "list", "@", "r_peaks"]) == 0
    rows = [" ".join(line.split()) for line in out(capsys)]
    assert rows == ["parameter value type allowed", "r_peaks.threshold 0.5 float 0 to 5", 'r_peaks.mode "fast" str']
    assert main(["params", "list", "@", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["heart_rate"]["threshold"] == {"type": "float", "value": 0.5, "min": 0, "max": 5}
    assert main(["params", "get", "@", "r_peaks.mode"]) == 0
    assert out(capsys) == ['"fast"']
    assert main(["params", "get", "@", "r_peaks.mod"]) == ExitCode.USAGE
    assert main(["params", "get", "@", "r_peaks"]) == ExitCode.USAGE
    assert main(["params", "set", "@", "r_peaks.mode"]) == ExitCode.USAGE


def test_stop_waits_for_the_end(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(_: dict[str, Any]) -> dict[str, Any]:
        threading.Timer(0.1, run.end, [4]).start()
        return {"within": 30.0}

    run.answers["stop"] = stop
    assert main(["stop", "@"]) == 0
    assert out(capsys) == [f"c0ffee12 failed: a script ended it; logs and statistics: {run.folder}"]


def test_stop_says_what_it_waits_for_in_vain(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run.answers["status"]["status"]["nodes"] = {"a": node(state="stopping"), "b": node(state="stopped")}
    assert main(["stop", "@", "--timeout", "0.1"]) == ExitCode.ENVIRONMENT
    said = capsys.readouterr().err
    assert "has not ended within 0.1 s" in said
    assert "it waits for a (stopping); `rena-graph kill c0ffee12` ends it at once" in said


def test_kill_waits_until_all_is_gone(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    def kill(_: dict[str, Any]) -> dict[str, Any]:
        run.end(130)
        return {}

    run.answers["kill"] = kill
    assert main(["kill", "c0"]) == 0
    assert out(capsys) == [f"c0ffee12 was killed; logs: {run.folder}"]


# -- looking -----------------------------------------------------------------------------------------
def test_list_shows_what_runs_and_all_what_ran(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_run("beef0001", "eeg") as other:
        assert main(["list", "--json"]) == 0
        found = {r["run"]: r for r in json.loads(capsys.readouterr().out)}
        assert {id: r["graph"] for id, r in found.items()} == {"c0ffee12": "heart-rate", "beef0001": "eeg"}
        assert found["c0ffee12"]["nodes"] == [2, 2]
        other.end(4, "node 'a' failed")
        assert main(["list"]) == 0
        assert [line.split()[:2] for line in out(capsys)] == [["run", "graph"], ["c0ffee12", "heart-rate"]]
        assert main(["list", "--all"]) == 0
        shown = {line.split()[0]: line.split()[2:4] for line in out(capsys)[1:]}
        assert shown == {"c0ffee12": ["running", "0:20"], "beef0001": ["failed", "(4)"]}


def test_list_says_where_nobody_answers(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run.answers["status"] = ParamRefused("it is broken")
    assert main(["list"]) == 0
    assert " no answer " in out(capsys)[1]


def test_two_runs_of_one_name_are_ambiguous_and_their_ids_are_not(
    run: FakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_run("c0dd0002", created=time.time() + 1) as other:
        for word in ("heart-rate", "@", "c0"):
            assert main(["pause", word, "r_peaks"]) == ExitCode.USAGE
            listed = capsys.readouterr().err.splitlines()[1:]
            assert [line.split()[0] for line in listed] == ["c0ffee12", "c0dd0002"]
        assert main(["status", "c0d", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["run"] == "c0dd0002"
        assert run.asked == []
        assert [request["op"] for request in other.asked] == ["status"]


def test_status_shows_a_running_graph(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    status = run.answers["status"]["status"]
    status["nodes"]["r_peaks"] = node(stale=True, error="Traceback\nValueError: x", dropped=3)
    assert main(["status"]) == 0
    text = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "heart-rate is running, for 0:20; run c0ffee12, ring"
    assert "r_peaks stale 60.0 60.0 400 µs 900 µs 0 0 0 3 6.2 ms 0" in lines
    assert "ECG connected 360.1 7,200 – 0 0 0" in lines
    assert "r_peaks: ValueError: x" in lines
    assert lines[-1] == f"logs: {run.folder}"


def test_status_shows_how_a_run_ended(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run.end(4, "node 'r_peaks' failed")
    assert main(["status", "heart-rate"]) == 0
    lines = out(capsys)
    assert lines[0] == "node 'r_peaks' failed"
    assert lines[1].startswith("heart-rate failed: a script ended it after 20.4 s (exit code 4)")
    assert main(["status", "@", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["exit_code"], found["failure"], found["folder"]) == (4, "node 'r_peaks' failed", str(run.folder))


def test_logs_come_in_order_and_can_be_chosen(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    now = time.time()
    log = MessageLog(run.folder, lambda: now)
    records = [(3, "r_peaks", "print", "third"), (1, "heart_rate", "warning", "first"), (2, None, "info", "second")]
    log.extend([{"time": now - 100 + t, "node": n, "level": level, "text": x} for t, n, level, x in records])
    log.say("error", "last", "r_peaks")
    log.close()

    def texts(*options: str) -> list[str]:
        assert main(["logs", "@", "--json", *options]) == 0
        return [json.loads(line)["text"] for line in out(capsys)]

    assert texts() == ["first", "second", "third", "last"]
    assert texts("--node", "r_peaks") == ["third", "last"]
    assert texts("--node", "run", "--node", "heart_rate") == ["first", "second"]
    assert texts("--level", "warning") == ["first", "last"]
    assert texts("--since", "10s") == ["last"]
    run.end()
    assert texts("--follow") == ["first", "second", "third", "last"]
    assert main(["logs", "--node", "r_peak"]) == ExitCode.USAGE
    assert "did you mean 'r_peaks'?" in capsys.readouterr().err
    assert main(["logs", "--since", "yesterday"]) == ExitCode.USAGE
    assert main(["logs", "--level", "error"]) == 0
    assert out(capsys)[0].endswith(" r_peaks: ERROR last")


def test_logs_follow_until_the_run_has_ended(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    log = MessageLog(run.folder, lambda: 1.0)
    log.say("print", "before")
    steps = [lambda: log.say("print", "after"), run.end]
    for number, step in enumerate(steps, 1):
        threading.Timer(0.15 * number, step).start()
    assert main(["logs", "-f", "--json"]) == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["text"] for line in captured.out.splitlines()] == ["before", "after"]
    assert captured.err.startswith("run c0ffee12 is over")
    log.close()


def test_when() -> None:
    now = 1_700_000_000.0
    assert since_when("10m", now) == now - 600
    assert since_when("1.5h", now) == now - 5400
    assert now - 86400 < since_when("14:03", now) <= now
    assert since_when("2023-11-14 12:00", now) == since_when("2023-11-14T12:00:00", now)
    for wrong in ("", "soon", "m", "25:00", "10 minutes"):
        with pytest.raises(ValueError):
            since_when(wrong, now)


def test_late_records_are_put_in_their_place() -> None:
    times = [5.0, 4.5, 6.0, 5.5, 9.0, 7.5]
    assert [r["time"] for r in in_order([{"time": t} for t in times])] == sorted(times)


# -- completion --------------------------------------------------------------------------------------
def completed(*words: str) -> list[str]:
    completer = ShellComplete(root, {}, PROGRAM, COMPLETE_VARIABLE)
    return [item.value for item in completer.get_completions(list(words[:-1]), words[-1])]


def test_runs_nodes_and_parameters_complete(run: FakeRun) -> None:
    run.answers["status"]["status"]["nodes"]["r_peaks"]["params"] = {"threshold": 0.5}
    assert completed("pause", "") == ["heart-rate", "c0ffee12"]
    assert completed("pause", "c") == ["c0ffee12"]
    assert completed("pause", "@", "r") == ["r_peaks"]
    assert completed("rate", "heart-rate", "") == ["r_peaks", "heart_rate"]
    assert completed("params", "get", "@", "r") == ["r_peaks.threshold"]
    assert completed("params", "set", "@", "") == ["r_peaks.threshold="]
    run.end()
    assert completed("pause", "") == []
    assert completed("status", "") == ["heart-rate", "c0ffee12"]


def test_completion_never_raises(run: FakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed("pause", "nobody", "") == []
    run.answers["status"] = ParamRefused("it is broken")
    assert completed("pause", "@", "") == []
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/proc/nowhere")
    assert isinstance(completed("status", ""), list)


def test_a_node_argument_is_completed_by_the_run_before_it() -> None:
    @click.command()
    @node_argument()
    def command(node: str) -> None: ...

    assert ShellComplete(command, {}, "x", "X").get_completions([], "a") == []


def test_a_verb_is_quick_to_start() -> None:
    """Neither Ray nor what takes long to import: the verbs ask a socket."""
    code = "import sys; from rena_graph.cli import main; main(['list']); main(['pause', '@', 'x']); main(['logs'])"
    heavy = "('ray', 'zmq', 'pylsl', 'numpy', 'pydantic', 'rich', 'networkx')"
    program = f"{code}; print([m for m in {heavy} if m in sys.modules])"
    done = run_python(program)
    assert done.splitlines()[-1] == "[]"


def run_python(program: str) -> str:
    import subprocess
    import sys

    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_from_another_process(run: FakeRun) -> None:
    done = run_cli("pause", "c0ffee12", "r_peaks")
    assert (done.returncode, done.stdout, done.stderr) == (0, "r_peaks: paused\n", "")


# -- live views --------------------------------------------------------------------------------------
def test_top_once_shows_all_runs_or_one(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_run("beef0001", "eeg"):
        assert main(["top", "--once"]) == 0
        lines = out(capsys)
        assert {line.split()[0] for line in lines[-2:]} == {"c0ffee12", "beef0001"}
    log = MessageLog(run.folder, time.time)
    log.say("error", "ValueError: x", "r_peaks")
    log.close()
    assert main(["top", "heart-rate", "--once"]) == 0
    text = capsys.readouterr().out
    assert "heart-rate  running  0:20  ring  run c0ffee12" in text
    assert "r_peaks: ValueError: x" in text
    assert "last errors" in text


def test_attach_shows_a_run_until_it_ends_and_gives_its_code(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    log = MessageLog(run.folder, time.time)
    log.say("print", "before", "r_peaks")
    threading.Timer(0.3, lambda: log.say("print", "meanwhile", "r_peaks")).start()
    threading.Timer(0.6, run.end, [4, "it failed"]).start()
    assert main(["attach"]) == 4
    captured = capsys.readouterr()
    log.close()
    assert captured.err.splitlines() == ["run c0ffee12: Ctrl-C lets go, the run goes on", "it failed"]
    lines = captured.out.splitlines()
    assert lines[0].endswith(" r_peaks: meanwhile")
    assert lines[1].startswith("heart-rate failed: a script ended it")


def test_an_interrupt_only_lets_go_of_an_attached_run(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()
    assert main(["attach", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[0])["event"] == "status"
    assert captured.err.splitlines()[-1] == "run c0ffee12 goes on; `rena-graph stop c0ffee12` stops it"
    assert {request["op"] for request in run.asked} == {"status"}


# -- why ---------------------------------------------------------------------------------------------
def test_why_looks_twice_and_answers(
    run: FakeRun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rena_graph.cli.why._APART", 0.01)
    status = run.answers["status"]["status"]
    status["nodes"]["r_peaks"] = node(state="paused")
    status["streams"]["R-peaks"] |= {"age": 14.2, "nominal_rate": 0.0}
    assert main(["why", "@", "heart_rate"]) == 0
    lines = out(capsys)
    assert lines[:2] == [
        "nothing flows at heart_rate, since r_peaks: is paused, after 1,200 loops",
        "  → rena-graph resume c0ffee12 r_peaks, or rena-graph step c0ffee12 r_peaks",
    ]
    assert [request["op"] for request in run.asked] == ["status", "status"]
    assert main(["why", "@", "heart_rate.R-peaks", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["flows"] is False
    assert answer["findings"][-1]["place"] == "r_peaks"
    assert main(["why", "@", "heart_rat"]) == ExitCode.USAGE
    assert "did you mean 'heart_rate'?" in capsys.readouterr().err
    assert completed("why", "@", "h") == ["heart_rate", "heart_rate.R-peaks"]


# -- tidying up --------------------------------------------------------------------------------------
def test_prune_removes_what_has_ended_and_only_when_told_to(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", "--yes"]) == 0
    assert run.folder.is_dir()
    capsys.readouterr()
    now = time.time()
    with fake_run("beef0001", "eeg", now - 3 * 86400) as old, fake_run("beef0002", "eeg", now - 86400) as newer:
        old.end()
        newer.end(4)
        assert main(["prune"]) == 0
        captured = capsys.readouterr()
        assert [line.split()[:3] for line in captured.out.splitlines()] == [
            ["beef0001", "eeg", "ended"], ["beef0002", "eeg", "failed"],
        ]  # fmt: skip
        assert captured.err.splitlines()[-1].endswith("--yes removes them")
        assert main(["prune", "--older-than", "2", "--yes"]) == 0
        assert (old.folder.exists(), newer.folder.exists()) == (False, True)
        assert main(["prune", "--keep", "1", "--yes"]) == 0
        assert newer.folder.exists()
        assert main(["prune", "--yes"]) == 0
        assert not newer.folder.exists()
        assert run.folder.is_dir()
