"""The host agent of one host as its coordinator holds it: made, found again, asked; asked anew what it died over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError

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
    """The world's: between two host agents nobody can be asked; nor on a host that is lost."""


RETRY_SECONDS = 0.25
"""Between two calls to an agent that cannot be reached, which says nothing about whether it lives."""


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
        self._quiet = asyncio.Event()
        self._given_up = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

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
        if self._life >= 0 or self.lost:
            return
        options = {
            "num_cpus": 0,
            "resources": pinned(self._part.address),
            "lifetime": "detached",
            "max_concurrency": 8,
            "get_if_exists": True,
            "enable_task_events": False,  # each call of it would be noted, and the notes sent on
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
        self._spawn(self._mourn(life, actor))

    def _spawn(self, coroutine: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _mourn(self, life: int, actor: Any) -> None:
        """Until the agent has closed, or died."""
        while life == self._life:
            try:
                await actor.live.remote()
                return
            except ActorUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
            except RayActorError:
                self._is_lost(life)

    def _is_lost(self, life: int) -> None:
        if life == self._life:
            self._life, self._actor = -1, None
            self._ready.clear()
            self._lost(self._part.name)

    # -- the host as a whole -------------------------------------------------------------------------
    @property
    def lost(self) -> bool:
        """Whether the host is no part of the run any more."""
        return self._given_up.is_set()

    @property
    def quiet(self) -> bool:
        """Whether nothing is heard of the host now."""
        return self._quiet.is_set()

    async def silence(self) -> None:
        """Return once nothing is heard of the host."""
        await self._quiet.wait()

    def be_quiet(self, quiet: bool) -> None:
        """The host is silent, or is heard again: nobody is kept waiting by a silent one."""
        if quiet:
            self._quiet.set()
        else:
            self._quiet.clear()

    def give_up(self) -> None:
        """The host is lost: whoever waits for it is told, and nobody asks it again."""
        self._given_up.set()
        self._quiet.set()
        self._ready.set()
        self._life, self._actor = -1, None

    async def unless_quiet(self, work: Any) -> None:
        """Do this; where the host is silent, or becomes so, do not wait: it is done when the host is back."""
        task = self._spawn(work)
        await _first_of(task, self._quiet)
        if task.done():
            task.result()

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
            raise AgentGone(f"host {self._part.name} has no agent now")
        answer = asyncio.wrap_future(getattr(self._actor, method).remote(*arguments).future())
        await _first_of(answer, self._given_up)
        if not answer.done():
            answer.cancel()
            raise AgentGone(f"host {self._part.name} is lost")
        return answer.result()

    async def have(self, method: str, *arguments: Any) -> Any:
        """One call, made until an agent has carried it out: by the next one, where this one dies over it.

        None where the host is lost: nothing is to be done there any more.
        """
        while not self.lost:
            await self._ready.wait()
            life = self._life
            try:
                return await self.ask(method, *arguments)
            except ActorUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
            except RayActorError:
                self._is_lost(life)
            except AgentGone:
                await asyncio.sleep(0)  # lost just now: wait for the next
        return None

    async def may(self, method: str, *arguments: Any, within: float) -> Any:
        """One call that may fail: None where nobody answers within so many seconds, and at once of a silent host."""
        if self._actor is None or self.quiet:
            return None
        with suppress(RayError, asyncio.TimeoutError):
            call = getattr(self._actor, method).remote(*arguments)
            return await asyncio.wait_for(asyncio.wrap_future(call.future()), within)
        return None

    def end(self) -> None:
        """End its process."""
        if self._actor is not None:
            ray.kill(self._actor, no_restart=True)


async def _first_of(work: asyncio.Future[Any], event: asyncio.Event) -> None:
    """Return once either is there."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
