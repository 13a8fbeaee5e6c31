"""A run as the command line sees one: its two folders, its lock, and somebody who answers on its socket."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rena_graph.errors import RenaGraphError, UsageError
from rena_graph.runtime.alive import SESSION_LOCK, hold_alive
from rena_graph.runtime.coordinator.control import ControlServer
from rena_graph.runtime.folders import runs_dir, runtime_dir
from rena_graph.runtime.launch.runs import write_facts
from tests.cli import statuses

Answer = Callable[[dict[str, Any]], dict[str, Any]]

GRAPH = {
    "version": 1,
    "name": "heart-rate",
    "streams": {"ECG": {"from": {"simulate": {}}}},
    "nodes": {
        "r_peaks": {"script": "r.py", "inputs": ["ECG"], "outputs": {"R-peaks": {"channels": 1}}},
        "heart_rate": {"script": "h.py", "inputs": ["R-peaks"]},
    },
}


class FakeRun:
    """Keeps what it was asked; `answers` by op, each a value or what makes one of the request."""

    def __init__(self, id: str, graph: str, created: float) -> None:
        self.id = id
        self.folder = runs_dir() / f"20260102-030405-{graph}-{id}"
        self.runtime = runtime_dir() / id
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {"status": {"status": statuses.status(run=id, graph=graph)}}
        self.folder.mkdir(parents=True)
        self.runtime.mkdir(mode=0o700)
        facts = {"run": id, "graph": graph, "folder": str(self.folder), "runtime": str(self.runtime)}
        write_facts(self.folder, self.runtime, {**facts, "created": created, "launcher": {}, "options": {}})
        (self.folder / "graph.json").write_text(json.dumps({**GRAPH, "name": graph}))

    async def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        request.pop("peer")
        self.asked.append(request)
        answer = self.answers.get(request["op"])
        if isinstance(answer, RenaGraphError):
            raise answer
        if answer is None:
            raise UsageError(f"the control socket knows no {request['op']!r}")
        return dict(answer(request) if callable(answer) else answer)

    def end(self, code: int = 0, failure: str | None = None) -> None:
        """It has ended, and everything of it is gone."""
        status = {**self.answers["status"]["status"], "state": "ended"}
        outcome = {"exit_code": code, "failure": failure, "status": status, "ran": True}
        (self.folder / "outcome.json").write_text(json.dumps(outcome))
        shutil.rmtree(self.runtime)


@contextmanager
def fake_run(id: str = "c0ffee12", graph: str = "heart-rate", created: float | None = None) -> Iterator[FakeRun]:
    """A run that answers until the block is left."""
    run = FakeRun(id, graph, time.time() if created is None else created)
    lock = os.open(run.runtime / SESSION_LOCK, os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    alive = hold_alive(run.runtime)
    loop = asyncio.new_event_loop()
    server = ControlServer(run.runtime / "control.sock", run.handle)
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever, name="rena-fake-run")
    thread.start()
    try:
        yield run
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))  # connections that are just ending
        loop.close()
        os.close(alive)
        os.close(lock)
        shutil.rmtree(run.runtime, ignore_errors=True)
        shutil.rmtree(run.folder, ignore_errors=True)
