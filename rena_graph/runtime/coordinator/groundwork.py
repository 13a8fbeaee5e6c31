"""What has to be there before nodes run: who is on which host, formats, rings, bridges, and links between the hosts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import ray

from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.changed import with_formats
from rena_graph.graph.document import ParamDef
from rena_graph.runtime.coordinator.agents import Agents
from rena_graph.runtime.coordinator.carried import CarriedCode
from rena_graph.runtime.coordinator.placement import layout_of
from rena_graph.runtime.coordinator.reports import Reports
from rena_graph.runtime.host.moved import Ledger, Moved
from rena_graph.runtime.host_plan import plan_of_host
from rena_graph.runtime.hosts.anew import Anew, place_anew
from rena_graph.runtime.hosts.fitness import check_hosts
from rena_graph.runtime.hosts.layout import Layout
from rena_graph.runtime.plan import HostPaths, Plan, make_plan
from rena_graph.runtime.run_setup import RunSetup
from rena_graph.streams.spec import StreamSpec

__all__ = ["Groundwork"]

log = logging.getLogger(__name__)

ARRIVALS = 2.0
"""Seconds that samples on their way from another host have to arrive before their reader is stopped."""


class Groundwork:
    """Laid once; laid again where an agent died, as far as that one had it.

    Parameters
    ----------
    setup : RunSetup
        Which run.
    agents : Agents
        Who does it.
    laid_out : callable
        Told once which host each node belongs on.
    found : callable
        Called once something is known that a coordinator that comes after this one must know too.
    say : callable
        Told what whoever runs the graph is to hear of: level, text, node.
    """

    def __init__(
        self,
        setup: RunSetup,
        agents: Agents,
        laid_out: Callable[[Layout], None],
        found: Callable[[], None],
        say: Callable[[str, str, str], None],
    ) -> None:
        self._setup = setup
        self._agents = agents
        self._laid_out = laid_out
        self._found = found
        self.placed = asyncio.Event()
        """Set once it is known which host each node belongs on."""
        self.layout: Layout | None = None
        self._specs: dict[str, StreamSpec] | None = None
        self._runtimes: dict[str, str] = {}
        self.code = CarriedCode(setup.graph, agents, say)
        self._plans: dict[str, Plan] = {}
        self._over: set[str] = set()

    @property
    def ready(self) -> bool:
        """Whether it is known where everything is."""
        return bool(self._plans)

    @property
    def plans(self) -> Mapping[str, Plan]:
        """What each host has of the run; empty before that is known."""
        return self._plans

    def plan_of(self, node: str) -> Plan:
        """That of a node's host."""
        assert self.layout is not None
        return self._plans[self.layout.nodes[node]]

    def on(self, host: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The nodes of a host, and the external streams that come in there."""
        layout = self.layout
        assert layout is not None
        nodes = tuple(node for node, where in layout.nodes.items() if where == host)
        return nodes, tuple(stream for stream, where in layout.streams.items() if where == host)

    def elsewhere(self, host: str) -> Anew:
        """Where the nodes of a host that is lost may go on: on one that is silent itself only where it must be."""
        assert self.layout is not None
        lost = [name for name, link in self._agents if link.lost]
        silent = [name for name, link in self._agents if link.quiet]
        best, any_host = (place_anew(self._setup.graph, self.layout, host, away) for away in (lost + silent, lost))
        return any_host if len(any_host.stuck) < len(best.stuck) else best

    def is_here(self, host: str) -> bool:
        """Whether this is the coordinator's own host."""
        return self.layout is not None and host == self.layout.here

    @property
    def where(self) -> dict[str, str]:
        """The host of each node; empty before that is known."""
        return {} if self.layout is None else dict(self.layout.nodes)

    @property
    def made_on(self) -> dict[str, str]:
        """The host on which each stream is made, or comes in; empty before that is known."""
        return {} if self.layout is None else self.layout.made_on(self._setup.graph)

    def sources_over(self, host: str) -> bool:
        """The sources of a host have ended; whether those of all hosts have."""
        self._over.add(host)
        return self.layout is not None and self._over >= set(self.layout.streams.values())

    async def await_arrivals(self, node: str) -> None:
        """Before a node is stopped: what other hosts have made for it is to be on its own."""
        layout, graph = self.layout, self._setup.graph
        if layout is None or not layout.several or not self.ready:
            return
        within = min(ARRIVALS, graph.nodes[node].stop_timeout)
        if not await self._agents.have_drained(layout.coming_to(graph, node), within):
            log.warning("not all that other hosts made for %r has arrived within %g s", node, within)

    # -- for the coordinator that comes after this one -----------------------------------------------
    def save(self) -> dict[str, Any]:
        """All of it, as JSON-able values."""
        return {
            "layout": None if self.layout is None else self.layout.to_dict(),
            "specs": None if self._specs is None else {name: asdict(spec) for name, spec in self._specs.items()},
            "runtimes": self._runtimes,
            "code": self.code.save(),
            "over": sorted(self._over),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Know what :meth:`save` told."""
        self._over = set(saved["over"])
        if saved["layout"] is not None:
            self._lay_out(Layout.from_dict(saved["layout"]))
        if saved["specs"] is not None:
            self._runtimes = dict(saved["runtimes"])
            self.code.restore(saved["code"])
            self._plan_out({name: StreamSpec(**spec) for name, spec in saved["specs"].items()})

    # -- laying it -----------------------------------------------------------------------------------
    async def place(self) -> None:
        """Find out who belongs on which host.

        Raises
        ------
        EnvironmentRefused
            The hosts do not have what the graph asks for.
        """
        if self.layout is None:
            self._lay_out(await asyncio.to_thread(self._find_layout))

    async def prepare(self, adopt: bool) -> None:
        """Let every agent that there is find its streams, make or take over its rings, and link the hosts.

        Parameters
        ----------
        adopt : bool
            Whether board and rings are there.

        Raises
        ------
        RenaGraphError
            A host lacks something.
        AgentGone, RayActorError
            An agent died over it.
        """
        layout = self.layout
        assert layout is not None
        introduced: dict[str, tuple[Path, bytes]] = await self._agents.ask_all("introduce")
        if self._specs is None:
            self._runtimes = {host: str(runtime) for host, (runtime, _) in introduced.items()}
            await self.code.carry(layout)
            specs: dict[str, StreamSpec] = {}
            for found in (await self._agents.ask_all("find")).values():
                specs |= found
            self._plan_out({name: specs[name] for name in self._setup.graph.streams if name in specs})
            self._found()
        keys = {host: key for host, (_, key) in introduced.items()}
        allowed = {key: host for host, key in keys.items()}
        endpoints = await self._agents.ask_each(
            "prepare", {host: (plan, adopt, allowed) for host, plan in self._plans.items()}
        )
        if layout.several:
            peers = {host: (endpoint, keys[host]) for host, endpoint in endpoints.items()}
            others = {host: {name: peer for name, peer in peers.items() if name != host} for host in peers}
            await self._agents.ask_each(
                "connect", {host: (others[host], None if host == layout.here else layout.here) for host in peers}
            )

    def move(self, moves: Mapping[str, str]) -> None:
        """From now on these nodes belong on other hosts."""
        assert self.layout is not None
        assert self._specs is not None
        self._lay_out(self.layout.with_moved(moves))
        self._plan_out(self._specs)

    async def make_room(self, reports: Reports) -> None:
        """Let the hosts that remain have what moved nodes take and make, before these begin there.

        Parameters
        ----------
        reports : Reports
            What hosts have told; of those that are lost only what is of them still is kept.

        Raises
        ------
        RenaGraphError
            A host lacks something.
        AgentGone, RayActorError
            An agent died over the last part, which is done once more with the next one.
        """
        layout = self.layout
        assert layout is not None
        there = [host for host, link in self._agents if not link.lost]
        produced = {name: facts["produced"] for name, facts in reports.merged()["streams"].items()}
        nodes = frozenset(layout.moved)
        begun = [self._agents.have_at(host, "begin_links", self._plans[host], nodes) for host in there]
        for found in await asyncio.gather(*begun):
            produced |= found or {}
        ledgers: dict[int, Ledger] = {}
        for host in layout.addresses:
            if host not in there and (report := reports.of(host)) is not None:
                ledgers |= {edge["row"]: Ledger(edge["delivered"], edge["dropped"]) for edge in report["edges"]}
                plan = self._plans[host]
                reports.keep(host, plan.node_rows, set(plan.ports) - set(plan.incoming), plan.own_edges)
        moved = Moved(nodes, produced, ledgers)
        await asyncio.gather(*(self._agents.have_at(host, "follow", self._plans[host], moved) for host in there))
        await self.prepare(adopt=True)

    async def carry_code(self, node: str, epoch: int) -> None:
        """Let a life of a node begin with the scripts and files as they are here now, on whichever host it is."""
        assert self.layout is not None
        host = self.layout.nodes[node]
        if await self.code.carry_anew(node, host, epoch):
            self._move_code(host)
            self._found()

    def params_there(self, node: str, definitions: Mapping[str, ParamDef]) -> dict[str, ParamDef]:
        """A node's parameters as they are on its host: paths in the graph's folder lead to where that lies there."""
        if not self.ready:
            return dict(definitions)
        graph, folder = self._setup.graph, self.plan_of(node).graph.folder
        found = dict(definitions)
        for name, definition in definitions.items():
            if definition.type == "path" and Path(definition.value).is_relative_to(graph.folder):
                there = str(folder / Path(definition.value).relative_to(graph.folder))
                found[name] = definition.model_copy(update={"value": there})
        return found

    def _find_layout(self) -> Layout:
        setup = self._setup
        address = ray.util.get_node_ip_address()
        layout = layout_of(setup.graph, ray.nodes(), address, setup.options.debug)
        if layout.several and setup.transport != "ring":
            raise EnvironmentRefused(
                f"this graph runs on several hosts ({', '.join(layout.addresses)}), between which streams go from ring "
                f"to ring: the transport {setup.transport!r} is for one host"
            )
        check_hosts(setup.graph, layout.addresses, layout.here, layout.streams, layout.nodes)
        return layout

    def _lay_out(self, layout: Layout) -> None:
        self.layout = layout
        self._agents.lay_out(layout)
        self._laid_out(layout)
        self.placed.set()

    def _plan_out(self, specs: dict[str, StreamSpec]) -> None:
        setup, layout = self._setup, self.layout
        assert layout is not None
        self._specs = specs
        whole = make_plan(
            with_formats(setup.graph, specs), specs, setup.transport, HostPaths.of(setup.id, setup.runtime)
        )
        self._plans = {
            host: plan_of_host(whole, layout, host, HostPaths.of(setup.id, Path(self._runtimes[host])))
            for host in layout.addresses
        }
        for host in layout.addresses:
            self._move_code(host)

    def _move_code(self, host: str) -> None:
        plan = self._plans[host]
        self._plans[host] = replace(plan, graph=self.code.moved(host, plan.graph))
