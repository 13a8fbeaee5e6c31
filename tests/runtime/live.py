"""Launches small graphs on the shared Ray, and looks at what they left."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from rena_graph.errors import ExitCode
from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.launch.client import Run, launch
from rena_graph.runtime.options import LaunchOptions
from tests.limits import LIMIT, PATIENCE

SCRIPTS = Path(__file__).parent.parent / "scripts"


def document(streams: dict[str, Any], nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": 1, "name": "test", "streams": streams, "nodes": nodes, **more}


def counter(rate: float, channels: int = 2, **more: Any) -> dict[str, Any]:
    source = {"simulate": {"kind": "counter", **{k: v for k, v in more.items() if k == "samples"}}}
    return {"from": source, "channels": channels, "rate": rate, "dtype": more.get("dtype", "float64")}


def relay(stream: str, out: str, rate: float, channels: int = 2, **more: Any) -> dict[str, Any]:
    return {
        "script": "relay.py",
        "trigger": "data",
        "run_frequency": 1000,
        "inputs": [{"stream": stream, "as": "in"}],
        "outputs": {out: {"channels": channels, "dtype": "float64", "rate": rate, "as": "out"}},
        "buffer_duration": PATIENCE,
        **more,
    }


def collect(path: Path, *inputs: Any, **more: Any) -> dict[str, Any]:
    return {
        "script": "collect.py",
        "trigger": "data",
        "run_frequency": 1000,
        "inputs": list(inputs),
        "params": {"path": str(path)},
        "buffer_duration": PATIENCE,
        **more,
    }


@contextmanager
def running(doc: dict[str, Any], address: str, transport: str | None = None) -> Iterator[Run]:
    """A run of `doc`, its scripts taken from the tests' folder; stopped at the end."""
    graph = graph_from_dict(doc, SCRIPTS, allow_code=[Path(tempfile.gettempdir())])
    with launch(graph, LaunchOptions(transport, address)) as run:  # type: ignore[arg-type]
        run.start()
        yield run


def wait_until(condition: Callable[[], Any], limit: float = LIMIT, what: str = "") -> Any:
    """Until the condition holds; its value."""
    deadline = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {limit} s: {what or condition}"
        time.sleep(0.02)
    return value


def lives(pid: int) -> bool:
    """Whether it has not ended; where nobody looks after orphans, as in some containers, they stay as zombies."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def finish(run: Run, code: ExitCode = ExitCode.OK, limit: float = LIMIT) -> dict[str, Any]:
    """Wait for the end; the last status."""
    assert run.wait(limit) is code, f"ended with {run.exit_code}: {run.failure}\n{told(run)}"
    return run.status()


def told(run: Run) -> str:
    """All that was printed and said."""
    return (run.folder / "console.jsonl").read_text()


def balanced(status: dict[str, Any]) -> None:
    """Produced = delivered + dropped + in flight, on every edge."""
    for edge in status["edges"]:
        total = edge["delivered"] + sum(edge["dropped"].values()) + edge["in_flight"]
        assert edge["produced"] == total, edge


def kept(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
