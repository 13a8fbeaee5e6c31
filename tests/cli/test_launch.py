"""What ``launch`` takes and refuses, its dry run, and what it hands to the runtime."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from rena_graph.cli import launch, main
from rena_graph.cli.templates import SCRIPT, graph_template
from rena_graph.errors import ExitCode, NodeFailed, PortTaken
from rena_graph.graph.model import Graph
from rena_graph.runtime.launch import client
from rena_graph.runtime.launch.session_start import SessionAhead
from rena_graph.runtime.options import LaunchOptions
from tests.cli.running import run_cli
from tests.cli.test_attached import Script

HEAD = """{"version": 1, "name": "g", "streams": {"Signal": {"from": %s}}, "nodes": {"scale": {
  "script": "scale.py", "inputs": ["Signal"], "run_frequency": 30,
  "outputs": {"Scaled": {"channels": 8, "rate": 250, "to": %s}},
  "params": {"gain": {"type": "float", "value": 1.0, "min": 0.0, "max": 100.0}, "on": false}}}}"""


def write_graph(folder: Path, *, source: str = '{"simulate": {}}', sinks: str = "{}", declared: bool = True) -> Path:
    (folder / "scale.py").write_text(SCRIPT.replace("ClassName", "Scale"))
    text = HEAD % (source + (', "channels": 8, "rate": 250, "dtype": "float32"' if declared else ""), sinks)
    (folder / "g.json").write_text(text)
    return folder / "g.json"


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return write_graph(tmp_path, sinks='{"lsl": {}}')


def dry_run(graph: Path, *options: str) -> dict[str, Any]:
    done = run_cli("launch", graph, "--dry-run", "--json", *options)
    assert done.returncode == 0, done.stderr
    plan: dict[str, Any] = json.loads(done.stdout)
    return plan


# -- what is refused ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--for", "0"], "0.0 is not in the range x>0"),
        (["--for", "-1"], "is not in the range x>0"),
        (["--for", "nan"], "nan is not a finite number of seconds"),
        (["--for", "inf"], "inf is not a finite number of seconds"),
        (["--for", "ten"], "'ten' is not a valid float"),
        (["--transport", "pigeon"], "'auto', 'ring', 'zmq'"),
        (["--address", "nowhere"], "is neither local nor auto nor HOST:PORT"),
        (["--address", "host:0"], "is neither local nor auto nor HOST:PORT"),
        (["--address", "host:99999"], "is neither local nor auto nor HOST:PORT"),
        (["--allow-code", "missing"], "'missing' does not exist"),
        (["--debug", "scael"], "did you mean 'scale'?"),
        (["--debug", "x"], "its nodes are scale"),
        (["--debug", "scale", "--json"], "both want stdout"),
        (["--debug", "scale", "--detach"], "leave one out"),
        (["--set", "gain=2"], "node.param"),
        (["--set", "scale.gain"], "node.param=value"),
        (["--set", "scale.gian=2"], '"gain"'),
        (["--set", "scael.gain=2"], '"scale"'),
        (["--set", "scale.gain=many"], "scale.gain"),
        (["--set", "scale.gain=101"], "100"),
        (["--set", "scale.on=2"], "scale.on"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(
    options: list[str], complaint: str, graph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["launch", str(graph), "--dry-run", *options]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert complaint in err
    assert "Traceback" not in err
    assert out == ""


def test_without_a_graph_it_says_what_it_wants() -> None:
    done = run_cli("launch")
    assert done.returncode == ExitCode.USAGE
    assert "GRAPH" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--dry-run",), ("--dry-run", "--json")])
def test_an_invalid_graph_is_refused_with_all_its_problems(arguments: tuple[str, ...], tmp_path: Path) -> None:
    graph = write_graph(tmp_path)
    graph.write_text(graph.read_text().replace('["Signal"]', '["Singal"]').replace("scale.py", "missing.py"))
    done = run_cli("launch", graph, *arguments)
    assert done.returncode == ExitCode.GRAPH
    assert "G201" in done.stderr
    assert "G501" in done.stderr
    assert done.stdout == ""


def test_a_graph_that_is_not_there() -> None:
    done = run_cli("launch", "missing.json")
    assert done.returncode == ExitCode.GRAPH
    assert "missing.json" in done.stderr


def test_code_from_elsewhere_needs_leave(tmp_path: Path) -> None:
    (tmp_path / "graphs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    graph = write_graph(tmp_path / "graphs")
    (tmp_path / "graphs" / "scale.py").rename(tmp_path / "elsewhere" / "scale.py")
    graph.write_text(graph.read_text().replace("scale.py", "../elsewhere/scale.py"))
    done = run_cli("launch", graph, "--dry-run")
    assert done.returncode == ExitCode.GRAPH
    assert "G503" in done.stderr
    plan = dry_run(graph, "--allow-code", str(tmp_path / "elsewhere"))
    assert plan["nodes"][0]["script"] == str((tmp_path / "elsewhere" / "scale.py").resolve())


# -- the dry run -------------------------------------------------------------------------------------
def test_the_plan_names_everything_that_would_run(graph: Path) -> None:
    plan = dry_run(graph, "--transport", "zmq")
    assert plan["graph"] == "g"
    assert plan["transport"] == {"use": "zmq", "asked": "zmq", "no_ring": None}
    (node,) = plan["nodes"]
    assert node == {
        "name": "scale", "script": str(graph.parent.resolve() / "scale.py"), "class": "Scale", "run_frequency": 30.0,
        "trigger": "clock", "inputs": ["Signal"], "outputs": ["Scaled"], "params": {"gain": 1.0, "on": False},
        "restart": "on_failure", "pip": [], "environment": None,
    }  # fmt: skip
    signal, scaled = plan["streams"]
    assert (signal["from"], signal["to"], signal["bytes"]) == ("simulated random", ["scale"], 0)
    assert (scaled["from"], scaled["to"]) == ("node scale", ["lsl"])
    assert (signal["channels"], signal["rate"], signal["dtype"]) == (8, 250.0, "float32")
    assert plan["shared_memory"]["needed"] == 0
    assert plan["in_the_way"] == []


def test_the_plan_in_words_names_the_script_s_file_and_class(graph: Path) -> None:
    done = run_cli("launch", graph, "--dry-run", "--set", "scale.gain=2.5")
    assert done.returncode == 0
    assert "nothing was started" in done.stdout
    assert f"class Scale in {graph.parent.resolve() / 'scale.py'}" in done.stdout
    assert "gain=2.5 on=False" in done.stdout
    assert "8 × float32 at 250 Hz" in done.stdout


def test_a_dry_run_runs_no_code_and_leaves_no_run_folder(tmp_path: Path) -> None:
    graph = write_graph(tmp_path)
    script = tmp_path / "scale.py"
    script.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{script.read_text()}")
    done = run_cli("launch", graph, "--dry-run", env={"XDG_STATE_HOME": str(tmp_path / "state")})
    assert done.returncode == 0
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "state").exists()


def test_rings_take_the_memory_that_is_announced(graph: Path) -> None:
    plan = dry_run(graph, "--transport", "ring")
    assert plan["transport"]["use"] == "ring"
    sizes = [stream["bytes"] for stream in plan["streams"]]
    # Each ring holds ten seconds and the longest window of 8 float32 and a timestamp.
    assert min(sizes) >= 11 * 250 * (8 * 4 + 8)
    assert plan["shared_memory"]["needed"] == sum(sizes)


def test_ports_are_listed_and_one_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        source = '{"zmq": {"host": "127.0.0.1", "port": 5999}}'
        graph = write_graph(tmp_path, source=source, sinks=f'{{"zmq": {{"port": {port}}}}}')
        plan = dry_run(graph)
        assert plan["ports"] == [
            {"use": "connect", "host": "127.0.0.1", "port": 5999, "stream": "Signal"},
            {"use": "bind", "host": "127.0.0.1", "port": port, "stream": "Scaled"},
        ]
        assert "G602" in plan["in_the_way"][0]
        done = run_cli("launch", graph, "--dry-run")
        assert done.returncode == 0
        assert "a launch now would fail:" in done.stdout
        done = run_cli("launch", graph)
        assert done.returncode == ExitCode.ENVIRONMENT
        assert f"port {port} of 127.0.0.1 is in use" in done.stderr


def test_what_only_the_outside_knows_is_said_to_be_unknown(tmp_path: Path) -> None:
    graph = write_graph(tmp_path, source='{"lsl": {"name": "EEG"}}', declared=False)
    plan = dry_run(graph)
    assert plan["streams"][0]["from"] == "lsl name 'EEG'"
    assert plan["streams"][0]["channels"] is None
    assert plan["shared_memory"]["needed"] is None
    done = run_cli("launch", graph, "--dry-run")
    assert "channels, rate, dtype: known once it is found" in done.stdout
    assert "shared memory: known once all streams are found" in done.stdout


def test_a_recording_s_format_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "r.npz", data=np.zeros((100, 3), np.float64), rate=128.0)
    graph = write_graph(tmp_path, source='{"recording": {"path": "r.npz", "speed": 2}}', declared=False)
    plan = dry_run(graph)
    signal = plan["streams"][0]
    assert signal["from"] == "recording r.npz at 2 × speed"
    assert (signal["channels"], signal["rate"], signal["dtype"]) == (3, 128.0, "float64")
    assert plan["shared_memory"]["needed"] > 0


def test_simulate_replaces_what_comes_from_outside(tmp_path: Path) -> None:
    plan = dry_run(write_graph(tmp_path, source='{"lsl": {"name": "EEG"}}'), "--simulate")
    assert plan["streams"][0]["from"] == "simulated random"


def test_settings_are_typed_by_the_graph_and_the_last_one_wins(graph: Path) -> None:
    plan = dry_run(graph, "--set", "scale.gain=1", "--set", "scale.gain=3", "--set", "scale.on=yes")
    assert plan["nodes"][0]["params"] == {"gain": 3, "on": True}


def test_warnings_are_talk(tmp_path: Path) -> None:
    done = run_cli("launch", write_graph(tmp_path), "--dry-run", "--json")
    assert done.returncode == 0
    assert "G251" in done.stderr
    assert json.loads(done.stdout)["graph"] == "g"


def test_rings_asked_for_where_there_are_none(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ring_available", lambda: "the kernel is too old")
    result = CliRunner().invoke(launch.command, [str(graph), "--dry-run", "--transport", "ring"])
    assert result.exception is not None
    assert "the kernel is too old" in str(result.exception)


def test_the_fallback_is_said(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ring_available", lambda: "the kernel is too old")
    monkeypatch.setattr("rena_graph.cli.dry_run.ring_available", lambda: "the kernel is too old")
    result = CliRunner().invoke(launch.command, [str(graph), "--dry-run"])
    assert result.exit_code == 0
    assert "streams, over ZMQ:" in result.output
    assert "no rings here, since the kernel is too old" in result.output


# -- what the runtime gets ---------------------------------------------------------------------------
class Launched(Script):
    """A run that notes that it was closed, or let go of."""

    closed = False
    detached = False
    settings: tuple[str, ...] = ()
    id = "c0ffee12"
    session_pid = 4711

    def detach(self) -> None:
        self.detached = True

    def __enter__(self) -> Launched:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.closed = True


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Graph, LaunchOptions, Launched]]:
    """Takes the place of the runtime; keeps what it was asked for. Its runs end at once."""
    runs: list[tuple[Graph, LaunchOptions, Launched]] = []

    def stand_in(graph: Graph, options: LaunchOptions, settings: Sequence[str], _ahead: SessionAhead) -> Launched:
        run = Launched({3: lambda: setattr(run, "code", ExitCode.SCRIPT)})
        run.settings = tuple(settings)
        runs.append((graph, options, run))
        return run

    monkeypatch.setattr(client, "launch", stand_in)
    return runs


def test_options_reach_the_runtime(graph: Path, launched: list[tuple[Graph, LaunchOptions, Launched]]) -> None:
    options = ["--transport", "zmq", "--address", "10.0.0.5:6379", "--instance", "left", "--set", "scale.gain=7"]
    options += ["--reload"]
    result = CliRunner().invoke(launch.command, [str(graph), *options])
    ((loaded, asked, run),) = launched
    assert asked == LaunchOptions(transport="zmq", address="10.0.0.5:6379", instance="left", reload=True)
    assert loaded.params_of("scale")["gain"].value == 7
    assert run.settings == ("scale.gain=7",)
    assert run.closed
    assert result.exit_code == ExitCode.SCRIPT  # as the run ended


def test_options_have_their_defaults(graph: Path, launched: list[tuple[Graph, LaunchOptions, Launched]]) -> None:
    CliRunner().invoke(launch.command, [str(graph)])
    assert launched[0][1] == LaunchOptions(transport=None, address="local", instance=None, reload=False, debug=None)


def test_detach_returns_once_it_runs(
    graph: Path, launched: list[tuple[Graph, LaunchOptions, Launched]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["launch", str(graph), "--detach", "--for", "30"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "g runs as c0ffee12\n"
    assert "rena-graph attach c0ffee12" in captured.err
    assert "rena-graph stop c0ffee12" in captured.err
    assert launched[0][1] == LaunchOptions(detach=True, run_for=30.0)
    assert launched[0][2].detached
    assert main(["launch", str(graph), "--detach", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run": "c0ffee12", "graph": "g", "folder": "/runs/x", "pid": 4711}


def test_what_keeps_a_detached_run_from_starting_gives_the_code(
    graph: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing(Launched):
        def start(self, progress: object) -> None:
            self.records = [{"time": 0.0, "node": "scale", "level": "print", "text": "last words"}]
            raise NodeFailed("init failed")

    run = Failing()
    monkeypatch.setattr(client, "launch", lambda *_: run)
    assert main(["launch", str(graph), "--detach"]) == ExitCode.SCRIPT
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split(": ")[-1] for line in captured.err.splitlines()] == ["last words", "init failed"]
    assert run.closed
    assert not run.detached


@pytest.mark.usefixtures("launched")
def test_json_on_stdout(graph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", str(graph), "--json"]) == ExitCode.SCRIPT
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events == ["status", "end"]


def test_a_port_in_use_starts_nothing(tmp_path: Path, launched: list[tuple[Graph, LaunchOptions, Launched]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        graph = write_graph(tmp_path, sinks=f'{{"zmq": {{"port": {holder.getsockname()[1]}}}}}')
        result = CliRunner().invoke(launch.command, [str(graph)])
    assert isinstance(result.exception, PortTaken)
    assert launched == []


def test_the_template_has_a_plan(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(SCRIPT.replace("ClassName", "S"))
    (tmp_path / "t.json").write_text(graph_template("t", "s.py"))
    assert dry_run(tmp_path / "t.json")["nodes"][0]["trigger"] == "data"
