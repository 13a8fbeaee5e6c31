"""A run's metrics in Prometheus' text format, made with prometheus_client, which is an extra."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rena_graph.errors import MissingExtra, RunLost
from rena_graph.runtime.metrics.catalogue import CATALOGUE, Metric
from rena_graph.runtime.metrics.values import thinned

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

__all__ = ["UP", "RunCollector", "exposition", "require_prometheus"]

UP, UP_HELP = "rena_graph_up", "Whether the run answers."
"""The one metric that is there, as 0, when it does not."""


def require_prometheus() -> None:
    """Make sure that prometheus_client is there.

    Raises
    ------
    MissingExtra
        It is not; the message says what to install.
    """
    try:
        import prometheus_client  # noqa: F401 - whether it is there
    except ImportError as error:
        raise MissingExtra(
            "metrics need the package prometheus_client, which is not installed: pip install 'rena-graph[metrics]'"
        ) from error


class RunCollector:
    """What prometheus_client asks at every scrape; asks the run in turn.

    Parameters
    ----------
    ask : callable
        Gives the answer to ``metrics`` on the run's control socket.
    """

    def __init__(self, ask: Callable[[], Mapping[str, Any]]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._highest: dict[tuple[str, ...], float] = {}

    def collect(self) -> Iterator[Family]:
        """All families; only :data:`UP` where the run does not answer, as while its coordinator comes back."""
        with self._lock:  # several may scrape at the same time
            return iter(self._families())

    def _families(self) -> list[Family]:
        from prometheus_client.core import GaugeMetricFamily

        try:
            answer = self._ask()
        except RunLost:
            return [GaugeMetricFamily(UP, UP_HELP, value=0)]
        return [GaugeMetricFamily(UP, UP_HELP, value=1), *(self._family(metric, answer) for metric in CATALOGUE)]

    def describe(self) -> Iterator[Family]:
        """Nothing in advance: to register a collector must not ask the run."""
        return iter(())

    def _family(self, metric: Metric, answer: Mapping[str, Any]) -> Family:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        if metric.kind == "histogram":
            histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, (counts, total) in metric.samples(answer):
                buckets = [(_edge(edge), float(count)) for edge, count in thinned(counts)]
                histogram.add_metric(labels, [*buckets, ("+Inf", float(sum(counts)))], total)
            return histogram
        if metric.kind == "gauge":
            gauge = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, value in metric.samples(answer):
                gauge.add_metric(labels, float(value))
            return gauge
        counter = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in metric.samples(answer):
            counter.add_metric(labels, self._never_falling(metric, tuple(labels), float(value)))
        return counter

    def _never_falling(self, metric: Metric, labels: tuple[str, ...], value: float) -> float:
        """A sample that is taken back (a view that was overtaken) must not look like a counter that began anew."""
        if metric.name == "rena_graph_process_cpu_seconds_total":
            return value  # of a process that may really begin anew
        key = (metric.name, *labels)
        self._highest[key] = highest = max(value, self._highest.get(key, 0.0))
        return highest


def _edge(seconds: float) -> str:
    return repr(round(seconds, 9))


def exposition(collector: RunCollector) -> str:
    """One scrape as text."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(collector)
    text: str = generate_latest(registry).decode()
    return text
