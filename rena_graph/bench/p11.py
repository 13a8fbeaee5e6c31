"""P11: how long it takes to start: a graph from the command line, the help, the import."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
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


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    ours: list[float] = []
    bare: list[float] = []
    short: dict[str, list[float]] = {"numpy": [], "help": [], "import": []}
    for k in range(bench.rounds):
        bench.say(f"start: round {k + 1} of {bench.rounds}")
        for turn in (0, 1) if k % 2 == 0 else (1, 0):
            if turn == 0:
                bare.append(_bare())
            else:
                ours.append(_launch())
        for name, command in _commands().items():
            short[name].append(min(_seconds(command) for _ in range(TRIES)))
    beyond = tuple(a - b for a, b in zip(ours, bare, strict=True))
    numpy = tuple(1e3 * value for value in short["numpy"])
    return [
        Figure("launch to first output, beyond bare actors", "s", beyond, at_most=BEYOND_BARE),
        Figure("launch to first output", "s", tuple(ours), f"ray.init() and {NODES} actors", tuple(bare)),
        Figure("rena-graph --help", "ms", tuple(1e3 * v for v in short["help"]), "import numpy", numpy, HELP),
        Figure("import rena_graph", "ms", tuple(1e3 * v for v in short["import"]), "import numpy", numpy, IMPORT),
    ]


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


def _launch() -> float:
    """Seconds from ``rena-graph launch`` to the first loop with data of a node that another one feeds."""
    with tempfile.TemporaryDirectory(prefix="rena-graph-bench-") as name:
        path, graph = Path(name) / "first", Path(name) / "graph.json"
        graph.write_text(json.dumps(_document(path)), encoding="utf-8")
        command = [sys.executable, "-m", "rena_graph.cli", "launch", str(graph), "--allow-code", str(SCRIPTS)]
        began = time.monotonic()
        with (Path(name) / "log").open("wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), start_new_session=True
            )
        try:
            while not path.exists() and process.poll() is None and time.monotonic() < began + PATIENCE:
                time.sleep(0.002)
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)
        except BaseException:
            process.kill()
            raise
        if not path.exists():
            said = (Path(name) / "log").read_text(encoding="utf-8", errors="replace")
            raise EnvironmentRefused(f"the graph of the benchmark gave no output:\n{said[-2000:]}")
        return float(path.read_text(encoding="utf-8")) - began


def _environment() -> dict[str, str]:
    """This process's own, without what lets it join the benchmark's Ray: the launch starts one."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
