"""Finds the values of metrics in what a run answers to ``metrics`` on its control socket. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rena_graph import __version__
from rena_graph.bridges.base import SourceState
from rena_graph.runtime.coordinator.host_watch import HostState
from rena_graph.runtime.lifecycle import NodeState
from rena_graph.transport.edge_reader import DROP_COLUMNS
from rena_graph.transport.histogram import BUCKETS, upper_edge

__all__ = ["EDGES", "Answer", "Samples", "metrics_answer", "thinned"]

Answer = Mapping[str, Any]
Samples = Iterator[tuple[Sequence[str], Any]]
"""Values of the labels, and the value; of a histogram ``(counts, sum)``."""
Finder = Callable[[Answer], Samples]

EDGES = tuple(range(19, 107, 4))
"""Buckets whose upper edges are kept: whole octaves, from 32 µs to 67 s. Prometheus pays for each one."""


def metrics_answer(status: Answer, detail: Answer, coordinator_cpu: float) -> dict[str, Any]:
    """What the coordinator answers to ``metrics``.

    Parameters
    ----------
    status : mapping
        As ``status`` gives it.
    detail : mapping
        See :func:`rena_graph.runtime.coordinator.reports.merged_details`; empty before there is a board.
    coordinator_cpu : float
        Seconds of processor time.
    """
    agents = detail.get("agents", {})
    processes = [(next(iter(agents), ""), "coordinator", coordinator_cpu)]
    processes += [(host, "agent", seconds) for host, seconds in agents.items()]
    empty: dict[str, Any] = {"histograms": {}, "latencies": [], "gpu_memory": {}, "hosts": {}}
    facts = {"version": __version__, "reasons": list(DROP_COLUMNS), "processes": processes}
    return {"status": dict(status), **{key: detail.get(key, value) for key, value in empty.items()}, **facts}


def thinned(counts: Sequence[int]) -> list[tuple[float, int]]:
    """A histogram's cells as Prometheus wants them: upper edges in seconds, and counts up to each; less the last one.

    What is longer than the last edge is in the sum of all cells only.
    """
    found: list[tuple[float, int]] = []
    below = at = 0
    for bucket in EDGES:
        below += sum(counts[at : bucket + 1])
        at = bucket + 1
        found.append((upper_edge(bucket), below))
    return found


def _middle(bucket: int) -> float:
    return (upper_edge(bucket) + (upper_edge(bucket - 1) if bucket else 0.0)) / 2


_MIDDLES = tuple(_middle(bucket) for bucket in range(BUCKETS))


def run(key: str) -> Finder:
    """A fact of the run."""

    def samples(answer: Answer) -> Samples:
        yield (), answer["status"][key]

    return samples


def info(answer: Answer) -> Samples:
    """Which run it is."""
    status = answer["status"]
    yield (status["run"], status["graph"], status["transport"], answer["version"]), 1


def node(key: str) -> Finder:
    """A figure of each node that has it."""

    def samples(answer: Answer) -> Samples:
        for name, node in answer["status"]["nodes"].items():
            if node.get(key) is not None:
                yield (name,), node[key]

    return samples


def node_states(answer: Answer) -> Samples:
    """Every state of each node: 1 for the one that it is in."""
    for name, node in answer["status"]["nodes"].items():
        for state in NodeState:
            yield (name, state.label), int(node["state"] == state.label)


def histogram(key: str, exact_sum: str | None = None) -> Finder:
    """A histogram of each node. The sum is taken from the middles of the buckets unless it is known exactly."""

    def samples(answer: Answer) -> Samples:
        for name, cells in answer["histograms"].items():
            counts = cells[key]
            total = cells[exact_sum] if exact_sum is not None else _sum(counts)
            yield (name,), (counts, total)

    return samples


def _sum(counts: Sequence[int]) -> float:
    """From the middles of the buckets, an eighth off at most."""
    return sum(count * middle for count, middle in zip(counts, _MIDDLES, strict=True) if count)


def latencies(answer: Answer) -> Samples:
    """The end-to-end latency of each sink."""
    for sink in answer["latencies"]:
        yield (sink["stream"], sink["to"]), (sink["counts"], _sum(sink["counts"]))


def edge(key: str) -> Finder:
    """A figure of each edge."""

    def samples(answer: Answer) -> Samples:
        for edge in answer["status"]["edges"]:
            yield (edge["stream"], edge["to"]), edge[key]

    return samples


def handed(answer: Answer) -> Samples:
    """What was handed out on each edge: it never falls, as what is delivered does when a node goes back."""
    for edge in answer["status"]["edges"]:
        yield (edge["stream"], edge["to"]), edge["delivered"] + edge["repeated"]


def dropped(answer: Answer) -> Samples:
    """What was dropped on each edge, by reason."""
    for edge in answer["status"]["edges"]:
        # Each reason from the start: a series that begins with its first loss has no rate then.
        for reason in answer["reasons"]:
            yield (edge["stream"], edge["to"], reason), edge["dropped"].get(reason, 0)


def stream(key: str, *, external: bool = False) -> Finder:
    """A figure of each stream, or of those from outside."""

    def samples(answer: Answer) -> Samples:
        for name, stream in answer["status"]["streams"].items():
            if not external or stream["source_state"] is not None:
                yield (name,), stream[key]

    return samples


def source_states(answer: Answer) -> Samples:
    """Every state of each external stream: 1 for the one that it is in."""
    for name, stream in answer["status"]["streams"].items():
        if stream["source_state"] is not None:
            for state in SourceState:
                if state is not SourceState.NONE:
                    yield (name, state.name.lower()), int(stream["source_state"] == state.name.lower())


def gpu(answer: Answer) -> Samples:
    """GPU memory of each node that has some."""
    for name, size in answer["gpu_memory"].items():
        yield (name,), size


def host(part: str) -> Finder:
    """A part of what is used of each host."""

    def samples(answer: Answer) -> Samples:
        for name, used in answer["hosts"].items():
            for mode, value in used.get(part, {}).items():
                yield (name, mode), value

    return samples


def host_states(answer: Answer) -> Samples:
    """Every state of each host: 1 for the one that it is in."""
    for name, found in answer["status"]["hosts"].items():
        if found.get("state") is not None:
            for state in HostState:
                yield (name, state.value), int(found["state"] == state.value)


def clock(fact: str) -> Finder:
    """A fact of the clock of each host whose own is not graph time."""

    def samples(answer: Answer) -> Samples:
        for name, found in answer["status"]["hosts"].items():
            if found.get("clock") is not None:
                yield (name,), found["clock"][fact]

    return samples


def process_cpu(answer: Answer) -> Samples:
    """Processor time of the run's own processes."""
    for host, process, seconds in answer["processes"]:
        yield (host, process), seconds


def node_hosts(answer: Answer) -> Samples:
    """On which host each node is."""
    for name, node in answer["status"]["nodes"].items():
        if node.get("host") is not None:
            yield (name, node["host"]), 1
