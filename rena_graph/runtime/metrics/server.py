"""Serves ``/metrics`` for one run, in threads of its session process, out of the way of nodes and data."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any
from wsgiref.simple_server import WSGIServer

from rena_graph.errors import EnvironmentRefused, PortTaken
from rena_graph.runtime.metrics.exposition import RunCollector, require_prometheus

__all__ = ["MetricsServer"]


class MetricsServer:
    """An HTTP server that asks the run at every scrape.

    It outlives the run's coordinator: while there is none, a scrape says ``rena_graph_up 0``.

    Parameters
    ----------
    host : str
        Address to listen on.
    port : int
        Its port.
    ask : callable
        Gives the answer to ``metrics`` on the run's control socket; raises ``RunLost`` where nobody answers.

    Raises
    ------
    MissingExtra
        prometheus_client is not installed.
    PortTaken, EnvironmentRefused
        Somebody else has the port, or the address is not one of this machine's.
    """

    def __init__(self, host: str, port: int, ask: Callable[[], Mapping[str, Any]]) -> None:
        require_prometheus()
        from prometheus_client import CollectorRegistry, start_http_server

        registry = CollectorRegistry()
        registry.register(RunCollector(ask))
        self._server: WSGIServer
        self._thread: threading.Thread
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(
                    f"metrics: port {port} on {host} is in use. Give another --metrics-port, or end the program that "
                    f"holds it (`ss -ltnp 'sport = :{port}'` names it)"
                ) from error
            raise EnvironmentRefused(
                f"metrics: cannot listen on {host}: {error.strerror or error}; --metrics-host must be an address of "
                "this machine"
            ) from error

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> MetricsServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
