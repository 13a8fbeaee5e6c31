"""The runtime's smaller parts, each alone."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rena_graph.errors import EnvironmentRefused, ExitCode, RunLost, UsageError, WireError
from rena_graph.graph.document import PlacementDef
from rena_graph.graph.load import graph_from_dict
from rena_graph.graph.model import Graph
from rena_graph.runtime.alive import hold_alive, hold_session, process_start
from rena_graph.runtime.coordinator.control import ControlServer
from rena_graph.runtime.coordinator.operations import Operations
from rena_graph.runtime.coordinator.orders import Orders
from rena_graph.runtime.coordinator.placement import layout_of, node_options
from rena_graph.runtime.events import AgentLine, NodeLine, pack, unpack
from rena_graph.runtime.launch.control_link import ControlLink
from rena_graph.runtime.lifecycle import NodeState, Phase
from rena_graph.runtime.messages import MessageLog, MessageTail
from rena_graph.runtime.node.console import MAX_BYTES_PER_SECOND, Console, ConsoleTail
from rena_graph.runtime.plan import RETENTION_BYTES, HostPaths, make_plan
from rena_graph.runtime.run_setup import Outcome
from rena_graph.runtime.session import reaper
from rena_graph.streams.spec import StreamSpec
from rena_graph.testing import FakeClock
from tests.limits import LIMIT
from tests.runtime.live import SCRIPTS, collect, counter, document, relay, wait_until


def machine(address: str, zone: str, **resources: float) -> dict[str, Any]:
    """A host as Ray tells of it."""
    return {
        "Alive": True,
        "NodeID": address,
        "NodeManagerAddress": address,
        "NodeManagerHostname": f"pc-{address[-1]}",
        "Labels": {"zone": zone},
        "Resources": resources,
    }


def asking(**placement: Any) -> Graph:
    return graph_from_dict(document({}, {"ml": {"script": "relay.py", "placement": placement}}), SCRIPTS)


# -- placement -----------------------------------------------------------------------------------------
HERE = machine("10.0.0.1", "a", CPU=4.0, memory=1e9)


def test_what_no_host_has_is_refused_with_what_they_have() -> None:
    with pytest.raises(EnvironmentRefused, match=r"'ml' asks for 1 GPU(.|\n)*10\.0\.0\.1\): 4 CPU, 0 GPU"):
        layout_of(asking(num_gpus=1), [HERE], "10.0.0.1")
    for right in ({"num_cpus": 4, "labels": {"zone": "a"}}, {"host": "10.0.0.1"}, {"host": "pc-1"}):
        layout_of(asking(**right), [HERE], "10.0.0.1")
    for wrong in ({"host": "10.0.0.9"}, {"labels": {"zone": "b"}}, {"memory": 10**10}, {"num_cpus": 5}):
        with pytest.raises(EnvironmentRefused):
            layout_of(asking(**wrong), [HERE], "10.0.0.1")


def test_needs_must_be_met_by_one_host_and_a_dead_one_does_not_count() -> None:
    gpu = machine("10.0.0.2", "b", CPU=8.0, GPU=1.0)
    with pytest.raises(EnvironmentRefused, match="which no host has"):
        layout_of(asking(num_cpus=16, num_gpus=1), [HERE, gpu], "10.0.0.1")
    with pytest.raises(EnvironmentRefused, match="which no host has"):
        layout_of(asking(num_gpus=1), [HERE, {**gpu, "Alive": False}], "10.0.0.1")


def test_what_belongs_on_another_host_is_laid_out_there() -> None:
    gpu = machine("10.0.0.2", "b", CPU=8.0, GPU=1.0)
    away = layout_of(asking(num_gpus=1), [HERE, gpu], "10.0.0.1")
    assert (away.here, away.nodes, away.several) == ("pc-1", {"ml": "pc-2"}, True)
    assert away.addresses == {"pc-1": "10.0.0.1", "pc-2": "10.0.0.2"}
    home = layout_of(asking(num_gpus=1), [HERE, gpu], "10.0.0.2")
    assert (home.here, home.several) == ("pc-2", False)
    elsewhere = document({"C": {**counter(10), "host": "pc-2"}}, {"last": collect(Path("x"), "C")})
    graph = graph_from_dict(elsewhere, SCRIPTS, allow_code=[Path("/")])
    assert layout_of(graph, [HERE, gpu], "10.0.0.1").streams == {"C": "pc-2"}


def test_what_the_launching_host_must_run_is_bound_to_it() -> None:
    gpu = machine("10.0.0.2", "b", CPU=8.0, GPU=1.0)
    graph = asking(labels={"zone": "b"})
    with pytest.raises(EnvironmentRefused, match="ml"):
        layout_of(graph, [HERE, gpu], "10.0.0.1", debugged="ml")
    assert layout_of(asking(), [HERE, gpu], "10.0.0.1", debugged="ml").nodes == {"ml": "pc-1"}


def test_options_for_ray() -> None:
    asked = {"num_gpus": 0.5, "labels": {"a": "b"}, "memory": 7}
    options = node_options(PlacementDef.model_validate(asked), "10.0.0.1")
    assert options["num_gpus"] == 0.5
    assert options["memory"] == 7
    assert options["label_selector"] == {"a": "b"}
    assert list(options["resources"]) == ["node:10.0.0.1"]


# -- plan ----------------------------------------------------------------------------------------------
def test_a_plan_gives_every_stream_node_and_edge_its_place(tmp_path: Path) -> None:
    nodes = {
        "a": relay("C", "X", 1000, buffer_duration=1.0),
        "last": collect(tmp_path / "x", "X", "C", buffer_duration=3.0),
    }
    nodes["a"]["outputs"]["X"]["to"] = {"lsl": {}, "zmq": {"port": 5599}}
    graph = graph_from_dict(document({"C": counter(1000)}, nodes), SCRIPTS)
    spec = StreamSpec("C", 2, "float64", 1000.0)
    plan = make_plan(graph, {"C": spec}, "ring", HostPaths.of("r1", tmp_path))
    assert [port.index for port in plan.ports.values()] == [0, 1]
    assert plan.edge_count == 5
    assert sorted(row for port in plan.ports.values() for row in port.edges) == list(range(5))
    assert list(plan.consumers().values())[3:] == [("X", "lsl:X"), ("X", "zmq:5599")]
    # The longest window of its readers, and what restarts need.
    assert plan.ports["C"].capacity == 3000 + 10_000
    setup = plan.setup("a", 2, graph.params_of("a"), 77.0)
    assert (setup.epoch, setup.definition.frequency) == (2, 77.0)
    assert setup.inputs[0].spec.name == "in"
    assert plan.setup("a", 0, {}).definition.frequency == 1000


def test_retention_of_wide_streams_is_capped_in_bytes(tmp_path: Path) -> None:
    width = 1920 * 1080 * 3
    nodes = {"n": {"script": "frames.py", "inputs": ["Video"], "buffer_duration": 0.5}}
    stream = {"from": {"simulate": {}}, "channels": width, "rate": 30, "dtype": "uint8"}
    graph = graph_from_dict(document({"Video": stream}, nodes), SCRIPTS)
    spec = StreamSpec("Video", width, "uint8", 30.0)
    port = make_plan(graph, {"Video": spec}, "ring", HostPaths.of("r", tmp_path)).ports["Video"]
    assert (port.capacity - 15) * width <= RETENTION_BYTES


# -- console and messages ------------------------------------------------------------------------------
def test_everything_on_the_console_is_read_once_and_in_order(tmp_path: Path) -> None:
    prefix = str(tmp_path / "c")
    tail = ConsoleTail(prefix, "n", lambda: 5.0)
    assert tail.read() == []
    console = Console(prefix, "n", lambda: 1.0)
    for i in range(3):
        console.write("print", f"line {i}\nwith two")
    assert [r["text"] for r in tail.read()] == [f"line {i}\nwith two" for i in range(3)]
    assert tail.read() == []
    (tmp_path / "c.native").write_text("Fatal error\nhalf a li")
    assert [(r["level"], r["text"]) for r in tail.read()] == [("native", "Fatal error")]


def test_a_flood_is_counted_not_kept_and_errors_still_come_through(tmp_path: Path) -> None:
    console = Console(str(tmp_path / "c"), "n", lambda: 1.0)
    for _ in range(200):
        console.write("print", "x" * 10_000)
    console.write("error", "this matters")
    records = ConsoleTail(str(tmp_path / "c"), "n", lambda: 0.0).read(10_000_000)
    assert console.dropped == 201 - len(records)
    assert console.dropped > 0
    assert sum(len(r["text"]) for r in records) <= MAX_BYTES_PER_SECOND + 20_000
    assert records[-1]["text"] == "this matters"


def test_messages_are_read_whole(tmp_path: Path) -> None:
    messages, tail = MessageLog(tmp_path, lambda: 2.0), MessageTail(tmp_path)
    messages.say("info", "one", "n")
    assert tail.read() == [{"time": 2.0, "node": "n", "level": "info", "text": "one"}]
    with (tmp_path / "console.jsonl").open("a") as file:
        file.write('{"half":')
    assert tail.read() == []
    messages.close()
    messages.say("info", "after the end")  # a late beat must not fail the shutdown


# -- lines between node and agent ----------------------------------------------------------------------
def test_commands_wait_for_a_node_that_calls_in_late(tmp_path: Path) -> None:
    heard: list[Any] = []
    events: list[Any] = []
    agent = AgentLine(f"ipc://{tmp_path}/c", f"ipc://{tmp_path}/e", events.append)
    agent.send("n:0", {"do": "first"})
    agent.send("n:0", {"do": "second"})
    line = NodeLine(f"ipc://{tmp_path}/c", f"ipc://{tmp_path}/e", "n:0", heard.append)
    wait_until(lambda: len(heard) == 2)
    line.send({"event": "state"})
    wait_until(lambda: events)
    line.close()
    agent.close()
    assert [m["do"] for m in heard] == ["first", "second"]


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"\x93\x01", pack({"a": 1})[:-1], b"\x01"])
def test_what_is_no_message_is_a_wire_error(raw: bytes) -> None:
    with pytest.raises(WireError):
        unpack(raw)


# -- control socket ------------------------------------------------------------------------------------
def ask(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(path))
        file = link.makefile("rwb")
        answers = []
        for line in lines:
            file.write(line + b"\n")
            file.flush()
            answers.append(json.loads(file.readline()))
        file.close()
        return answers


def test_the_control_socket_answers_and_survives_nonsense(tmp_path: Path) -> None:
    path = tmp_path / "s"
    peers: list[dict[str, Any]] = []

    async def handler(request: dict[str, Any]) -> dict[str, Any]:
        if request.get("op") == "bad":
            raise UsageError("no")
        peers.append(request.pop("peer"))
        return {"echo": request}

    async def scenario() -> None:
        server = ControlServer(path, handler)
        await server.start()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        answers = await asyncio.to_thread(ask, path, b'{"op": "x"}', b"nonsense", b"[1]", b'{"op": "bad"}', b"{}")
        assert [a["ok"] for a in answers] == [True, False, False, False, True]
        assert answers[3] == {"ok": False, "error": "no", "exit_code": int(ExitCode.USAGE)}

        def linked() -> dict[str, Any]:
            link = ControlLink(path, "r")
            try:
                with pytest.raises(UsageError, match="no"):
                    link.ask({"op": "bad"})
                return link.ask({"op": "y"})
            finally:
                link.close()

        assert (await asyncio.to_thread(linked))["echo"] == {"op": "y"}
        link = await asyncio.to_thread(ControlLink, path, "r")
        await asyncio.to_thread(link.ask, {"op": "y"})
        await server.close()
        with pytest.raises(RunLost):
            await asyncio.to_thread(link.ask, {"op": "y"})
        link.close()
        assert not path.exists()

    asyncio.run(scenario())
    assert {(peer["pid"], peer["uid"]) for peer in peers} == {(os.getpid(), os.getuid())}
    assert "python" in peers[0]["command"]


def test_operations_refuse_what_they_do_not_know_and_change_nothing(tmp_path: Path) -> None:
    nodes = {"last": collect(tmp_path / "a", trigger="clock")}
    graph = graph_from_dict(document({}, nodes), SCRIPTS)
    sent: list[Any] = []
    events: list[Any] = []

    async def command(node: str, message: dict[str, Any]) -> None:
        sent.append((node, message["do"]))

    async def progress(node: str) -> dict[str, int] | None:
        return None  # no process runs it yet

    async def status() -> dict[str, Any]:
        return {"state": "running"}

    async def debug_ended() -> None:
        sent.append("debug ended")

    orders = Orders(command, progress, FakeClock(0.0))
    operations = Operations(
        graph, orders, lambda _: NodeState.RUNNING, status, events.append, debug_ended, lambda: Phase.RUNNING
    )

    def do(**request: Any) -> dict[str, Any]:
        return asyncio.run(operations.answer(request))

    assert do(op="status")["status"] == {"state": "running"}
    for wrong in (
        {"op": "dance"},
        {},
        {"op": "rate", "node": "last", "hz": "fast"},
        {"op": "pause", "node": "lst"},
        {"op": "step", "node": "last"},
        {"op": "step", "node": "last", "count": 0},
    ):
        with pytest.raises(UsageError):
            do(**wrong)
    assert (sent, events) == ([], [])
    assert do(op="params", node="last")["params"] == {"path": str(tmp_path / "a")}
    assert sent == [], "looking is not changing"
    do(op="params", node="last", set={"path": "b"})
    do(op="rate", node="last", hz=5)
    do(op="pause", node="last")
    do(op="stop")
    do(op="kill")
    assert sent == [("last", "params"), ("last", "rate"), ("last", "pause")]
    assert len(events) == 2
    do(op="debug_ended")
    assert sent[-1] == "debug ended"
    assert operations.definitions("last")["path"].value == "b"
    assert operations.frequencies == {"last": 5.0}


# -- who is alive --------------------------------------------------------------------------------------
def test_the_kernel_lets_go_of_the_locks_of_the_dead(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rena_graph.runtime.alive import hold_alive; "
        "hold_alive(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert not reaper.everybody_gone(str(tmp_path))
        assert other.pid in reaper.run_processes(str(tmp_path), -1)
        other.kill()
    assert reaper.everybody_gone(str(tmp_path))
    assert other.pid not in reaper.run_processes(str(tmp_path), -1)
    assert process_start(other.pid) is None


def test_a_later_process_of_the_same_id_is_not_mistaken(tmp_path: Path) -> None:
    fd = hold_alive(tmp_path)
    pids = tmp_path / "pids"
    assert pids.read_text() == f"{os.getpid()} {process_start(os.getpid())}\n"
    parent = os.getppid()
    pids.write_text(f"{parent} {process_start(parent)}\n")
    assert parent in reaper.run_processes(str(tmp_path), -1)
    pids.write_text(f"{parent} 1\n")
    assert parent not in reaper.run_processes(str(tmp_path), -1)
    os.close(fd)


def test_the_reaper_removes_what_is_left_once_the_session_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    prefix = f"rg-test-{os.getpid()}-"
    segment = Path("/dev/shm") / f"{prefix}0"
    segment.write_bytes(b"x")
    session = hold_session(folder)
    with subprocess.Popen([sys.executable, "-I", "-S", reaper.__file__, str(folder), prefix, "-1"]) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        os.close(session)
        assert process.wait(LIMIT) == 0
    assert not segment.exists()
    assert not folder.exists()


def test_an_outcome_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert Outcome.read(tmp_path) is None
    outcome = Outcome(ExitCode.SCRIPT, "because", {"nodes": {}}, True)
    outcome.write(tmp_path)
    assert Outcome.read(tmp_path) == outcome


@pytest.mark.parametrize(("soft", "hard", "said"), [(64, 64, "open 64 files"), (64, 300, "300"), (1024, 2048, "2048")])
def test_the_limit_of_open_files_is_raised_or_named(soft: int, hard: int, said: str) -> None:
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "from rena_graph.errors import EnvironmentRefused\n"
        "from rena_graph.runtime.session.limits import allow_open_files\n"
        "try: print(allow_open_files())\n"
        "except EnvironmentRefused as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said in done.stdout
