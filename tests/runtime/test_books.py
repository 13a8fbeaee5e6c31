"""What a coordinator writes into the run folder: events found by comparison, provenance, statistics."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rena_graph.errors import UsageError
from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.coordinator.books import RunBooks
from rena_graph.runtime.coordinator.journal import NAME, Journal
from rena_graph.runtime.coordinator.statistics import make_statistics
from rena_graph.runtime.lifecycle import NodeState
from rena_graph.runtime.provenance import Provenance, describe_file
from rena_graph.runtime.segments import SegmentWriter, read_segments
from tests.cli import statuses
from tests.conftest import ROOT
from tests.runtime.live import SCRIPTS, counter, document, relay, running, wait_until

PAGE = (ROOT / "docs" / "run-folder.md").read_text(encoding="utf-8")


@dataclass
class Node:
    state: NodeState = NodeState.PLACING
    epoch: int = 0
    error: str | None = None
    stale_for: float | None = None
    restarts: int = 0
    reloads: int = 0


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(SegmentWriter(tmp_path, NAME, lambda text: {"event": "gap", "text": text}), lambda: 5.0)
    yield journal
    journal.close()


def events(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in e.items() if k != "time"} for e in read_segments(folder, NAME)]


# -- events ------------------------------------------------------------------------------------------
def test_changes_are_found_and_nothing_else(tmp_path: Path, book: Journal) -> None:
    node = Node()
    book.look("starting", {"a": node})
    book.look("starting", {"a": node})
    node.state = NodeState.RUNNING
    book.look("running", {"a": node})
    node.stale_for = 1.5
    book.look("running", {"a": node})
    node.stale_for = 2.5
    book.look("running", {"a": node})
    node.state, node.error, node.restarts, node.stale_for = NodeState.RESTARTING, "it died", 1, None
    book.look("running", {"a": node})
    assert events(tmp_path) == [
        {"event": "phase", "phase": "starting", "before": None},
        {"event": "state", "node": "a", "state": "placing", "before": None, "epoch": 0},
        {"event": "phase", "phase": "running", "before": "starting"},
        {"event": "state", "node": "a", "state": "running", "before": "placing", "epoch": 0},
        {"event": "stale", "node": "a", "epoch": 0, "seconds": 1.5},
        {"event": "state", "node": "a", "state": "restarting", "before": "running", "epoch": 0, "error": "it died"},
        {"event": "alive", "node": "a", "epoch": 0, "seconds": None},
        {"event": "restart", "node": "a", "epoch": 0, "number": 1, "error": "it died"},
    ]


def test_sources_and_verdicts_are_followed(tmp_path: Path, book: Journal) -> None:
    stream = {"source_state": "connected", "recoveries": 0, "lost": 0}
    made = {"source_state": None, "recoveries": 0, "lost": 0}
    for state, recoveries in (("connected", 0), ("connected", 0), ("lost", 0), ("connected", 1)):
        book.look_at_report({"streams": {"S": {**stream, "source_state": state, "recoveries": recoveries}, "M": made}})
    slow = {"verdict": "loop too slow", "reason": "30 ms"}
    for known in (None, slow, slow, None):
        book.look_at_report({"streams": {}}, {"a": known})
    found = events(tmp_path)
    assert [(e["state"], e["before"]) for e in found[:3]] == [
        ("connected", None), ("lost", "connected"), ("connected", "lost"),
    ]  # fmt: skip
    assert [e["verdict"] for e in found[3:]] == ["loop too slow", None]


def test_a_coordinator_that_takes_over_writes_nothing_down_again(tmp_path: Path) -> None:
    def journal() -> Journal:
        made = Journal(SegmentWriter(tmp_path, NAME, lambda text: {"text": text}), lambda: 5.0)
        made.recall(read_segments(tmp_path, NAME))
        return made

    a, b = Node(NodeState.RUNNING, 2, restarts=2, stale_for=1.5), Node(NodeState.PAUSED, 1, reloads=1)
    source = {"source_state": "connected", "recoveries": 1, "lost": 7}
    report = {"streams": {"S": source}, "hosts": {"gpu": {"clock": {"offset": 1.0}}}}
    slow = {"verdict": "loop too slow", "reason": "30 ms"}
    first = journal()
    first.look("starting", {"a": Node(), "b": Node()})
    first.look("running", {"a": a, "b": b})
    first.look_at_report(report, {"a": slow, "b": None})
    first.close()
    before = events(tmp_path)
    second = journal()
    for known in (None, None, slow):  # at first it knows of no verdict
        second.look("running", {"a": a, "b": b})
        second.look_at_report(report, {"a": known, "b": None})
    assert events(tmp_path) == before
    a.state, a.stale_for = NodeState.RESTARTING, None
    second.look("running", {"a": a, "b": b})
    second.look_at_report(report, {"a": None})
    second.close()
    assert [(e["event"], e.get("before"), e.get("verdict")) for e in events(tmp_path)[len(before) :]] == [
        ("state", "running", None), ("alive", None, None), ("keeping", None, None),
    ]  # fmt: skip


def test_how_the_clocks_of_hosts_stand_is_noted_from_time_to_time(tmp_path: Path) -> None:
    now = [100.0]
    book = Journal(SegmentWriter(tmp_path, NAME, lambda text: {"text": text}), lambda: now[0])
    clock = {"offset": 7200.0, "drift": 1e-5, "uncertainty": 1e-4, "round_trip": 2e-4}
    report = {"streams": {}, "hosts": {"head": {"clock": None}, "gpu": {"clock": clock}}}
    for seconds in (100.0, 100.25, 159.0, 161.0, 161.25):
        now[0] = seconds
        book.look_at_report(report)
    book.close()
    assert events(tmp_path) == [{"event": "clock", "host": "gpu", **clock}] * 2


def test_what_was_asked_and_carried_out_is_noted_with_who(tmp_path: Path) -> None:
    graph = graph_from_dict(document({"C": counter(250)}, {"a": relay("C", "D", 250)}), SCRIPTS)
    books = RunBooks(tmp_path, graph, lambda: 5.0)

    async def answer(request: dict[str, Any]) -> dict[str, Any]:
        if request.get("hz") == 0:
            raise UsageError("no")
        return {}

    handler = books.noting(answer)

    async def ask(request: dict[str, Any]) -> dict[str, Any]:
        return await handler(request)

    who = {"pid": 7, "uid": 0, "command": "me"}
    for request in (
        {"op": "status"},
        {"op": "params", "node": "a", "set": {}, "add": {}, "remove": []},
        {"op": "rate", "node": "a", "hz": 5.0},
        {"op": "params", "node": "a", "set": {"x": 0}},
    ):
        asyncio.run(ask({**request, "peer": who}))
    with pytest.raises(UsageError):
        asyncio.run(ask({"op": "rate", "node": "a", "hz": 0, "peer": who}))
    books.close(statuses.status())
    assert events(tmp_path) == [
        {"event": "asked", "op": "rate", "node": "a", "hz": 5.0, "by": who},
        {"event": "asked", "op": "params", "node": "a", "set": {"x": 0}, "by": who},
    ]


def test_a_folder_that_is_gone_ends_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    graph = graph_from_dict(document({"C": counter(250)}, {"a": relay("C", "D", 250)}), SCRIPTS)
    folder = tmp_path / "run"
    folder.mkdir()
    books = RunBooks(folder, graph, lambda: 5.0)
    (folder / f"{NAME}.jsonl").unlink()
    folder.rmdir()
    asyncio.run(books.begin())
    books.close(statuses.status())
    assert "the provenance cannot be written" in caplog.text
    assert "the statistics cannot be written" in caplog.text


# -- provenance --------------------------------------------------------------------------------------
def test_a_file_is_described_by_hash_and_commit(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text("x = 1\n")
    digest = hashlib.sha256(b"x = 1\n").hexdigest()
    assert describe_file(script) == {"path": str(script), "sha256": digest, "git": None}
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t"]
    for words in (["init", "-q"], ["add", "s.py"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    found = describe_file(script)["git"]
    assert len(found["commit"]) == 40
    assert found["modified"] is False
    script.write_text("x = 2\n")
    assert describe_file(script)["git"]["modified"] is True
    assert describe_file(tmp_path / "missing.py")["sha256"] is None


def test_provenance_knows_what_was_imported(tmp_path: Path) -> None:
    script, helper = tmp_path / "s.py", tmp_path / "helper.py"
    for file in (script, helper):
        file.write_text("")
    book = Provenance(tmp_path, {"a": script})
    book.imported("a", [script, helper])  # also where it comes before the look at the machine
    found = json.loads((tmp_path / "provenance.json").read_text())
    assert [module["path"] for module in found["nodes"]["a"]["modules"]] == [str(helper)]
    assert found["versions"]["ray"]
    assert found["machine"]["host"]


# -- statistics --------------------------------------------------------------------------------------
def test_statistics_tell_edges_from_sinks_and_say_what_balances() -> None:
    edges = [statuses.edge(), statuses.edge("R-peaks", "lsl:peaks", delivered=7199)]
    found = make_statistics(statuses.status(edges=edges), True, 100.0)
    assert found["began"] == pytest.approx(79.6)
    assert found["nodes"]["r_peaks"]["mean_rate"] == pytest.approx(1200 / 20.4)
    assert "pid" not in found["nodes"]["r_peaks"]
    assert [(e["to"], e["balanced"]) for e in found["edges"]] == [("r_peaks", True)]
    assert [(e["to"], e["balanced"]) for e in found["sinks"]] == [("lsl:peaks", False)]


# -- the page and a real folder ----------------------------------------------------------------------
def rows(heading: str | None) -> list[str]:
    """First cells of the page's table below a heading; of the first table where there is none."""
    part = PAGE if heading is None else PAGE.split(f"## {heading}\n")[1]
    table = part.split("| --- |")[1].split("\n\n")[0]
    return [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]


@pytest.mark.ray
def test_the_page_says_what_a_run_leaves(ray_address: str) -> None:
    doc = document({"C": counter(250)}, {"a": relay("C", "D", 250)})
    with running(doc, ray_address) as run:
        run.set_frequency("a", 500)
        run.pause("a")
        wait_until(lambda: run.status()["nodes"]["a"]["state"] == "paused")
        wait_until(lambda: json.loads((run.folder / "provenance.json").read_text())["versions"]["liblsl"])
    listed = {name.strip(" `") for cell in rows(None) for name in cell.split(",")}
    assert {path.name for path in run.folder.iterdir()} == listed
    found = list(read_segments(run.folder, NAME))
    known = {name.strip(" `") for cell in rows("Events") for name in cell.split(",")}
    assert {event["event"] for event in found} <= known
    asked = [(event["op"], event["by"]["pid"] > 0) for event in found if event["event"] == "asked"]
    assert asked == [("rate", True), ("pause", True), ("stop", True)]
    assert [e["phase"] for e in found if e["event"] == "phase"] == ["starting", "running", "stopping", "ended"]
    provenance = json.loads((run.folder / "provenance.json").read_text())
    assert provenance["nodes"]["a"]["script"] == describe_file(SCRIPTS / "relay.py")
    statistics = json.loads((run.folder / "statistics.json").read_text())
    assert statistics["final"] is True
    assert all(edge["balanced"] for edge in statistics["edges"])
    facts = json.loads((run.folder / "run.json").read_text())
    assert (facts["run"], facts["graph"], facts["options"]["address"]) == (run.id, "test", ray_address)
