"""A running graph in plain lines: what ``rena-graph status`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rena_graph.cli.output import columns
from rena_graph.cli.view.clocks import clock_lines
from rena_graph.cli.view.hosts import host_lines
from rena_graph.cli.view.keeping import keeping_lines
from rena_graph.cli.view.latency import age_lines, sink_lines
from rena_graph.cli.view.ledger import ledger_lines, source_lines
from rena_graph.cli.view.numbers import NONE, asked_rate, clock_time, count, duration, rate

__all__ = ["report_lines"]

_NODES = ("node", "state", "asked Hz", "reached", "loop mean", "p99", "overruns", "skipped", "errors", "dropped",
          "data age", "restarts")  # fmt: skip
_STREAMS = ("stream", "source", "rate Hz", "samples", "age", "gaps", "lost", "rejected")


def report_lines(status: Mapping[str, Any]) -> list[str]:
    """All of it; `status` as :func:`rena_graph.cli.view.status.complete` gives it."""
    lines = [
        f"{status['graph']} is {status['state']}, for {clock_time(status['uptime'])}; run {status['run']}, "
        f"{status['transport']}{', detached' if status.get('detached') else ''}"
    ]
    nodes, streams = status["nodes"], status["streams"]
    if nodes:
        lines += ["", *columns(_node_rows(nodes), _NODES)]
    if streams:
        lines += ["", *columns(_stream_rows(streams), _STREAMS)]
    if ages := age_lines(nodes):
        lines += ["", *ages]
    if latencies := sink_lines(status["sinks"]):
        lines += ["", "end to end", *(f"  {line}" for line in latencies)]
    if hosts := host_lines(status["hosts"]) + clock_lines(status["hosts"]):
        lines += ["", *hosts]
    lines += ["", *keeping_lines(nodes), *ledger_lines(status["edges"], ended=False), *source_lines(streams)]
    lines += [f"{name}: {_last_line(node['error'])}" for name, node in nodes.items() if node.get("error")]
    return [*lines, f"logs: {status['folder']}"] if "folder" in status else lines


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else text


def _node_rows(nodes: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            "stale" if node["stale"] else node["state"],
            asked_rate(node),
            rate(node["rate"]),
            duration(node["loop_mean"]),
            duration(node["loop_p99"]),
            count(node["overruns"]),
            count(node["skipped"]),
            count(node["exceptions"] + node["bad_outputs"]),
            count(node["dropped"]),
            duration(node["age"]),
            count(node["restarts"]),
        )
        for name, node in nodes.items()
    ]


def _stream_rows(streams: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            stream["source_state"] or NONE,
            rate(stream["rate"]),
            count(stream["produced"]),
            duration(stream.get("age")),
            *(NONE if stream["source_state"] is None else count(stream[key]) for key in ("gaps", "lost", "rejected")),
        )
        for name, stream in streams.items()
    ]
