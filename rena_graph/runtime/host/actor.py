"""The Ray shell of the host agent: one actor a host, whose methods run on threads of their own."""

from __future__ import annotations

from typing import Any

from rena_graph.runtime.messages import log_to
from rena_graph.runtime.plan import HostPaths, Plan
from rena_graph.runtime.run_setup import RunSetup
from rena_graph.streams.spec import StreamSpec

__all__ = ["AgentActor"]


class AgentActor:
    """Made with ``ray.remote(AgentActor)``, several threads; see :class:`~rena_graph.runtime.host.agent.HostAgent`."""

    def __init__(self, setup: RunSetup, coordinator: Any) -> None:
        from rena_graph.runtime.clock import SystemClock
        from rena_graph.runtime.host.agent import HostAgent

        def notify(message: dict[str, Any]) -> None:
            coordinator.notify.remote(message)

        log_to(setup.folder / "agent.log")
        paths = HostPaths.of(setup.id, setup.runtime)
        self._agent = HostAgent(setup.graph, paths, SystemClock(), setup.options.instance, notify)

    def live(self) -> None:
        """Return once the agent has closed: whoever waits for this learns of its death at once."""
        self._agent.wait_closed()

    def find(self) -> dict[str, StreamSpec]:
        """Formats of the external streams."""
        return self._agent.find()

    def prepare(self, plan: Plan) -> None:
        """Rings, board, sinks."""
        self._agent.prepare(plan)

    def watch_console(self, node: str, epoch: int) -> None:
        """Report a node's console."""
        self._agent.watch_console(node, epoch)

    def start_sinks(self) -> None:
        """Let streams out."""
        self._agent.start_sinks()

    def start_sources(self) -> None:
        """Let streams in."""
        self._agent.start_sources()

    def stop_sources(self) -> None:
        """Let no more in."""
        self._agent.stop_sources()

    def stop_sinks(self) -> None:
        """Send what is left."""
        self._agent.stop_sinks()

    def command(self, node: str, epoch: int, message: dict[str, Any]) -> None:
        """To a node."""
        self._agent.command(node, epoch, message)

    def progress(self, node: str, epoch: int) -> dict[str, int]:
        """What of its orders a node has."""
        return self._agent.progress(node, epoch)

    def kill(self, node: str, epoch: int) -> None:
        """A node's process."""
        self._agent.kill(node, epoch)

    def release(self, node: str) -> None:
        """Of a process that is gone."""
        self._agent.release(node)

    def report(self) -> dict[str, Any] | None:
        """A fresh look at the board."""
        return self._agent.report()

    def metrics(self) -> dict[str, Any]:
        """What metrics tell beyond that."""
        return self._agent.metrics()

    def close(self) -> dict[str, Any]:
        """Everything down; the last report."""
        return self._agent.close()
