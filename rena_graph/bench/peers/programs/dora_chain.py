"""The chain of :mod:`workload` in dora, each node a Python process. Runs in dora's environment, with its command.

Variants: ``default`` (queues of 10 that drop the oldest) and ``backpressure`` (queues of 1000 that hold the sender up:
nothing is lost, and latency grows).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from workload import VARIABLE, Pacer, Sink, Task, stamp

ROLE = "RENA_GRAPH_PEER_ROLE"
_TAIL = 2.0
"""Seconds that the source stays after its last message: with it, its stream ends."""


def run_node(role: str) -> None:
    """One node of the dataflow."""
    import pyarrow
    from dora import Node

    task, node = Task.of_environment(), Node()
    if role == "source":
        base, pacer = task.message(), Pacer(task.rate)
        time.sleep(task.settle)
        pacer = Pacer(task.rate)
        for number in range(task.messages):
            message = base.copy()
            stamp(message, number)
            node.send_output("out", pyarrow.array(message.reshape(-1)))  # wraps the array, without a copy
            if delay := pacer.delay():
                time.sleep(delay)
        time.sleep(_TAIL)
        return
    sink = Sink(task) if role == "sink" else None
    for event in node:
        if event["type"] == "INPUT":
            if sink is None:
                node.send_output("out", event["value"])
            else:
                sink.add(event["value"].to_numpy(zero_copy_only=False))
        elif event["type"] in ("STOP", "INPUT_CLOSED", "ALL_INPUTS_CLOSED"):
            break
    if sink is not None:
        sink.save()


def dataflow(task: Task) -> dict[str, Any]:
    """The description that dora reads; JSON is YAML."""
    names = ["source", *(f"relay{k}" for k in range(1, task.hops)), "sink"]
    nodes = []
    for before, name in zip([None, *names], names):  # noqa: B905 - one is longer
        role = name if name in ("source", "sink") else "relay"
        node: dict[str, Any] = {
            "id": name,
            "path": str(Path(__file__).resolve()),
            "env": {ROLE: role, VARIABLE: task.text},
        }
        if before is not None:
            queue = {"queue_size": 1000, "queue_policy": "backpressure"} if task.variant == "backpressure" else {}
            node["inputs"] = {"in": {"source": f"{before}/out", **queue}}
        if role != "sink":
            node["outputs"] = ["out"]
        nodes.append(node)
    return {"nodes": nodes}


def main() -> None:
    """Write the dataflow and let dora run it to its end."""
    task = Task.of_environment()
    file = Path(task.path).with_suffix(".yml")
    file.write_text(json.dumps(dataflow(task)), encoding="utf-8")
    here = Path(sys.executable).parent
    environment = dict(os.environ, PATH=f"{here}{os.pathsep}{os.environ['PATH']}")
    sys.exit(subprocess.run([here / "dora", "run", file], env=environment, cwd=file.parent, check=False).returncode)


if __name__ == "__main__":
    if ROLE in os.environ:
        run_node(os.environ[ROLE])
    else:
        main()
