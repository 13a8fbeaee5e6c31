"""The parts of coordinator and host agent that outlive each other, each by itself."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rena_graph.errors import RenaGraphError
from rena_graph.runtime.coordinator.memory import Memory
from rena_graph.runtime.coordinator.restarts import spend
from rena_graph.runtime.events import AgentLine, NodeLine
from rena_graph.runtime.host.lease import LEASE_SECONDS, Lease
from rena_graph.runtime.host.outbox import MAX_LINES, Outbox
from rena_graph.runtime.host.pids import PidWatch
from rena_graph.runtime.host.tails import Tails
from rena_graph.runtime.host.words import LastWords, state_on_board
from rena_graph.runtime.lifecycle import FAILURE_KINDS, NodeState
from rena_graph.transport.board import Board, NodeColumn
from tests.limits import LIMIT
from tests.runtime.live import wait_until

# -- ends of processes -------------------------------------------------------------------------------
Ends = list[tuple[str, int, str]]


@pytest.fixture(params=["descriptors", "polling"])
def watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[PidWatch, Ends]]:
    if request.param == "polling":
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    ends: Ends = []
    watch = PidWatch(lambda *end: ends.append(end))
    yield watch, ends
    watch.close()


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])


def test_each_end_is_told_once(watch: tuple[PidWatch, Ends]) -> None:
    watching, ends = watch
    with sleeper() as first, sleeper() as second:
        for _ in range(2):
            watching.add("a", 0, first.pid)
        watching.add("b", 3, second.pid)
        first.kill()
        first.wait()
        wait_until(lambda: ends)
        assert not watching.wait(0.0), "the other one lives"
        second.kill()
        second.wait()
        wait_until(lambda: len(ends) == 2)
        assert watching.wait(LIMIT)
    assert [end[:2] for end in ends] == [("a", 0), ("b", 3)]
    assert all("its process" in how for *_, how in ends)


def test_a_stopped_process_has_not_ended(watch: tuple[PidWatch, Ends]) -> None:
    watching, ends = watch
    with sleeper() as process:
        watching.add("a", 0, process.pid)
        process.send_signal(signal.SIGSTOP)
        assert not watching.wait(0.3)
        assert ends == []
        process.kill()
        process.wait()
        wait_until(lambda: ends)


def test_one_that_is_gone_already_is_told_of(watch: tuple[PidWatch, Ends]) -> None:
    watching, ends = watch
    with sleeper() as process:
        process.kill()
    watching.add("a", 0, process.pid)
    wait_until(lambda: ends)


# -- what the coordinator is told --------------------------------------------------------------------
class Coordinator:
    """Takes what it is told, or not."""

    def __init__(self) -> None:
        self.there = True
        self.batches: list[dict[str, Any]] = []

    def deliver(self, batch: dict[str, Any]) -> bool:
        if self.there:
            self.batches.append(batch)
        return self.there

    def all_of(self, key: str) -> list[Any]:
        return [thing for batch in self.batches for thing in batch[key]]


def test_what_nobody_takes_is_kept_in_order_and_counted() -> None:
    coordinator = Coordinator()
    coordinator.there = False
    outbox = Outbox(coordinator.deliver, lambda: 5.0)
    lines = [{"text": str(number)} for number in range(MAX_LINES + 10)]
    for number in range(20):
        outbox.put({"event": "state", "number": number})
    outbox.beat({"stale": []}, lines[:MAX_LINES], {})
    outbox.beat({"stale": ["newest"]}, lines[MAX_LINES:], {"a:0": (1, 2)})
    coordinator.there = True
    wait_until(lambda: len(coordinator.all_of("events")) == 20)
    outbox.close()
    assert [event["number"] for event in coordinator.all_of("events")] == list(range(20))
    said = [line["text"] for line in coordinator.all_of("console")]
    lost = [text for text in said if "lost" in text]
    assert [text.split()[0] for text in lost] == ["10"]
    assert [text for text in said if text not in lost] == [line["text"] for line in lines[10:]]
    assert [batch["beat"] for batch in coordinator.batches if batch["beat"]][-1] == {"stale": ["newest"]}
    assert coordinator.batches[-1]["read"] == {"a:0": (1, 2)}


@pytest.mark.parametrize("refused", [True, False])
def test_a_report_that_nobody_took_is_not_lost_over_a_beat_without_one(refused: bool) -> None:
    """Whether it was handed over in vain or never handed over."""
    coordinator = Coordinator()
    taking, tried = threading.Event(), threading.Event()

    def deliver(batch: dict[str, Any]) -> bool:
        first = not tried.is_set()
        tried.set()
        taking.wait(LIMIT)
        return not (refused and first) and coordinator.deliver(batch)

    outbox = Outbox(deliver, lambda: 0.0)
    if not refused:
        outbox.put({"event": "busy"})
        assert tried.wait(LIMIT)
    outbox.beat({"stale": ["old"], "report": 1}, [], {})
    assert tried.wait(LIMIT)
    outbox.beat({"stale": ["newest"]}, [], {})
    taking.set()
    wait_until(lambda: any(batch["beat"] for batch in coordinator.batches))
    outbox.close()
    told: dict[str, Any] = {}
    for batch in coordinator.batches:
        told |= batch["beat"] or {}
    assert told == {"stale": ["newest"], "report": 1}


def test_at_the_end_what_nobody_took_is_given_back() -> None:
    outbox = Outbox(lambda batch: False, lambda: 0.0)
    outbox.beat({}, [{"text": "x"}], {})
    outbox.close()
    assert outbox.left() == [{"text": "x"}]
    assert outbox.left() == []


def test_a_host_is_held_once_its_lease_is_over_and_let_go_once() -> None:
    lease = Lease(0.0)
    assert lease.look(LEASE_SECONDS) is None
    assert lease.look(LEASE_SECONDS + 0.1) is True
    assert lease.look(LEASE_SECONDS + 0.2) is None
    lease.heard(20.0)
    assert lease.look(20.1) is False
    assert lease.look(20.2) is None


def test_consoles_are_read_on_where_they_were_handed_on(tmp_path: Path) -> None:
    prefix = str(tmp_path / "console-0-0")
    file = Path(prefix + ".jsonl")
    file.write_text('{"time": 1, "text": "one"}\n')
    tails = Tails(tmp_path, lambda: 0.0)
    tails.watch("n", 0, prefix)
    records, read = tails.read()
    tails.handed_on(read)
    with file.open("a") as more:
        more.write('{"time": 2, "text": "two"}\n')
    assert [r["text"] for r in records + tails.read()[0]] == ["one", "two"]
    successor = Tails(tmp_path, lambda: 0.0)  # the second line was read, and not handed on
    successor.watch("n", 0, prefix)
    assert [r["text"] for r in successor.read()[0]] == ["two"]


def test_last_words_are_waited_for() -> None:
    words = LastWords()
    timer = threading.Timer(0.05, lambda: words.said("n", 1))
    timer.start()
    assert words.wait("n", 1)
    timer.join()
    assert words.wait("n", 1)


def test_the_board_speaks_for_a_node_that_cannot(tmp_path: Path) -> None:
    with Board.create(tmp_path / "board", streams=0, edges=0, nodes=1) as board:
        row = board.node(0)
        row.ints[NodeColumn.EPOCH], row.ints[NodeColumn.PID] = 3, 77
        row.ints[NodeColumn.STATE] = NodeState.RUNNING
        assert state_on_board("n", row)["kind"] is None
        row.ints[NodeColumn.STATE] = NodeState.FAILED
        row.ints[NodeColumn.FAILURE] = FAILURE_KINDS.index("init")
        said = state_on_board("n", row)
        assert (said["epoch"], said["pid"], said["state"], said["kind"]) == (3, 77, NodeState.FAILED, "init")
        del row


# -- what the next coordinator knows -----------------------------------------------------------------
def test_what_is_remembered_is_whole_and_the_users_own(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    assert memory.read() is None
    memory.write({"machine": {"a": 1}})
    memory.write({"machine": {"a": 2}})
    assert Memory(tmp_path).read() == {"machine": {"a": 2}}
    assert stat.S_IMODE(memory.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [memory.path.name]
    memory.path.write_text('{"version": 99}')
    with pytest.raises(RenaGraphError, match="version"):
        memory.read()


def test_a_budget_is_spent_and_forgotten() -> None:
    times: list[float] = []
    assert [spend(times, now, limit=2, window=10.0) for now in (0.0, 1.0, 2.0, 10.5)] == [True, True, False, True]
    assert times == [1.0, 10.5]


# -- the line between agent and nodes ----------------------------------------------------------------
def test_commands_reach_a_node_through_the_next_agent(tmp_path: Path) -> None:
    commands, events = f"ipc://{tmp_path}/c", f"ipc://{tmp_path}/e"
    heard: list[Any] = []
    told: list[Any] = []
    first = AgentLine(commands, events, told.append)
    line = NodeLine(commands, events, "n:0", heard.append)
    first.send("n:0", {"do": "first"})
    wait_until(lambda: heard)
    first.close()
    second = AgentLine(commands, events, told.append)
    second.send("n:0", {"do": "second"})
    second.send("gone:0", {"do": "nothing"})
    second.forget("gone:0")
    wait_until(lambda: len(heard) == 2)
    line.send({"event": "state"})
    wait_until(lambda: told)
    line.close()
    second.close()
    assert [m["do"] for m in heard] == ["first", "second"]
