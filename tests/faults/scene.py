"""The graph that faults are done to: a source, a node above, the bad one, its reader, and two nodes beside.

For those beside nothing may change, whatever is done to the bad one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.runtime.launch.client import Run
from tests.faults.table import FaultRow, record
from tests.runtime.live import balanced, counter, document, finish, kept, relay, wait_until

__all__ = ["RATE", "Fault", "Scene", "fault_graph"]

RATE = 250.0
AFTER = 1.0
"""Seconds beyond the first sample after the fault over which the neighbours' rate is taken."""
BEGINS_WITHIN = 0.2
"""Seconds after a fault in which what was on its way still arrives."""


def fault_graph(folder: Path, samples: int = 1_000_000, **bad: Any) -> dict[str, Any]:
    """C → above → bad → reader, and beside it D → beside → listener; the sources end after so many samples."""
    # On a busy machine a restart takes longer than the second that a window holds by default: a node's, and a host
    # agent's, after which the sources catch up all at once.
    patience: dict[str, Any] = {"buffer_duration": 10.0}
    params = {"fail": "", "mark": str(folder / "mark")}
    nodes = {
        "above": relay("C", "A", RATE, **patience),
        "bad": {**relay("A", "X", RATE), "script": "fails_when_told.py", "params": params, **patience, **bad},
        "reader": _arrivals(folder / "reader.npz", "X", **patience),
        "beside": relay("D", "Y", RATE, **patience),
        "listener": _arrivals(folder / "listener.npz", "Y", **patience),
    }
    return document({"C": counter(RATE, samples=samples), "D": counter(RATE, samples=samples)}, nodes)


def _arrivals(path: Path, stream: str, **more: Any) -> dict[str, Any]:
    return {
        "script": "arrivals.py",
        "trigger": "data",
        "run_frequency": 1000,
        "inputs": [{"stream": stream, "as": "in"}],
        "params": {"path": str(path)},
        **more,
    }


@dataclass(frozen=True)
class Fault:
    """When it was done: seconds of graph time, and seconds since 1970."""

    graph_time: float
    unix: float

    @classmethod
    def marked(cls, folder: Path) -> Fault:
        """Where the script itself says when it failed."""
        text = wait_until(lambda: (folder / "mark").exists() and (folder / "mark").read_text(), what="the mark")
        graph_time, unix = map(float, text.split())
        return cls(graph_time, unix)


class Scene:
    """A run of :func:`fault_graph`, and what can be said of it afterwards.

    Parameters
    ----------
    run : Run
        It.
    folder : Path
        Where its readers save what came.
    """

    def __init__(self, run: Run, folder: Path) -> None:
        self.run = run
        self.folder = folder

    def wait_until_it_flows(self) -> None:
        """Until the bad node's reader has had a second of samples."""
        wait_until(lambda: _delivered(self.run.status(), "X", "reader") > RATE, what="a second of samples")

    def tell(self, way: str) -> Fault:
        """Let the bad node fail by itself."""
        self.run.params["bad"]["fail"] = way
        return Fault.marked(self.folder)

    def flows_again(self, restarts: int) -> dict[str, Any]:
        """Once the bad node is back and its reader has had two more seconds of samples, end; the last status."""
        wait_until(lambda: self._bad_runs(restarts), what=f"the bad node to run after {restarts} restarts")
        before = _delivered(self.run.status(), "X", "reader")
        wait_until(lambda: _delivered(self.run.status(), "X", "reader") > before + 2 * RATE, what="samples again")
        self.run.stop()
        return finish(self.run)

    def _bad_runs(self, restarts: int) -> bool:
        node = self.run.status()["nodes"]["bad"]
        return bool(node["restarts"] == restarts and node["state"] == "running" and not node["stale"])

    def told_at(self, word: str) -> float | None:
        """Unix time of the first thing that was said of the bad node, or of the run, with this word in it."""
        for line in (self.run.folder / "console.jsonl").read_text(encoding="utf-8").splitlines():
            said = json.loads(line)
            if word in said["text"] and said["node"] in ("bad", None):
                return float(said["time"])
        return None

    def report(self, name: str, outcome: str, fault: Fault, word: str, status: dict[str, Any]) -> FaultRow:
        """After the end: check what holds for every fault, and keep the row."""
        balanced(status)
        values, times = _saved(self.folder / "reader.npz")
        produced = status["streams"]["C"]["produced"]
        back = _first_after_the_hole(times, fault.graph_time)
        said = self.told_at(word)
        row = FaultRow(
            fault=name,
            outcome=outcome,
            detected=None if said is None else max(0.0, said - fault.unix),
            first_sample=None if back is None else back - fault.graph_time,
            lost=produced - len(np.unique(values)),
            repeated=len(values) - len(np.unique(values)),
            neighbours=self._neighbours(fault.graph_time, (back or fault.graph_time) + AFTER),
        )
        record(row)
        return row

    def _neighbours(self, since: float, until: float) -> float:
        _, times = _saved(self.folder / "listener.npz")
        came = np.count_nonzero((times >= since) & (times < until))
        return float(came / ((until - since) * RATE))


def _saved(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    arrays = kept(path)
    return arrays["values"], arrays["times"]


def _first_after_the_hole(times: NDArray[Any], since: float) -> float | None:
    """When samples came again after the longest pause that began with the fault."""
    begins, ends = times[:-1], times[1:]
    with_it = np.flatnonzero((ends > since) & (begins < since + BEGINS_WITHIN))
    return float(ends[with_it[np.argmax((ends - begins)[with_it])]]) if len(with_it) else None


def _delivered(status: dict[str, Any], stream: str, node: str) -> int:
    return next((int(e["delivered"]) for e in status["edges"] if (e["stream"], e["to"]) == (stream, node)), 0)
