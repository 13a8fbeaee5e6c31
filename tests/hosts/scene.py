"""A run over the hosts of a cluster of its own, to which faults are done: launched, looked at, waited for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import _shared
from tests.hosts.cluster import Cluster
from tests.hosts.rig import BIN, Host, why_not
from tests.hosts.test_cluster import write

__all__ = ["Scene", "clean", "note", "own_cluster", "scene"]

RATE = 250
LIMIT = 90.0
"""Seconds for what the run does by itself, on a machine that does other things too."""


@contextmanager
def own_cluster(folder: Path, *workers: str) -> Iterator[Cluster]:
    """One that a test may break."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with Cluster(folder, dict.fromkeys(workers, "")) as started:
        _shared.update(started.holders)
        yield started
        _shared.difference_update(started.holders)


class Scene:
    """One run, launched on the head.

    Parameters
    ----------
    cluster : Cluster
        Where.
    document : dict
        The graph.
    folder : Path
        For the graph and what the launcher says.
    """

    def __init__(self, cluster: Cluster, document: dict[str, Any], folder: Path) -> None:
        self.cluster = cluster
        words = ("launch", write(document, folder), "--address", cluster.address, "--json", "--allow-code", "/")
        self.folder = folder  # until there is one
        self._said = (folder / "launched.jsonl").open("w+")
        self._talk = (folder / "talk.log").open("w+")
        runs = cluster.head.folder / "state" / "rena_graph" / "runs"
        before = set(runs.glob("*"))
        self.launcher = cluster.head.start(
            str(BIN / "rena-graph"), *words, env=cluster.env, log=self._said.fileno(), err=self._talk.fileno()
        )
        self.wait(lambda: set(runs.glob("*")) - before, "the run has a folder")
        (self.folder,) = set(runs.glob("*")) - before

    # -- looking -------------------------------------------------------------------------------------
    def wait(self, condition: Callable[[], Any], what: str, limit: float = LIMIT) -> Any:
        """Until it holds; its value."""
        deadline = time.monotonic() + limit
        while not (value := condition()):
            assert time.monotonic() < deadline, f"not within {limit} s: {what}\n{self.told()}"
            time.sleep(0.05)
        return value

    def statuses(self) -> list[dict[str, Any]]:
        """What the launcher has printed so far, once a second."""
        self._said.seek(0)
        return [json.loads(line) for line in self._said.read().splitlines() if line.endswith("}")]

    def newest(self) -> dict[str, Any]:
        """The newest of them; a run that is only starting before there is one."""
        said = self.statuses()
        return said[-1] if said else {"state": "starting", "nodes": {}, "hosts": {}, "edges": []}

    def messages(self) -> list[dict[str, Any]]:
        """What was told, each with its time in Unix seconds."""
        lines = []
        for file in sorted(self.folder.glob("console*.jsonl")):
            lines += [json.loads(line) for line in file.read_text().splitlines()]
        return sorted(lines, key=lambda line: float(line["time"]))

    def told(self) -> str:
        """For people who wonder why a test failed."""
        self._talk.seek(0)
        lines = [f"{m['time']:.2f} {m['level']} {m['node']}: {m['text']}" for m in self.messages()]
        return "\n".join([*lines, self._talk.read()])

    def said(self, *words: str) -> list[float]:
        """When something with all these words was told."""
        return [float(m["time"]) for m in self.messages() if all(word in m["text"] for word in words)]

    def wait_said(self, *words: str, limit: float = LIMIT) -> float:
        """Until that is told for the first time; when."""
        return float(self.wait(lambda: self.said(*words), f"told: {words}", limit)[0])

    def made(self, stream: str) -> int:
        """Samples of a stream, as far as the newest status tells."""
        return int(self.newest().get("streams", {}).get(stream, {}).get("produced", 0))

    def flowing(self, *streams: str, more: int = RATE, limit: float = LIMIT) -> None:
        """Until so many more samples have been made of each."""
        before = {stream: self.made(stream) for stream in streams}
        self.wait(
            lambda: all(self.made(stream) >= count + more for stream, count in before.items()), f"{streams} flow", limit
        )

    # -- ending --------------------------------------------------------------------------------------
    def stop(self) -> dict[str, Any]:
        """Ask for the end and wait for it; the last line."""
        self.cluster.rena_graph("stop", self.newest()["run"])
        return self.ended()

    def ended(self, limit: float = LIMIT) -> dict[str, Any]:
        """Wait for the end; the last line."""
        try:
            self.launcher.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the run has not ended within {limit} s\n{self.told()}") from None
        last = self.newest()
        assert last["event"] == "end", self.told()
        return last

    def close(self) -> None:
        """Whatever became of the run: the launcher goes, and so does the run."""
        if self.launcher.poll() is None:
            os.killpg(self.launcher.pid, signal.SIGKILL)
            self.launcher.wait(10)
        self._said.close()
        self._talk.close()


@contextmanager
def scene(cluster: Cluster, document: dict[str, Any], folder: Path) -> Iterator[Scene]:
    """A run that is ended with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Scene(cluster, document, folder)
    try:
        yield found
    finally:
        found.close()


def clean(host: Host) -> bool:
    """Whether nothing of any run is on this host: no process, no segment, no socket."""
    processes = [pid for word in ("rena_graph", "ray::NodeActor", "ray::AgentActor") for pid in host.pids(word)]
    segments = [name for name in host.files("/dev/shm") if name.startswith("rg-")]
    return not (processes or segments or host.files("/run/user/rena-graph"))


def note(fault: str, **figures: float | int | str) -> None:
    """Keep what was measured, for the table in the documents: one JSON line in the file that is asked for."""
    if file := os.environ.get("RENA_HOST_FAULTS"):
        with Path(file).open("a") as rows:
            rows.write(json.dumps({"fault": fault, **figures}) + "\n")
