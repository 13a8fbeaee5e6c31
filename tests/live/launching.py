"""The example graphs as documents that a test may change, and their launch on the shared Ray."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.launch.client import Run, launch
from rena_graph.runtime.options import LaunchOptions
from tests.conftest import GRAPHS
from tests.limits import PATIENCE
from tests.ports import free_port
from tests.runtime.live import SCRIPTS

__all__ = ["example", "launched", "only_drops", "patient", "unique"]


def unique(what: str) -> str:
    """A name that nobody else on this network has."""
    return f"{what}-{uuid.uuid4().hex[:12]}"


def example(file: str) -> dict[str, Any]:
    """The document of an example; its outlets get names, and its publishers ports, that nobody else has."""
    document: dict[str, Any] = json.loads((GRAPHS / file).read_text(encoding="utf-8"))
    for node in document["nodes"].values():
        for name, output in node.get("outputs", {}).items():
            sinks = output.get("to", {})
            if "lsl" in sinks:
                sinks["lsl"]["name"] = unique(name)
            if "zmq" in sinks:
                sinks["zmq"]["port"] = free_port()
    return document


def patient(document: dict[str, Any]) -> dict[str, Any]:
    """The same, with windows of ten seconds at least: a machine that is busy with tests may hold a node up for one."""
    for node in document["nodes"].values():
        node["buffer_duration"] = max(PATIENCE, node.get("buffer_duration", 0.0))
    return document


@contextmanager
def launched(
    document: dict[str, Any], address: str, folder: Path = SCRIPTS, instance: str | None = None
) -> Iterator[Run]:
    """A run of `document`, its paths relative to `folder`; stopped at the end. Scripts of the tests may be used too."""
    graph = graph_from_dict(patient(document), folder, allow_code=[SCRIPTS, Path(tempfile.gettempdir())])
    with launch(graph, LaunchOptions(address=address, instance=instance)) as run:
        run.start()
        yield run


def only_drops(status: dict[str, Any], *allowed: tuple[str, str]) -> None:
    """No edge dropped a sample, except for the (node, reason) pairs in `allowed`."""
    drops = {(edge["to"], reason) for edge in status["edges"] for reason in edge["dropped"]}
    assert drops <= set(allowed), status["edges"]
