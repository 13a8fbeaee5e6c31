"""A graph of this package's scripts, run on the benchmark's Ray for as long as a row looks at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rena_graph.errors import EnvironmentRefused, ExitCode

if TYPE_CHECKING:
    from rena_graph.runtime.launch.client import Run

__all__ = ["SCRIPTS", "run_graph", "running_graph"]

SCRIPTS = Path(__file__).parent / "scripts"
_STOP_LIMIT = 60.0


@contextmanager
def running_graph(document: dict[str, Any], address: str) -> Iterator[Run]:
    """Run a graph while the context lasts, and stop it in good order.

    Parameters
    ----------
    document : dict
        The graph, whose scripts are those in :data:`SCRIPTS`.
    address : str
        The Ray to run on.

    Yields
    ------
    Run
        From the moment on at which the first sample was let in. After the context its status is the last one.

    Raises
    ------
    RenaGraphError
        It did not start, or did not end well.
    """
    from rena_graph.graph.load import graph_from_dict
    from rena_graph.runtime.launch.client import launch
    from rena_graph.runtime.options import LaunchOptions

    graph = graph_from_dict(document, SCRIPTS)
    with launch(graph, LaunchOptions(address=address)) as run:
        run.start()
        run.status()  # the first one takes longer: what it is made with is imported then
        yield run
        if not run.ended:
            run.stop()
        if run.wait(_STOP_LIMIT) is not ExitCode.OK:
            raise EnvironmentRefused(f"the graph of the benchmark failed: {run.failure}; see {run.folder}")


def run_graph(document: dict[str, Any], seconds: float, address: str) -> dict[str, Any]:
    """Run a graph for `seconds` from the first sample on, or until it ends; see :func:`running_graph`.

    Returns
    -------
    dict
        Its last status.
    """
    with running_graph(document, address) as run:
        run.wait(seconds)
    status = run.status()
    shutil.rmtree(run.folder, ignore_errors=True)
    return status
