"""The bundled examples as studies on hosts of the rig: the folder on one host, the recording where it is played."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.conftest import GRAPHS
from tests.hosts.cluster import Cluster
from tests.hosts.rig import Host
from tests.runtime.live import SCRIPTS, balanced, collect, kept

__all__ = ["FOLDER", "RECORDINGS", "Results", "example", "lay", "play", "run_study", "samples_of"]

FOLDER = "/run/study"
"""Where a study lies: in a folder that no other host of the rig sees."""
RECORDINGS = "/run/recordings"
"""Where recordings lie, each on one host only."""

Results = dict[str, NDArray[Any]]
_BLOCK = {"policy": "block", "block_timeout": 30}


def example(file: str, kept_in: Path, streams: Sequence[str], **placement: Any) -> dict[str, Any]:
    """An example's document with a node that keeps these streams; nothing may be lost on the way to anybody."""
    document: dict[str, Any] = json.loads((GRAPHS / file).read_text())
    del document["$schema"]
    for node in document["nodes"].values():
        node["inputs"] = [{**({"stream": i} if isinstance(i, str) else i), **_BLOCK} for i in node["inputs"]]
        node["buffer_duration"] = max(30.0, node["buffer_duration"])
    inputs = [{"stream": name, **_BLOCK} for name in streams]
    keep = collect(kept_in, *inputs, buffer_duration=60, run_frequency=60, placement=placement)
    document["nodes"]["keep"] = {**keep, "script": "scripts/collect.py"}
    return document


def play(document: dict[str, Any], stream: str, recording: Path, host: Host, speed: float) -> None:
    """Let a stream be played once from a recording that lies on this host alone."""
    path = f"{RECORDINGS}/{recording.name}"
    host.run("mkdir", "-p", RECORDINGS)
    host.run("cp", str(recording), path)
    document["streams"][stream]["from"] = {"recording": {"path": path, "speed": speed, "loop": False}}
    document["streams"][stream]["host"] = host.address


def lay(document: dict[str, Any], folder: str, host: Host) -> str:
    """Put a study on a host: an example's folder less its recordings, and the document; the path of that."""
    host.run("rm", "-rf", FOLDER)
    host.run("mkdir", "-p", f"{FOLDER}/data")
    host.run("cp", "-r", str(GRAPHS / folder / "scripts"), FOLDER)
    host.run("cp", str(SCRIPTS / "collect.py"), f"{FOLDER}/scripts")
    for name in document.get("files", []):
        host.run("cp", str(GRAPHS / folder / name), f"{FOLDER}/{name}")
    graph = host.folder / "graph.json"
    graph.write_text(json.dumps(document))
    host.run("cp", str(graph), f"{FOLDER}/graph.json")
    return f"{FOLDER}/graph.json"


def run_study(cluster: Cluster, document: dict[str, Any], folder: str, kept_in: Path) -> tuple[Results, dict[str, Any]]:
    """Launch it from the head, to its end: what was kept, and the last status. Nothing is dropped and all adds up."""
    path = lay(document, folder, cluster.head)
    words = ("launch", path, "--address", cluster.address, "--json", "--allow-code", RECORDINGS)
    end = json.loads(cluster.rena_graph(*words, timeout=150).splitlines()[-1])
    assert (end["event"], end["exit_code"]) == ("end", 0), end
    status = json.loads(cluster.rena_graph("status", "--json"))
    balanced(status)
    lost = [edge for edge in status["edges"] if edge["dropped"]]
    assert not lost, lost  # what is in flight is less than a node takes at once
    return kept(kept_in), status


def samples_of(stream: str, source: str, results: Results) -> NDArray[np.intp]:
    """For each sample of a stream, the sample of the source whose time it bears, exactly."""
    stamps = results[f"{source}.stamps"]
    found = np.searchsorted(stamps, results[f"{stream}.stamps"])
    np.testing.assert_array_equal(stamps[found], results[f"{stream}.stamps"])
    return found
