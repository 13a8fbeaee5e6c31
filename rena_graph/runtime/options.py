"""How a run is launched, apart from the graph itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["LaunchOptions"]


@dataclass(frozen=True)
class LaunchOptions:
    """What ``launch`` may be told.

    Parameters
    ----------
    transport : {'auto', 'ring', 'zmq'} | None
        How streams move on one host; None leaves it to the graph document.
    address : str
        ``'local'`` starts a Ray of the run's own and ends it with the run; ``'auto'`` or ``'HOST:PORT'`` joins one
        that runs already.
    instance : str | None
        Tells two runs of one graph apart towards LSL clients: part of every outlet's ``source_id``.
    reload : bool
        Start a node anew when its script, or a module beside it that it imported, changes on disk.
    debug : str | None
        Leave this node to the launching process, which runs it on its main thread; see
        :mod:`rena_graph.runtime.launch.debugged`.
    detach : bool
        Let the run outlive whoever launched it: it ends when it is stopped, or by itself.
    run_for : float | None
        Seconds of running after which it stops in good order by itself; the start-up does not count.
    metrics_port, metrics_host : int | None, str
        Where to serve metrics to a Prometheus; nowhere without a port.
    """

    transport: Literal["auto", "ring", "zmq"] | None = None
    address: str = "local"
    instance: str | None = None
    reload: bool = False
    debug: str | None = None
    detach: bool = False
    run_for: float | None = None
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
