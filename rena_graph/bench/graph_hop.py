"""One hop through a real graph: a producer node on the clock, a consumer node on data, each a Ray actor."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rena_graph.bench.graph_run import run_graph
from rena_graph.bench.payload import Payload

__all__ = ["HopRun", "hop_document", "run_hop"]

_SETTLE = 0.5
"""Seconds beyond the time that the messages take, after which the graph is stopped."""


@dataclass(frozen=True)
class HopRun:
    """What one run of the graph gave.

    Attributes
    ----------
    times : ndarray of int64, shape (received, 3)
        Sequence number, and monotonic nanoseconds at which ``loop()`` sent and ``loop()`` received.
    own_cost : dict of str to float
        Microseconds that a loop of each node took beyond its script, in the mean.
    """

    times: NDArray[np.int64]
    own_cost: dict[str, float]


def hop_document(
    payload: Payload,
    messages: int,
    access: Literal["copy", "view"],
    window: float,
    path: Path,
    hops: int = 1,
    spin: float = 0.0,
) -> dict[str, Any]:
    """The graph, as it would stand in a file.

    Parameters
    ----------
    payload : Payload
        What is sent.
    messages : int
        How many times.
    access : {'copy', 'view'}
        How the consumer gets at it.
    window : float
        Seconds that the consumer's input window holds.
    path : Path
        Where the consumer saves what it noted.
    hops : int
        From the producer to the consumer: nodes in between pass on what they get.
    spin : float
        Seconds that each node is awake before its deadline or data.
    """
    output = {"channels": payload.channels, "dtype": payload.dtype, "rate": payload.rate * payload.samples}
    on_data = {"trigger": "data", "run_frequency": 1000, "buffer_duration": window}
    nodes: dict[str, Any] = {
        "producer": {
            "script": "producer.py",
            "run_frequency": payload.rate,
            "outputs": {"Message": output},
            "params": {"samples": payload.samples, "messages": messages},
        },
    }
    last = "Message"
    for k in range(1, hops):
        nodes[f"relay-{k}"] = {"script": "relay.py", **on_data, "inputs": [last], "outputs": {f"Message-{k}": output}}
        last = f"Message-{k}"
    nodes["consumer"] = {
        "script": "consumer.py",
        **on_data,
        "inputs": [{"stream": last, "access": access}],
        "params": {"samples": payload.samples, "messages": messages, "path": str(path)},
    }
    return {"version": 1, "name": "bench-hop", "nodes": {name: {**node, "spin": spin} for name, node in nodes.items()}}


def run_hop(
    payload: Payload,
    messages: int,
    address: str,
    *,
    access: Literal["copy", "view"] = "copy",
    window: float = 1.0,
    hops: int = 1,
    spin: float = 0.0,
) -> HopRun:
    """Send messages from one node to another; see :func:`hop_document`."""
    with tempfile.TemporaryDirectory(prefix="rena-graph-bench-") as folder:
        path = Path(folder) / "times.npy"
        document = hop_document(payload, messages, access, window, path, hops, spin)
        status = run_graph(document, messages / payload.rate + _SETTLE, address)
        times: NDArray[np.int64] = np.load(path, allow_pickle=False)
    cost = {name: node["own_mean"] * 1e6 for name, node in status["nodes"].items() if node["own_mean"] is not None}
    return HopRun(times, cost)
