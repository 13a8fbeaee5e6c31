"""Every metric that a run has: its name, kind, labels and meaning, and where in the run's answer its values stand.

One long table. Without prometheus_client: documentation, dashboard and alert rules are checked against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rena_graph.runtime.metrics import values
from rena_graph.runtime.metrics.values import Answer, Samples

__all__ = ["CATALOGUE", "Metric"]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Parameters
    ----------
    name : str
        With its unit and, of a counter, ``_total``.
    kind : {'counter', 'gauge', 'histogram'}
        A counter never falls while the run lives.
    labels : tuple of str
        What its samples are told apart by.
    help : str
        One sentence.
    samples : callable
        Finds them in the answer to ``metrics`` on the control socket.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    samples: Callable[[Answer], Samples]


_N, _E, _S, _H = ("node",), ("stream", "to"), ("stream",), ("host",)

CATALOGUE: tuple[Metric, ...] = (
    Metric(
        "rena_graph_run_info",
        "gauge",
        ("run", "graph", "transport", "version"),
        "Which run this is; always 1.",
        values.info,
    ),
    Metric("rena_graph_run_uptime_seconds", "gauge", (), "Since the first sample was let in.", values.run("uptime")),
    # -- nodes
    Metric(
        "rena_graph_node_info", "gauge", ("node", "host"), "Which host the node is on; always 1.", values.node_hosts
    ),
    Metric(
        "rena_graph_node_state", "gauge", ("node", "state"), "1 for the state that the node is in.", values.node_states
    ),
    Metric("rena_graph_node_stale", "gauge", _N, "1 while it gives no sign of life.", values.node("stale")),
    Metric(
        "rena_graph_node_asked_rate_hertz",
        "gauge",
        _N,
        "Run frequency, a maximum; none where it is unlimited.",
        values.node("frequency"),
    ),
    Metric("rena_graph_node_reached_rate_hertz", "gauge", _N, "Loops a second, lately.", values.node("rate")),
    Metric("rena_graph_node_loops_total", "counter", _N, "Loops.", values.node("loops")),
    Metric(
        "rena_graph_node_skipped_ticks_total",
        "counter",
        _N,
        "Ticks of its clock that passed without a loop.",
        values.node("skipped"),
    ),
    Metric(
        "rena_graph_node_overruns_total",
        "counter",
        _N,
        "Loops that took longer than a period.",
        values.node("overruns"),
    ),
    Metric("rena_graph_node_exceptions_total", "counter", _N, "Loops that raised.", values.node("exceptions")),
    Metric(
        "rena_graph_node_refused_outputs_total",
        "counter",
        _N,
        "Outputs that their streams could not carry.",
        values.node("bad_outputs"),
    ),
    Metric(
        "rena_graph_node_refused_states_total",
        "counter",
        _N,
        "States that could not be saved.",
        values.node("states_refused"),
    ),
    Metric(
        "rena_graph_node_discarded_loops_total",
        "counter",
        _N,
        "Loops whose view of a stream was overtaken.",
        values.node("discarded"),
    ),
    Metric(
        "rena_graph_node_restarts_total",
        "counter",
        _N,
        "Lives that were begun after a failure.",
        values.node("restarts"),
    ),
    Metric(
        "rena_graph_node_reloads_total",
        "counter",
        _N,
        "Lives that were begun since the script had changed.",
        values.node("reloads"),
    ),
    Metric(
        "rena_graph_node_ahead_total",
        "counter",
        _N,
        "Ages below zero, of data stamped later than now; they count as 0.",
        values.node("ahead"),
    ),
    Metric(
        "rena_graph_node_loop_seconds", "histogram", _N, "Run times of loop().", values.histogram("loop", "loop_sum")
    ),
    Metric(
        "rena_graph_node_lateness_seconds",
        "histogram",
        _N,
        "Loops on the clock: from the deadline to the start.",
        values.histogram("lateness"),
    ),
    Metric(
        "rena_graph_node_input_age_seconds",
        "histogram",
        _N,
        "From the newest input sample's stamp to the loop.",
        values.histogram("age"),
    ),
    Metric(
        "rena_graph_node_output_age_seconds",
        "histogram",
        _N,
        "From the oldest sample that the outputs were made from until they are out.",
        values.histogram("output_age"),
    ),
    Metric(
        "rena_graph_node_cpu_seconds_total", "counter", _N, "Processor time, over all its lives.", values.node("cpu")
    ),
    Metric("rena_graph_node_resident_memory_bytes", "gauge", _N, "Resident memory of its process.", values.node("rss")),
    Metric(
        "rena_graph_node_gpu_memory_bytes",
        "gauge",
        _N,
        "GPU memory of its process, where nvidia-smi tells it.",
        values.gpu,
    ),
    # -- edges
    Metric(
        "rena_graph_edge_produced_samples_total",
        "counter",
        _E,
        "Samples of the stream since the edge began.",
        values.edge("produced"),
    ),
    Metric(
        "rena_graph_edge_delivered_samples_total",
        "counter",
        _E,
        "Samples handed out; those that are handed out again after a restart count again.",
        values.handed,
    ),
    Metric(
        "rena_graph_edge_repeated_samples_total",
        "counter",
        _E,
        "Samples handed out again after a restart.",
        values.edge("repeated"),
    ),
    Metric(
        "rena_graph_edge_dropped_samples_total",
        "counter",
        ("stream", "to", "reason"),
        "Samples that no loop saw.",
        values.dropped,
    ),
    Metric(
        "rena_graph_edge_in_flight_samples",
        "gauge",
        _E,
        "Samples produced, and neither delivered nor dropped yet.",
        values.edge("in_flight"),
    ),
    Metric("rena_graph_edge_filled_samples_total", "counter", _E, "NaN samples put into gaps.", values.edge("filled")),
    # -- streams
    Metric("rena_graph_stream_produced_samples_total", "counter", _S, "Samples published.", values.stream("produced")),
    Metric(
        "rena_graph_stream_repeated_samples_total",
        "counter",
        _S,
        "Samples that a killed node had published, and its next life published again.",
        values.stream("repeated"),
    ),
    Metric(
        "rena_graph_stream_not_finite_samples_total",
        "counter",
        _S,
        "Samples that a node made and that were left out, as its output's on_nan asks.",
        values.stream("not_finite"),
    ),
    Metric("rena_graph_stream_rate_hertz", "gauge", _S, "Samples a second, lately.", values.stream("rate")),
    Metric(
        "rena_graph_stream_nominal_rate_hertz",
        "gauge",
        _S,
        "Samples a second, as declared; 0: irregular.",
        values.stream("nominal_rate"),
    ),
    Metric(
        "rena_graph_source_state",
        "gauge",
        ("stream", "state"),
        "1 for the state that the external stream is in.",
        values.source_states,
    ),
    Metric(
        "rena_graph_source_gaps_total",
        "counter",
        _S,
        "Holes in arriving sequence or time.",
        values.stream("gaps", external=True),
    ),
    Metric(
        "rena_graph_source_lost_samples_total",
        "counter",
        _S,
        "Samples that, by the nominal rate, fell into those holes.",
        values.stream("lost", external=True),
    ),
    Metric(
        "rena_graph_source_rejected_total",
        "counter",
        _S,
        "Messages that did not decode or fit.",
        values.stream("rejected", external=True),
    ),
    Metric(
        "rena_graph_source_recoveries_total",
        "counter",
        _S,
        "Times that it came back.",
        values.stream("recoveries", external=True),
    ),
    # -- sinks
    Metric(
        "rena_graph_sink_latency_seconds",
        "histogram",
        _E,
        "From the oldest sample that a chunk was made from until it is handed to LSL or ZMQ.",
        values.latencies,
    ),
    # -- the hosts
    Metric(
        "rena_graph_host_state",
        "gauge",
        ("host", "state"),
        "1 for the state that the host is in, as the coordinator's host sees it.",
        values.host_states,
    ),
    Metric(
        "rena_graph_process_cpu_seconds_total",
        "counter",
        ("host", "process"),
        "Processor time of coordinator and host agents.",
        values.process_cpu,
    ),
    Metric(
        "rena_graph_host_cpu_seconds_total",
        "counter",
        ("host", "mode"),
        "Processor time of each host, all cores, by mode.",
        values.host("cpu"),
    ),
    Metric(
        "rena_graph_host_memory_bytes",
        "gauge",
        ("host", "kind"),
        "Memory of each host: total, and available.",
        values.host("memory"),
    ),
    Metric(
        "rena_graph_host_clock_offset_seconds",
        "gauge",
        _H,
        "Graph time less the clock of the host; none where that is graph time.",
        values.clock("offset"),
    ),
    Metric(
        "rena_graph_host_clock_drift_ratio",
        "gauge",
        _H,
        "Seconds by which that offset grows in a second.",
        values.clock("drift"),
    ),
    Metric(
        "rena_graph_host_clock_uncertainty_seconds",
        "gauge",
        _H,
        "How far off the host's idea of graph time may be.",
        values.clock("uncertainty"),
    ),
    Metric(
        "rena_graph_host_clock_round_trip_seconds",
        "gauge",
        _H,
        "The shortest round trip to the coordinator's host, lately.",
        values.clock("round_trip"),
    ),
)
