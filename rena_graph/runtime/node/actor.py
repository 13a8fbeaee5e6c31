"""The Ray actor around one node: a process with a main thread, and nothing more."""

from __future__ import annotations

from pathlib import Path

import ray

from rena_graph.runtime.setup import NodeSetup

__all__ = ["NodeActor"]


class NodeActor:
    """Made with ``ray.remote(NodeActor)``; its one method runs on the process's main thread (``max_concurrency`` 1).

    The constructor imports what the life of a node needs, while the host agent still finds streams.
    """

    def __init__(self) -> None:
        self._lived = False
        import rena_graph.runtime.node.process  # noqa: F401 - for its side effect: a warm process

    def run(self, setup: NodeSetup) -> None:
        """Live until stopped, then end the process; see :class:`~rena_graph.runtime.node.process.NodeProcess`.

        A second call (by a coordinator that does not know whether the one before made it) waits for the end of the
        first, as Ray calls one method after the other, and does nothing.
        """
        if self._lived:
            return
        self._lived = True
        from rena_graph.runtime.alive import hold_alive
        from rena_graph.runtime.hosts.host_clock import node_clock
        from rena_graph.runtime.node.devices import hide_gpus
        from rena_graph.runtime.node.process import NodeProcess

        hide_gpus(setup.definition.placement)
        hold_alive(Path(setup.runtime_dir))  # for as long as the process lives
        NodeProcess(setup, node_clock(setup)).run()
        # Memory, devices and what else the script holds are free once the process is gone, and only then.
        ray.actor.exit_actor()
