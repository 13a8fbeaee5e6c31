"""The Python face: load a graph, launch it, hold the run, in a script or a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rena_graph.graph.changed import simulated, with_params
from rena_graph.graph.load import load_graph
from rena_graph.graph.model import Graph

if TYPE_CHECKING:
    from rena_graph.runtime.launch.client import Run

__all__ = ["GraphHandle", "load"]


def load(path: str | Path, *, allow_code: Sequence[str | Path] = ()) -> GraphHandle:
    """Read and check a graph document; no script is executed.

    Parameters
    ----------
    path : str or Path
        ``graph.json``.
    allow_code : sequence of paths
        Folders, besides the document's own, from which scripts may come.

    Raises
    ------
    GraphInvalid
        With every problem that it has.

    Examples
    --------
    >>> import rena_graph
    >>> graph = rena_graph.load("graph.json")  # doctest: +SKIP
    >>> with graph.launch() as run:  # doctest: +SKIP
    ...     run.params["r_peaks"]["threshold"] = 0.4
    """
    return GraphHandle(load_graph(path, allow_code=allow_code))


class GraphHandle:
    """A checked graph that can be launched.

    Parameters
    ----------
    graph : Graph
        What it holds: nodes, streams, edges, warnings.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __repr__(self) -> str:
        return f"<graph {self.graph.name!r}: {len(self.graph.nodes)} nodes, {len(self.graph.streams)} streams>"

    def simulated(self) -> GraphHandle:
        """The same graph with random samples in place of every external stream."""
        return GraphHandle(simulated(self.graph))

    def with_params(self, values: Mapping[str, Any]) -> GraphHandle:
        """The same graph with other parameter values: ``{"node.param": value}``."""
        return GraphHandle(with_params(self.graph, values))

    def launch(
        self,
        *,
        transport: Literal["auto", "ring", "zmq"] | None = None,
        address: str = "local",
        instance: str | None = None,
        reload: bool = False,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Run:
        """Start the graph and return once its first sample is let in.

        Parameters
        ----------
        transport : {'auto', 'ring', 'zmq'}, optional
            How streams move on one host; the document says where left out.
        address : str
            ``'local'`` for a Ray of the run's own, ``'auto'`` or ``'HOST:PORT'`` for one that runs already.
        instance : str, optional
            Tells two runs of one graph apart towards LSL clients.
        reload : bool
            Start a node anew when its script, or a module beside it, changes on disk.
        progress : callable
            Told, in words, what is being waited for.

        Returns
        -------
        Run
            A context manager: leaving it stops the run in good order.

        Raises
        ------
        RenaGraphError
            It did not start; nothing is left of it.
        """
        from rena_graph.runtime.launch.client import launch
        from rena_graph.runtime.options import LaunchOptions

        return launch(self.graph, LaunchOptions(transport, address, instance, reload)).start(progress)
