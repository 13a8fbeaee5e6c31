"""The host agent of one host as its coordinator holds it: made, found again, asked; asked anew what it died over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from rena_graph.errors import RenaGraphError
from rena_graph.runtime.coordinator.placement import pinned
from rena_graph.runtime.host.actor import AgentActor
from rena_graph.runtime.host.part import HostPart
from rena_graph.runtime.run_setup import RunSetup

__all__ = ["AgentGone", "AgentLink", "agent_name"]


def agent_name(host: str, life: int) -> str:
    """Of the actor, in the run's namespace."""
    return f"agent:{host}:{life}"


class AgentGone(RenaGraphError):
    """The world's: between two host agents nobody can be asked."""


class AgentLink:
    """Holds one agent at a time.

    Parameters
    ----------
    setup : RunSetup
        Which run.
    part : HostPart
        What of it is on this host.
    lost : callable
        Told once of each agent that has died, with the host's name.
    """

    def __init__(self, setup: RunSetup, part: HostPart, lost: Callable[[str], None]) -> None:
        self._setup = setup
        self._part = part
        self._lost = lost
        self._actor: Any = None
        self._life = -1
        self._ready = asyncio.Event()
        self._mourning: set[asyncio.Task[None]] = set()

    @property
    def life(self) -> int:
        """Which agent there is; -1 for none."""
        return self._life

    @property
    def ready(self) -> bool:
        """Whether there is one that has everything prepared, as far as is known."""
        return self._ready.is_set()

    def make(self, life: int, coordinator: Any) -> None:
        """Start an agent, unless there is one."""
        if self._life >= 0:
            return
        options = {
            "num_cpus": 0,
            "resources": pinned(self._part.address),
            "lifetime": "detached",
            "max_concurrency": 8,
            "get_if_exists": True,
        }
        namespace = self._setup.namespace
        name = agent_name(self._part.name, life)
        actor = ray.remote(AgentActor).options(name=name, namespace=namespace, **options)
        self._hold(life, actor.remote(self._setup, coordinator, self._part, life))

    def find(self, life: int) -> bool:
        """Hold the agent that another coordinator has made; False where it is gone."""
        try:
            actor = ray.get_actor(agent_name(self._part.name, life), namespace=self._setup.namespace)
        except ValueError:
            return False
        self._hold(life, actor)
        return True

    async def attach(self, coordinator: Any, prepared: bool) -> None:
        """Tell the agent who is to be told from now on; `prepared` is whether the one before had it prepare all."""
        life = self._life
        with suppress(RayActorError, AgentGone):  # which its end tells as well
            await self.ask("attach", coordinator)
            if prepared:
                self.is_ready(life)

    def _hold(self, life: int, actor: Any) -> None:
        self._actor, self._life = actor, life
        task = asyncio.get_running_loop().create_task(self._mourn(life, actor))
        self._mourning.add(task)
        task.add_done_callback(self._mourning.discard)

    async def _mourn(self, life: int, actor: Any) -> None:
        """Until the agent has closed, or died."""
        try:
            await actor.live.remote()
        except RayActorError:
            self._is_lost(life)

    def _is_lost(self, life: int) -> None:
        if life == self._life:
            self._life, self._actor = -1, None
            self._ready.clear()
            self._lost(self._part.name)

    def is_ready(self, life: int) -> None:
        """This one has everything prepared: whoever waited to ask it may."""
        if life == self._life:
            self._ready.set()

    async def ask(self, method: str, *arguments: Any) -> Any:
        """One call to the agent that there is now.

        Raises
        ------
        AgentGone, RayActorError
            There is none; it died over it.
        RenaGraphError
            What it refused.
        """
        if self._actor is None:
            raise AgentGone("there is no host agent now")
        return await getattr(self._actor, method).remote(*arguments)

    async def have(self, method: str, *arguments: Any) -> Any:
        """One call, made until an agent has carried it out: by the next one, where this one dies over it."""
        while True:
            await self._ready.wait()
            life = self._life
            try:
                return await self.ask(method, *arguments)
            except RayActorError:
                self._is_lost(life)
            except AgentGone:
                await asyncio.sleep(0)  # lost just now: wait for the next

    async def may(self, method: str, *arguments: Any, within: float) -> Any:
        """One call that may fail: None where nobody answers within so many seconds."""
        if self._actor is None:
            return None
        with suppress(RayError, asyncio.TimeoutError):
            call = getattr(self._actor, method).remote(*arguments)
            return await asyncio.wait_for(asyncio.wrap_future(call.future()), within)
        return None

    def end(self) -> None:
        """End its process."""
        if self._actor is not None:
            ray.kill(self._actor, no_restart=True)
