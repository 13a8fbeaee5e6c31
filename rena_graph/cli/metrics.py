"""``rena-graph metrics``: what a run tells Prometheus, once."""

from __future__ import annotations

import click

from rena_graph.cli.output import write_line
from rena_graph.cli.runs import record_of, run_argument

__all__ = ["command"]


@click.command("metrics")
@run_argument(required=False)
def command(run: str) -> None:
    """Print the metrics of RUN in Prometheus' text format.

    RUN is an id, a unique beginning of one, a graph's name or a run's folder; @, which is also meant where nothing is
    said, is the only run there is. `launch --metrics-port` serves the same to a Prometheus.
    """
    from rena_graph.runtime.launch.handle import RunHandle
    from rena_graph.runtime.metrics.exposition import RunCollector, exposition, require_prometheus

    require_prometheus()
    with RunHandle.of(record_of(run)) as handle:
        answer = handle.ask({"op": "metrics"})
    write_line(exposition(RunCollector(lambda: answer)).rstrip("\n"))
