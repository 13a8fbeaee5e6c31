"""The chain of :mod:`workload` in timeflux: one graph, hence one process, a node, over its ZMQ broker.

The one variant is the rate in Hz at which relays and sink look for data: timeflux polls.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from workload import Task

_ZMQ = "timeflux.nodes.zmq"


def application(task: Task) -> dict[str, Any]:
    """The description that timeflux reads."""
    rate = float(task.variant)
    publisher = {"id": "pub", "module": _ZMQ, "class": "Pub"}
    source = {"id": "source", "module": "timeflux_nodes", "class": "Source"}
    end = {"id": "sink", "module": "timeflux_nodes", "class": "End"}
    graphs: list[dict[str, Any]] = [
        {"id": "broker", "rate": 1, "nodes": [{"id": "broker", "module": _ZMQ, "class": "Broker"}]},
        {
            "id": "source",
            "rate": task.rate,
            "nodes": [source, {**publisher, "params": {"topic": "t0", "wait": 1}}],
            "edges": [{"source": "source", "target": "pub"}],
        },
    ]
    for k in range(1, task.hops + 1):
        before = f"t{k - 1}"
        subscriber = {"id": "sub", "module": _ZMQ, "class": "Sub", "params": {"topics": [before]}}
        last = k == task.hops
        target = end if last else {**publisher, "params": {"topic": f"t{k}"}}
        edges = [{"source": f"sub:{before}", "target": target["id"]}]
        graphs.append({"id": f"g{k}", "rate": rate, "nodes": [subscriber, target], "edges": edges})
    return {"graphs": graphs}


def main() -> None:
    """Write the application and let timeflux run it to its end."""
    task = Task.of_environment()
    file = Path(task.path).with_suffix(".json")
    file.write_text(json.dumps(application(task)), encoding="utf-8")
    environment = dict(
        os.environ, PYTHONPATH=str(Path(__file__).parent), TIMEFLUX_LOG_LEVEL_CONSOLE="ERROR", TIMEFLUX_SLEEP="0"
    )
    # It stops its workers with SIGINT, which a process started in the background would ignore, and so would they.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    command = [Path(sys.executable).parent / "timeflux", file]
    sys.exit(subprocess.run(command, env=environment, cwd=file.parent, check=False).returncode)


if __name__ == "__main__":
    main()
