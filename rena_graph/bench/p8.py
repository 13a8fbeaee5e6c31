"""P8: density: a chain of nodes that pass 8 channels on at 250 Hz, each a process; how long it can be made."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rena_graph.bench.figures import Figure
from rena_graph.bench.graph_hop import hop_document
from rena_graph.bench.graph_run import running_graph
from rena_graph.bench.payload import Payload
from rena_graph.bench.peers.chains import measure_peer
from rena_graph.bench.peers.installed import PEER_NAMES, find_interpreter, what_is_missing
from rena_graph.bench.rows import Bench
from rena_graph.errors import EnvironmentRefused

__all__ = ["kept_rate", "longest", "measure"]

PAYLOAD = Payload("8 channels", 1, 8, "float64", 250.0, 1000, 500)
PEERS = ("ezmsg", "dora")
LENGTHS = (4, 8, 16, 32, 48, 64, 96)
"""Processes of the chains that are tried, source and sink among them."""
QUICK_LONGEST = 4
KEPT = 0.99
AT_LEAST = 2.0
SETTLE_EACH = 0.15
"""Seconds that each process of a chain is given to come up, before the first message."""
_LEAD = 250
"""Messages at the beginning that are not counted: a second."""


def kept_rate(times: NDArray[np.int64], messages: int, rate: float) -> float:
    """The smaller of two shares: of the messages that arrived, and of the rate at which they did."""
    counted = times[times[:, 0] >= min(_LEAD, messages // 4)]
    if len(counted) < 2:
        return 0.0
    arrived = len(np.unique(counted[:, 0])) / (messages - min(_LEAD, messages // 4))
    span = (counted[-1, 2] - counted[0, 2]) / 1e9
    return float(min(arrived, (counted[-1, 0] - counted[0, 0]) / span / rate))


def longest(keeps: Callable[[int], bool], lengths: Iterable[int]) -> int:
    """The largest of these lengths, tried in turn, up to which all are kept; 0 where none is."""
    best = 0
    for length in lengths:
        if not keeps(length):
            break
        best = length
    return best


def _ours(length: int, messages: int, address: str) -> bool:
    """Whether a chain of so many nodes passes everything on, and each node's loops keep the rate."""
    with tempfile.TemporaryDirectory(prefix="rena-graph-bench-") as folder:
        path = Path(folder) / "times.npy"
        document = hop_document(PAYLOAD, messages, "copy", 1.0, path, hops=length - 1)
        with running_graph(document, address) as run:
            run.wait(1.0)
            before = {name: node["loops"] for name, node in run.status()["nodes"].items()}
            run.wait(messages / PAYLOAD.rate - 1.5)
            after = {name: node["loops"] for name, node in run.status()["nodes"].items()}
            run.wait(1.0)
        shutil.rmtree(run.folder, ignore_errors=True)
        times: NDArray[np.int64] = np.load(path, allow_pickle=False)
    loops = [after[name] - before[name] for name in before]
    return kept_rate(times, messages, PAYLOAD.rate) >= KEPT and min(loops) >= KEPT * max(loops)


def _theirs(peer: str, peers: Path | None, messages: int, length: int) -> bool:
    assert peers is not None  # it was found there
    try:
        times = measure_peer(peer, peers, PAYLOAD, messages, hops=length - 1, settle=SETTLE_EACH * length)
    except EnvironmentRefused:
        return False  # it did not come up, or not to its end: too many for it
    return kept_rate(times, messages, PAYLOAD.rate) >= KEPT


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows. Each length is tried once more where it was not kept: others may have been at work."""
    messages = PAYLOAD.quick_messages if bench.quick else PAYLOAD.messages
    lengths = [length for length in LENGTHS if not bench.quick or length <= QUICK_LONGEST]

    def most(what: str, keeps: Callable[[int], bool]) -> int:
        def twice(length: int) -> bool:
            bench.say(f"density of {what}: {length} processes")
            return keeps(length) or keeps(length)

        return longest(twice, lengths)

    theirs = {}
    for peer in PEERS:
        if find_interpreter(peer, bench.peers) is not None:
            theirs[peer] = most(PEER_NAMES[peer], partial(_theirs, peer, bench.peers, messages))
    ours = most("rena_graph", lambda length: _ours(length, messages, bench.ray()))
    best = max(theirs, key=lambda peer: theirs[peer], default=None)
    return [
        Figure(
            "nodes, all at 99 % of 250 Hz",
            "nodes",
            (float(ours),),
            PEER_NAMES[peer],
            (float(theirs.get(peer, math.nan)),),
            at_least=AT_LEAST if peer == best or best is None else None,
            missing="" if peer in theirs else what_is_missing(peer, bench.peers),
        )
        for peer in PEERS
    ]
