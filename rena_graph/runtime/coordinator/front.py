"""The coordinator's actor as other processes name it: what it is made of is imported in its own process alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rena_graph.runtime.coordinator.actor import CoordinatorLife
    from rena_graph.runtime.coordinator.signals import Event
    from rena_graph.runtime.lifecycle import Heard
    from rena_graph.runtime.run_setup import RunSetup

__all__ = ["CoordinatorActor"]


class CoordinatorActor:
    """Made with ``ray.remote(CoordinatorActor)``; see :class:`~rena_graph.runtime.coordinator.actor.CoordinatorLife`.

    Whoever makes it or holds a handle of it imports the module of its class: the session process, on whose way to the
    first sample this is, and each host agent. For these it is this one.

    Parameters
    ----------
    setup : RunSetup
        Which run.
    """

    def __init__(self, setup: RunSetup) -> None:
        from rena_graph.runtime.coordinator.actor import CoordinatorLife

        self._life: CoordinatorLife = CoordinatorLife(setup)

    async def run(self) -> int:
        """Live; the run's exit code."""
        return await self._life.run()

    async def notify(self, host: str, life: int, batch: dict[str, Any]) -> Heard:
        """From a host agent."""
        return await self._life.notify(host, life, batch)

    async def hear(self, event: Event) -> None:
        """From the session process."""
        await self._life.hear(event)
