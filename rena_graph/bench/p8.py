"""P8: density: a chain of nodes that pass 8 channels on at 250 Hz, each a process; how long it can be made."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

__all__ = ["Chain", "kept_rate", "longest", "measure"]

PAYLOAD = Payload("8 channels", 1, 8, "float64", 250.0, 2000, 500)
PEERS = ("ezmsg", "dora")
LENGTHS = (4, 8, 16, 32, 48, 64, 96, 128)
"""Processes of the chains that may be tried, source and sink among them."""
FIRST, FIRST_PEER = 64, 32
"""Those that are tried first: longer ones next if all is kept, else shorter ones."""
QUICK_LONGEST = 4
KEPT, NEARLY_KEPT = 0.99, 0.95
"""The share that is asked for, and that from which on a chain has a second chance: others may have been at work."""
AT_LEAST = 2.0
SETTLE_EACH = 0.15
"""Seconds that each process of a chain is given to come up, before the first message."""
_LEAD = 250
"""Messages at the beginning that are not counted: a second."""


@dataclass(frozen=True)
class Chain:
    """How a chain did.

    Parameters
    ----------
    rate : float
        See :func:`kept_rate`; 0 where it did not come up.
    latency : float
        Milliseconds from end to end, the median.
    loops : float
        Share of the busiest node's loops that the one with the fewest made: less than 1 where samples were passed on
        several at a time. NaN where nothing is known of that.
    """

    rate: float = 0.0
    latency: float = math.nan
    loops: float = math.nan


def kept_rate(times: NDArray[np.int64], messages: int, rate: float) -> float:
    """The smallest of three shares: of the messages that arrived, and of the rate at the source and at the sink.

    Both rates are those of the time in which the source sends: what is still on its way when it ends goes faster,
    since less and less is at work then, and would hide that a chain falls behind.
    """
    lead = min(_LEAD, messages // 4)
    counted = times[times[:, 0] >= lead]
    if len(counted) < 2:
        return 0.0
    begin, end = int(counted[0, 1]), int(counted[:, 1].max())
    expected = (end - begin) / 1e9 * rate
    arrived = len(np.unique(counted[:, 0])) / (messages - lead)
    sent = (counted[:, 0].max() - counted[0, 0]) / expected
    came = np.count_nonzero((times[:, 2] >= begin) & (times[:, 2] <= end)) / expected
    return float(min(arrived, sent, came))


def longest(keeps: Callable[[int], bool], lengths: Sequence[int], first: int = 0) -> int:
    """The largest of these lengths up to which all is kept; 0 where none is.

    Parameters
    ----------
    keeps : callable
        Whether a chain of a length keeps all; asked once for each that has to be known.
    lengths : sequence of int
        In ascending order.
    first : int
        Where to begin: upwards if all is kept there, else downwards.
    """
    start = max((k for k, length in enumerate(lengths) if length <= first), default=0)
    if not keeps(lengths[start]):
        return next((length for length in reversed(lengths[:start]) if keeps(length)), 0)
    best = lengths[start]
    for length in lengths[start + 1 :]:
        if not keeps(length):
            break
        best = length
    return best


def _ours(bench: Bench, messages: int, length: int) -> Chain:
    with tempfile.TemporaryDirectory(prefix="rena-graph-bench-") as folder:
        path = Path(folder) / "times.npy"
        document = hop_document(PAYLOAD, messages, "copy", 1.0, path, hops=length - 1)
        with running_graph(document, bench.ray()) as run:
            run.wait(1.0)
            before = {name: node["loops"] for name, node in run.status()["nodes"].items()}
            run.wait(messages / PAYLOAD.rate - 1.5)
            after = {name: node["loops"] for name, node in run.status()["nodes"].items()}
            run.wait(1.0)
        shutil.rmtree(run.folder, ignore_errors=True)
        times: NDArray[np.int64] = np.load(path, allow_pickle=False)
    loops = [after[name] - before[name] for name in before]
    return Chain(kept_rate(times, messages, PAYLOAD.rate), _latency(times), min(loops) / max(1, *loops))


def _theirs(bench: Bench, messages: int, peer: str, length: int) -> Chain:
    assert bench.peers is not None  # it was found there
    try:
        times = measure_peer(peer, bench.peers, PAYLOAD, messages, hops=length - 1, settle=SETTLE_EACH * length)
    except EnvironmentRefused:
        return Chain()  # it did not come up, or not to its end: too many for it
    return Chain(kept_rate(times, messages, PAYLOAD.rate), _latency(times))


def _latency(times: NDArray[np.int64]) -> float:
    counted = times[len(times) // 4 :]
    return float(np.median(counted[:, 2] - counted[:, 1])) / 1e6 if len(counted) else math.nan


class _Chains:
    """The chains of one framework, each length run when it is first asked for."""

    def __init__(self, bench: Bench, name: str, run: Callable[[int], Chain]) -> None:
        self._bench = bench
        self._name = name
        self._run = run
        self._done: dict[int, Chain] = {}

    def of(self, length: int) -> Chain:
        """How it did; tried once more where the rate was nearly kept."""
        for _ in range(2):
            if length not in self._done or NEARLY_KEPT <= self._done[length].rate < KEPT:
                self._bench.say(f"density of {self._name}: {length} processes")
                self._done[length] = self._run(length)
        return self._done[length]

    def longest(self, lengths: Sequence[int], first: int, held: Callable[[Chain], float]) -> int:
        """The largest of these lengths of which what is `held` is 99 % or more."""
        known: dict[int, bool] = {}

        def keeps(length: int) -> bool:
            if length not in known:
                known[length] = held(self.of(length)) >= KEPT
            return known[length]

        return longest(keeps, lengths, first)


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    messages = PAYLOAD.quick_messages if bench.quick else PAYLOAD.messages
    lengths = [length for length in LENGTHS if not bench.quick or length <= QUICK_LONGEST]
    peers, most = {}, {}
    for peer in PEERS:
        if find_interpreter(peer, bench.peers) is not None:
            peers[peer] = _Chains(bench, PEER_NAMES[peer], partial(_theirs, bench, messages, peer))
            most[peer] = peers[peer].longest(lengths, FIRST_PEER, lambda chain: chain.rate)
    chains = _Chains(bench, "rena_graph", partial(_ours, bench, messages))
    ours = chains.longest(lengths, FIRST, lambda chain: chain.rate)
    best = max(most, key=lambda peer: most[peer], default=None)
    figures = [
        Figure(
            "nodes, all at 99 % of 250 Hz",
            "nodes",
            (float(ours),),
            PEER_NAMES[peer],
            (float(most.get(peer, math.nan)),),
            at_least=AT_LEAST if peer == best or best is None else None,
            missing="" if peer in most else what_is_missing(peer, bench.peers),
        )
        for peer in PEERS
    ]
    single = chains.longest([n for n in lengths if n <= ours], ours, lambda chain: min(chain.rate, chain.loops))
    figures.append(Figure("nodes, each sample a loop of its own", "nodes", (float(single),)))
    figures.append(Figure("end to end through the longest", "ms", (chains.of(ours).latency if ours else math.nan,)))
    if best is not None and most[best]:
        name, length = PEER_NAMES[best], most[best]
        here, there = (chain.of(length).latency for chain in (chains, peers[best]))
        figures.append(Figure(f"end to end through {length} nodes", "ms", (here,), name, (there,)))
    return figures
