"""P11: how long it takes to start: a graph from the command line, the help, the import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rena_graph.bench.bare_actors import bare_actors
from rena_graph.bench.figures import Figure
from rena_graph.bench.graph_run import SCRIPTS
from rena_graph.bench.rows import Bench
from rena_graph.errors import EnvironmentRefused

__all__ = ["measure"]

NODES = 2
BEYOND_BARE = 2.0
"""Seconds."""
HELP, IMPORT = 3.0, 1.5
"""Times what ``import numpy`` takes."""
PATIENCE = 90.0
TRIES = 3
"""Of the short programs in each round, of which the fastest counts: the others were held up."""


@dataclass(frozen=True)
class Launch:
    """When, in seconds from the command's start, a launch had come how far.

    Attributes
    ----------
    checked : float
        The graph is checked, and the run has its folder.
    coordinator : float
        Ray is up, and the coordinator.
    processes : float
        The processes of all nodes are up, and have their scripts before them.
    running : float
        Every node is ready, and the first sample is let in.
    output : float
        The first loop with data of a node that another one feeds.
    """

    checked: float
    coordinator: float
    processes: float
    running: float
    output: float


STAGES = {
    "checked": "the graph checked, a folder made",
    "coordinator": "then Ray and the coordinator up",
    "processes": "then the nodes' processes up",
    "running": "then all nodes ready",
    "output": "then the first output",
}


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    launches: list[Launch] = []
    bare: list[float] = []
    short: dict[str, list[float]] = {"numpy": [], "help": [], "import": []}
    for k in range(bench.rounds):
        bench.say(f"start: round {k + 1} of {bench.rounds}")
        for turn in (0, 1) if k % 2 == 0 else (1, 0):
            if turn == 0:
                bare.append(_bare())
            else:
                launches.append(_launch())
        for name, command in _commands().items():
            short[name].append(min(_seconds(command) for _ in range(TRIES)))
    ours = [launch.output for launch in launches]
    beyond = tuple(a - b for a, b in zip(ours, bare, strict=True))
    numpy = tuple(1e3 * value for value in short["numpy"])
    return [
        Figure("launch to first output, beyond bare actors", "s", beyond, at_most=BEYOND_BARE),
        Figure("launch to first output", "s", tuple(ours), f"ray.init() and {NODES} actors", tuple(bare)),
        *_stages(launches),
        Figure("rena-graph --help", "ms", tuple(1e3 * v for v in short["help"]), "import numpy", numpy, HELP),
        Figure("import rena_graph", "ms", tuple(1e3 * v for v in short["import"]), "import numpy", numpy, IMPORT),
    ]


def _stages(launches: list[Launch]) -> list[Figure]:
    """How long each stage of a launch took."""
    figures, before = [], tuple(0.0 for _ in launches)
    for name, what in STAGES.items():
        reached = tuple(float(getattr(launch, name)) for launch in launches)
        figures.append(Figure(f"launch: {what}", "s", tuple(b - a for a, b in zip(before, reached, strict=True))))
        before = reached
    return figures


def _commands() -> dict[str, list[str]]:
    python = sys.executable
    return {
        "numpy": [python, "-c", "import numpy"],
        "help": [python, "-m", "rena_graph.cli", "--help"],
        "import": [python, "-c", "import rena_graph"],
    }


def _seconds(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def _bare() -> float:
    began = time.monotonic()
    with bare_actors(NODES):
        return time.monotonic() - began


def _document(path: Path) -> dict[str, Any]:
    output = {"channels": 8, "dtype": "float64", "rate": 250}
    return {
        "version": 1,
        "name": "bench-start",
        "nodes": {
            "producer": {
                "script": str(SCRIPTS / "producer.py"),
                "run_frequency": 250,
                "outputs": {"S": output},
                "params": {"samples": 1, "messages": 1 << 30},
            },
            "consumer": {
                "script": str(SCRIPTS / "first_word.py"),
                "trigger": "data",
                "run_frequency": 1000,
                "inputs": ["S"],
                "params": {"path": str(path)},
            },
        },
    }


def _launch() -> Launch:
    """One launch, from the command line to the first loop with data of a node that another one feeds."""
    with tempfile.TemporaryDirectory(prefix="rena-graph-bench-") as name:
        path, graph = Path(name) / "first", Path(name) / "graph.json"
        graph.write_text(json.dumps(_document(path)), encoding="utf-8")
        command = [sys.executable, "-m", "rena_graph.cli", "launch", str(graph), "--allow-code", str(SCRIPTS)]
        began, unix = time.monotonic(), time.time()
        with (Path(name) / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(name),
                start_new_session=True,
            )
        try:
            while not path.exists() and process.poll() is None and time.monotonic() < began + PATIENCE:
                time.sleep(0.002)
            process.terminate()  # ends it as Ctrl-C does, which whoever started the benchmark may have switched off
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise EnvironmentRefused(f"the graph of the benchmark did not end within {PATIENCE:g} s") from error
        except BaseException:
            process.kill()
            raise
        if not path.exists():
            said = (Path(name) / "log").read_text(encoding="utf-8", errors="replace")
            raise EnvironmentRefused(f"the graph of the benchmark gave no output:\n{said[-2000:]}")
        output = float(path.read_text(encoding="utf-8")) - began
        (folder,) = (Path(name) / "rena_graph" / "runs").iterdir()
        return stages_of(folder, unix, output)


def stages_of(folder: Path, began: float, output: float) -> Launch:
    """From what a run folder holds.

    Parameters
    ----------
    folder : Path
        The run's.
    began : float
        When the command was started, in seconds since 1970.
    output : float
        Seconds from then to the first output.
    """
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    at: dict[str, float] = {}
    for event in map(json.loads, lines):
        # The last of the nodes counts; the run's own phases come once.
        reached = event.get("phase") if event["event"] == "phase" else event.get("state")
        at[f"{event['event']} {reached}"] = event["time"] - began
    return Launch(facts["created"] - began, at["phase starting"], at["state loading"], at["phase running"], output)


def _environment(folder: str) -> dict[str, str]:
    """This process's own, without what lets it join the benchmark's Ray: the launch starts one. Runs go to `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, "XDG_STATE_HOME": folder}
