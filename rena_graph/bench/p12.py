"""P12: what supervision costs: coordinator and host agent beside twenty nodes, and a node's own work in each loop.

Run as a program this module is the bare loop that a node's is compared with: it sleeps until absolute deadlines, calls
an empty function, and prints the processor time that a turn took.
"""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from rena_graph.bench.bare_actors import bare_actors
from rena_graph.bench.cpu import cpu_seconds, main_thread_seconds, pid_of_actor
from rena_graph.bench.figures import Figure
from rena_graph.bench.graph_run import running_graph
from rena_graph.bench.rows import Bench

__all__ = ["fan_document", "measure"]

NODES, FREQUENCY, CHANNELS = 20, 250.0, 8
SECONDS, QUICK_SECONDS = 6.0, 2.0
SETTLE = 1.0
"""Seconds after the start that are not counted: processes are still being made room for."""
SHARE = 5.0
"""Percent of a core."""
OWN_COST = 20.0
"""Microseconds."""


def fan_document(nodes: int, frequency: float = FREQUENCY, channels: int = CHANNELS) -> dict[str, Any]:
    """One producer, and nodes on the clock that each pass on what it sends, one sample a loop: `nodes` in all."""
    output = {"channels": channels, "dtype": "float64", "rate": frequency}
    document: dict[str, Any] = {"version": 1, "name": "bench-fan", "nodes": {}}
    document["nodes"]["producer"] = {
        "script": "producer.py",
        "run_frequency": frequency,
        "outputs": {"S": output},
        "params": {"samples": 1, "messages": 1 << 30},
    }
    for k in range(1, nodes):
        document["nodes"][f"relay-{k}"] = {
            "script": "relay.py",
            "run_frequency": frequency,
            "inputs": ["S"],
            "outputs": {f"R{k}": output},
        }
    return document


@dataclass
class _Rounds:
    """One entry a round, all in percent of a core or microseconds a loop."""

    coordinator: list[float] = field(default_factory=list)
    agent: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    slowest: list[float] = field(default_factory=list)
    node: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    counted: list[float] = field(default_factory=list)


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    rounds = _Rounds()
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    for k in range(bench.rounds):
        bench.say(f"supervision of {NODES} nodes: round {k + 1} of {bench.rounds}")
        _supervision(rounds, bench.ray(), seconds)
        bench.say(f"a node's own cost: round {k + 1} of {bench.rounds}")
        _own_cost(rounds, bench.ray(), seconds)
    return _figures(rounds)


def _figures(rounds: _Rounds) -> list[Figure]:
    both = tuple(a + b for a, b in zip(rounds.coordinator, rounds.agent, strict=True))
    beyond = tuple(a - b for a, b in zip(rounds.node, rounds.bare, strict=True))
    share = "% of a core"
    return [
        Figure(f"{NODES} nodes: coordinator and agent", share, both, at_most=SHARE),
        Figure(f"{NODES} nodes: coordinator alone", share, tuple(rounds.coordinator)),
        Figure(f"{NODES} nodes: agent alone", share, tuple(rounds.agent)),
        Figure("two idle Ray actors beside them", share, tuple(rounds.idle)),
        Figure(f"{NODES} nodes: slowest node's rate", "Hz", tuple(rounds.slowest)),
        Figure("a node's loop beyond script and bare loop", "µs", beyond, at_most=OWN_COST),
        Figure("a node's loop beyond its script", "µs", tuple(rounds.node), "bare loop", tuple(rounds.bare)),
        Figure("the same as the node counts it (no sleep)", "µs", tuple(rounds.counted)),
    ]


def _supervision(rounds: _Rounds, address: str, seconds: float) -> None:
    """Coordinator and agent of a running graph, and actors that do nothing, over the same time."""
    from rena_graph.runtime.folders import runtime_dir

    with bare_actors(2, address) as idle, running_graph(fan_document(NODES), address) as run:
        runtime = runtime_dir() / run.id
        pids = [pid_of_actor(runtime, "CoordinatorActor"), pid_of_actor(runtime, "AgentActor"), *idle]
        run.wait(SETTLE)
        loops = {name: node["loops"] for name, node in run.status()["nodes"].items()}
        began, before = time.monotonic(), [cpu_seconds(pid) for pid in pids]
        run.wait(seconds)
        took, after = time.monotonic() - began, [cpu_seconds(pid) for pid in pids]
        ended = run.status()["nodes"]
    shutil.rmtree(run.folder, ignore_errors=True)
    coordinator, agent, *bare = [100 * (b - a) / took for a, b in zip(before, after, strict=True)]
    rounds.coordinator.append(coordinator)
    rounds.agent.append(agent)
    rounds.idle.append(sum(bare))
    rounds.slowest.append(min((ended[name]["loops"] - count) / took for name, count in loops.items()))


def _own_cost(rounds: _Rounds, address: str, seconds: float) -> None:
    """One node beside its producer, and the bare loop at the same time, on cores that are otherwise idle."""
    with ExitStack() as stack:
        run = stack.enter_context(running_graph(fan_document(2), address))
        bare = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", __name__, str(seconds)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
            )
        )
        stack.callback(bare.kill)
        run.wait(SETTLE)
        before = _used(run.status())
        run.wait(seconds)
        after = _used(run.status())
        taken, _ = bare.communicate()
    shutil.rmtree(run.folder, ignore_errors=True)
    loops, cpu, script, own = (b - a for a, b in zip(before, after, strict=True))
    rounds.node.append((cpu - script) / loops * 1e6)
    rounds.counted.append(own / loops * 1e6)
    rounds.bare.append(float(taken))


def _used(status: dict[str, Any]) -> tuple[float, float, float, float]:
    """Of the relay: its loops, and seconds of its main thread, of its script, and of our own work as it counts them."""
    node = status["nodes"]["relay-1"]
    loops = node["loops"]
    return loops, main_thread_seconds(node["pid"]), loops * node["loop_mean"], loops * node["own_mean"]


def _nothing() -> None:
    """What the bare loop calls in the place of a script's ``loop()``."""


def _run_bare(seconds: float) -> float:
    """Microseconds of processor time that a turn of the bare loop takes."""
    from rena_graph.transport.punctual import be_punctual

    clock, sleep = time.monotonic, time.sleep
    gc.disable()
    be_punctual()
    start, turns = clock(), int(seconds * FREQUENCY)
    before = time.thread_time_ns()
    for turn in range(1, turns + 1):
        wait = start + turn / FREQUENCY - clock()
        if wait > 0:
            sleep(wait)
        _nothing()
    return (time.thread_time_ns() - before) / turns / 1e3


if __name__ == "__main__":
    sys.stdout.write(str(_run_bare(float(sys.argv[1]))))
