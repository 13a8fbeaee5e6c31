"""The Ray actors of nodes: placed, found again by name, run, waited for, ended by force; one a life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError

from rena_graph.errors import UsageError
from rena_graph.runtime.coordinator.agents import Agents
from rena_graph.runtime.coordinator.environments import Environments
from rena_graph.runtime.coordinator.node_record import NodeRecord
from rena_graph.runtime.coordinator.placement import node_options
from rena_graph.runtime.coordinator.ray_words import plain
from rena_graph.runtime.coordinator.signals import Event, NodeGone
from rena_graph.runtime.hosts.layout import Layout
from rena_graph.runtime.lifecycle import ALIVE
from rena_graph.runtime.node.actor import NodeActor
from rena_graph.runtime.run_setup import RunSetup
from rena_graph.runtime.setup import NodeSetup

__all__ = ["KILL_PATIENCE", "NodeActors"]

KILL_PATIENCE = 0.5
"""Seconds that the host agent has to carry out a kill."""
LAST_WORD = 1.0
"""Seconds for the host agent to tell of an end that Ray knows of."""
LOOK_SECONDS = 0.1


class NodeActors:
    """Holds the actor of each node's present life. A node under debug has none: its process is the launcher.

    Parameters
    ----------
    setup : RunSetup
        Which run.
    records : mapping
        What is known of each node; looked at.
    agents : Agents
        Who sees processes end.
    environments : Environments
        Which Python each process is started with.
    hear : callable
        Takes an event for the coordinator's state machine.
    spawn : callable
        Begins a task of the coordinator.
    """

    def __init__(
        self,
        setup: RunSetup,
        records: Mapping[str, NodeRecord],
        agents: Agents,
        environments: Environments,
        hear: Callable[[Event], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._setup = setup
        self._debugged = setup.options.debug
        self._records = records
        self._agents = agents
        self._environments = environments
        self._layout: Layout | None = None
        self._hear = hear
        self._spawn = spawn
        self._actors: dict[str, tuple[int, Any]] = {}

    def lay_out(self, layout: Layout) -> None:
        """From now on it is known on which host each node belongs."""
        self._layout = layout

    def place(self, node: str, epoch: int) -> None:
        """Let Ray start a process for this life of a node, unless it has already.

        One whose packages are not there yet waits for :meth:`run`, which comes once they are. A life that was over
        before, since its host was lost, gets none.
        """
        assert self._layout is not None
        host = self._layout.nodes[node]
        if node == self._debugged or self._environments.is_missing(node, host) or self._records[node].epoch != epoch:
            return
        python = self._environments.python(node, host)
        options = node_options(self._setup.graph.nodes[node].placement, self._layout.addresses[host], python)
        actor = ray.remote(NodeActor).options(
            name=_name(node, epoch),
            namespace=self._setup.namespace,
            lifetime="detached",
            max_restarts=0,
            max_concurrency=1,
            get_if_exists=True,
            **options,
        )
        self._actors[node] = epoch, actor.remote()

    def _find(self, node: str, epoch: int) -> Any:
        """The actor of this life; None where it is gone."""
        held, actor = self._actors.get(node, (-1, None))
        if held == epoch:
            return actor
        try:
            actor = ray.get_actor(_name(node, epoch), namespace=self._setup.namespace)
        except ValueError:
            return None
        self._actors[node] = epoch, actor
        return actor

    async def run(self, node: str, epoch: int, setup: NodeSetup) -> None:
        """Hand the process its setup, once or again, and learn of its end."""
        actor = self._find(node, epoch)
        if actor is None and not await self._agents.have(node, "has_begun", epoch):
            self.place(node, epoch)  # a coordinator before has died over it
            actor = self._find(node, epoch)
        if self._records[node].epoch != epoch:
            return
        self._spawn(self._wait_for_end(node, epoch, None if actor is None else actor.run.remote(setup), setup))

    async def _wait_for_end(self, node: str, epoch: int, life: Any, setup: NodeSetup) -> None:
        """What Ray knows of a life's end. The host agent, who sees the process itself end, is first where it can be."""
        cause = "its process ended without a word"
        try:
            if life is not None:
                await life
        except ActorUnavailableError:
            # It cannot be reached, which says nothing about whether it lives.
            if not await self._known_gone(node, epoch) and (actor := self._find(node, epoch)) is not None:
                await self._wait_for_end(node, epoch, actor.run.remote(setup), setup)
            return
        except RayActorError as error:
            cause = f"its process died ({plain(error)})"
        except RayError as error:
            cause = f"it failed outside of its script: {plain(error)}"
        if not await self._known_gone(node, epoch):
            self._end(node, epoch)
            self._hear(NodeGone(node, epoch, cause))

    async def _known_gone(self, node: str, epoch: int) -> bool:
        """Whether a host agent tells, in a while, that the process of this life is gone."""
        record = self._records[node]
        waited = 0.0
        while waited < LAST_WORD:
            if record.epoch != epoch or record.gone:
                return True
            link = await self._agents.of(node)
            await asyncio.sleep(LOOK_SECONDS)
            waited += LOOK_SECONDS if link.ready and not link.quiet else 0.0
        return record.epoch != epoch or record.gone

    async def debug_ended(self) -> None:
        """The launcher says that its node has returned; it has one life."""
        node = self._debugged
        if node is None:
            raise UsageError("no node of this run is under debug")
        for _ in range(int(LAST_WORD / LOOK_SECONDS)):
            # Its last event travels another way than its end, and may arrive after it.
            if self._records[node].state in ALIVE:
                await asyncio.sleep(LOOK_SECONDS)
        await self._agents.have(node, "release")
        self._hear(NodeGone(node, 0, "it ended without a word"))

    async def kill(self, node: str, epoch: int, never_ran: bool) -> None:
        """End a process by force; not the launcher's, which ends with the run. Tell of one that there has not been."""
        if node == self._debugged:
            return
        await self._agents.may(node, "kill", epoch, within=KILL_PATIENCE)
        self._end(node, epoch)
        if never_ran or not self._records[node].run_sent:
            self._hear(NodeGone(node, epoch, "killed before it ran"))

    def _end(self, node: str, epoch: int) -> None:
        actor = self._find(node, epoch)
        if actor is not None:
            ray.kill(actor, no_restart=True)

    def end_all(self) -> None:
        """Whatever is left of any node."""
        for _, actor in self._actors.values():
            ray.kill(actor, no_restart=True)


def _name(node: str, epoch: int) -> str:
    return f"node:{node}:{epoch}"
