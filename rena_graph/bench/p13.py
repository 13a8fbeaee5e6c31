"""P13: the coordinator's state machine under the beats of a hundred hosts.

Run as a program this module is the measurement: it feeds a :class:`~rena_graph.runtime.coordinator.machine.Coordinator`
of 5000 nodes with what 100 host agents would report, as fast as it can, in simulated time. Simulated are the hosts, the
nodes and the clock; real are the machine, the messages (unpickled, as Ray hands them over) and what comes of them.
"""

from __future__ import annotations

import json
import pickle
import resource
import subprocess
import sys
import time
from typing import Any

from rena_graph.bench.figures import Figure
from rena_graph.bench.rows import Bench
from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.document import NodeDef
from rena_graph.runtime.coordinator.machine import Coordinator, Phase
from rena_graph.runtime.coordinator.signals import (
    HostPrepared,
    Instruction,
    NodeGone,
    NodeReported,
    RunNode,
    StaleSeen,
    StartNode,
    Tick,
)
from rena_graph.runtime.lifecycle import NodeState

__all__ = ["Simulation", "measure"]

HOSTS, NODES, BEATS = 100, 50, 4
"""Hosts, nodes of each, beats a second of each."""
LEVELS = 10
"""How deep the simulated cascade is."""
TICKS = 10
"""A second: how often the shell tells the machine that time passed."""
DEATHS = 1.0
"""Nodes a second that die and come back, and as many that are stale for a while."""
STALE_SECONDS = 1.5
SHARE = 10.0
"""Percent of a core."""
FLAT = 128.0
"""Kilobytes by which the process may have grown in the second half of the measurement: the allocator's grain."""
SECONDS, QUICK_SECONDS = 40.0, 8.0


class Simulation:
    """A run of 5000 nodes, as its coordinator sees it.

    Parameters
    ----------
    hosts, nodes : int
        How many hosts, and how many nodes each of them has.
    """

    def __init__(self, hosts: int = HOSTS, nodes: int = NODES) -> None:
        self.names = [f"node-{host}-{k}" for host in range(hosts) for k in range(nodes)]
        definition = NodeDef.model_validate({"script": "s.py", "run_frequency": 250})
        levels = [self.names[level::LEVELS] for level in range(LEVELS)]
        self.machine = Coordinator(dict.fromkeys(self.names, definition), levels)
        self.reports: list[dict[str, Any]] = [{}] * hosts
        self.beats = [
            pickle.dumps({"event": "beat", "console": [], "stale": [], "report": _report(self.names[k::hosts])})
            for k in range(hosts)
        ]
        self.now = 0.0
        self._hosts = hosts
        self._stale: dict[str, float] = {}
        self._next_death = 1.0 / DEATHS
        self._victim = 0
        self._waiting: list[tuple[str, int, NodeState]] = []
        self._carry_out(self.machine.begin(0.0))
        self._carry_out(self.machine.handle(HostPrepared(), 0.0))
        self._live()
        self._live()

    def run(self, seconds: float) -> None:
        """Let so much simulated time pass: every host's beats, the shell's ticks, now and then a death."""
        hosts = self._hosts
        step = 1.0 / (hosts * BEATS)
        ticks_every = max(1, round(1.0 / (TICKS * step)))
        for beat in range(round(seconds * hosts * BEATS)):
            self.now += step
            message = pickle.loads(self.beats[beat % hosts])
            self.reports[beat % hosts] = message["report"]
            self._carry_out(self.machine.handle(StaleSeen(self._silent()), self.now))
            if beat % ticks_every == 0:
                self._carry_out(self.machine.handle(Tick(), self.now))
                self._live()
                self._let_one_die()

    def _silent(self) -> tuple[tuple[str, int, float], ...]:
        for name in [name for name, since in self._stale.items() if self.now - since > STALE_SECONDS]:
            del self._stale[name]
        nodes = self.machine.nodes
        return tuple((name, nodes[name].epoch, 1.0 + self.now - since) for name, since in self._stale.items())

    def _let_one_die(self) -> None:
        if self.now < self._next_death:
            return
        self._next_death += 1.0 / DEATHS
        # Primes with the number of nodes, so that all have their turn.
        self._victim = (self._victim + 1009) % len(self.names)
        name = self.names[self._victim]
        self._stale[self.names[self._victim - 1]] = self.now
        epoch = self.machine.nodes[name].epoch
        self._carry_out(self.machine.handle(NodeGone(name, epoch, "its process died"), self.now))

    def _carry_out(self, instructions: list[Instruction]) -> None:
        """What the shell would do: nodes that are placed live, and say so a moment later."""
        for instruction in instructions:
            match instruction:
                case RunNode(node, epoch):
                    self._waiting.append((node, epoch, NodeState.READY))
                case StartNode(node, epoch):
                    self._waiting.append((node, epoch, NodeState.RUNNING))

    def _live(self) -> None:
        waiting, self._waiting = self._waiting, []
        for name, epoch, state in waiting:
            self._carry_out(self.machine.handle(NodeReported(name, epoch, state), self.now))


def _report(names: list[str]) -> dict[str, Any]:
    """What a host agent's look at its board gives for these nodes, each with an input and an output."""
    node = dict.fromkeys(
        ("frequency", "rate", "loops", "loop_mean", "loop_p99", "loop_max", "own_mean", "lateness_p99", "skipped",
         "overruns", "exceptions", "bad_outputs", "discarded", "console_dropped", "age", "pid"), 12345.678,
    )  # fmt: skip
    stream = dict.fromkeys(
        ("produced", "rate", "nominal_rate", "channels", "dtype", "source_state", "gaps", "lost", "rejected",
         "recoveries", "backwards", "reanchored", "block_timeouts", "epoch"), 12345,
    )  # fmt: skip
    edge = {"produced": 12345, "delivered": 12345, "dropped": {}, "in_flight": 1, "filled": 0, "repeated": 0}
    return {
        "nodes": {name: dict(node) for name in names},
        "streams": {f"S-{name}": dict(stream) for name in names},
        "edges": [{"stream": f"S-{name}", "to": name, **edge} for name in names],
    }


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    rounds = []
    for k in range(bench.rounds):
        bench.say(f"the state machine with {HOSTS} hosts of {NODES} nodes: round {k + 1} of {bench.rounds}")
        rounds.append(_in_process(seconds))

    def values(name: str) -> tuple[float, ...]:
        return tuple(each[name] for each in rounds)

    share = "% of a core"
    return [
        Figure(f"{HOSTS} hosts of {NODES} nodes", share, values("share"), at_most=SHARE),
        Figure("the beats' unpickling alone", share, values("bare")),
        Figure("grown in the second half", "kB", values("grown"), at_most=FLAT),
        Figure("restarts carried out", "nodes", values("restarts")),
    ]


def _in_process(seconds: float) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-m", __name__, str(seconds)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentRefused(f"the state machine could not be measured:\n{done.stderr}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _main(seconds: float) -> dict[str, float]:
    simulation = Simulation()
    if simulation.machine.phase is not Phase.RUNNING:
        raise EnvironmentRefused(f"the simulated run is {simulation.machine.phase}, not running")
    simulation.run(1.0)
    began = time.process_time()
    simulation.run(seconds / 2)
    half = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    simulation.run(seconds / 2)
    took = time.process_time() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - half
    beats = round(seconds * HOSTS * BEATS)
    began = time.process_time()
    for beat in range(beats):
        pickle.loads(simulation.beats[beat % HOSTS])
    bare = time.process_time() - began
    return {
        "share": 100 * took / seconds,
        "bare": 100 * bare / seconds,
        "grown": float(grown),
        "restarts": float(sum(record.restarts for record in simulation.machine.nodes.values())),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_main(float(sys.argv[1]))))
