"""Growth with nodes: what each of them costs beside more and more others, what supervision costs, and the start."""

from __future__ import annotations

from typing import Any

from rena_graph.bench.growth.costs import run_costs
from rena_graph.bench.growth.series import Line, Values, gather
from rena_graph.bench.rows import Bench

__all__ = ["document", "measure"]

SIZES, QUICK_SIZES = (1, 2, 5, 10, 20, 50), (1, 4)
FREQUENCY, CHANNELS = 50.0, 8
SECONDS, QUICK_SECONDS = 2.0, 0.8
UNITS = {
    "a node, processor time a loop": "µs",
    "the producer, processor time a loop": "µs",
    "coordinator and host agent": "% of a core",
    "from launch to first sample": "s",
}


def document(nodes: int) -> dict[str, Any]:
    """One producer, and nodes on data that each pass on what it sends."""
    output = {"channels": CHANNELS, "dtype": "float64", "rate": FREQUENCY}
    producer = {
        "script": "producer.py",
        "run_frequency": FREQUENCY,
        "outputs": {"S": output},
        "params": {"samples": 1, "messages": 1 << 30},
    }
    relay = {"script": "relay.py", "trigger": "data", "run_frequency": 1000, "inputs": ["S"]}
    relays = {f"relay-{k}": {**relay, "outputs": {f"R{k}": output}} for k in range(1, nodes)}
    return {"version": 1, "name": "bench-nodes", "nodes": {"producer": producer, **relays}}


def measure(bench: Bench) -> tuple[tuple[float, ...], tuple[Line, ...], str]:
    """See the table of series."""

    def at(nodes: float) -> Values:
        bench.say(f"{nodes:g} nodes")
        costs = run_costs(document(int(nodes)), QUICK_SECONDS if bench.quick else SECONDS, bench.ray())
        # Where there is one node alone, it is the producer.
        values = costs.cpu_of("relay"), costs.cpu_of("producer"), costs.supervision, costs.start
        return dict(zip(UNITS, values, strict=True))

    sizes = QUICK_SIZES if bench.quick else SIZES
    return sizes, gather(sizes, bench.rounds, at, UNITS), ""
