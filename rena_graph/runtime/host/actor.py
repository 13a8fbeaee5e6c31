"""The Ray shell of the host agent: one actor a host, whose methods run on threads of their own."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError

from rena_graph.runtime.far_looks import look_at
from rena_graph.runtime.host.environments import EnvironmentMakers
from rena_graph.runtime.host.guard import end_guard, start_guard
from rena_graph.runtime.host.moved import Moved
from rena_graph.runtime.host.part import HostPart
from rena_graph.runtime.host.pids import PidWatch
from rena_graph.runtime.hosts.code import Bundle
from rena_graph.runtime.hosts.environment import Made, Wanted
from rena_graph.runtime.hosts.environment_store import mark_used
from rena_graph.runtime.lifecycle import Heard
from rena_graph.runtime.messages import log_to
from rena_graph.runtime.plan import HostPaths, Plan
from rena_graph.runtime.run_setup import RunSetup
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.interface import StreamPort

__all__ = ["AgentActor"]

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Between two looks whether there is another coordinator than the one that does not answer."""


class AgentActor:
    """Made with ``ray.remote(AgentActor)``, several threads; see :class:`~rena_graph.runtime.host.agent.HostAgent`."""

    def __init__(self, setup: RunSetup, coordinator: Any, part: HostPart, life: int = 0) -> None:
        from rena_graph.runtime.clock import SystemClock
        from rena_graph.runtime.host.agent import HostAgent
        from rena_graph.runtime.hosts.host_clock import AgentClock

        runtime, folder = part.folders(setup)
        log_to(folder / "agent.log")
        self._coordinator = coordinator
        self._part = part
        self._runtime = runtime
        self._ports: Mapping[str, StreamPort] = {}
        self._clock = clock = SystemClock() if part.here else AgentClock()
        self._environments = EnvironmentMakers()
        options = setup.options
        paths = HostPaths.of(setup.id, runtime)
        self._life = life
        self._ending = threading.Lock()
        elsewhere = not part.here  # there the session process sees to all of this
        if elsewhere:
            start_guard(runtime, f"rg-{setup.id}-", folder)
        self._agent = HostAgent(
            setup.graph, paths, clock, options.instance, self._deliver, life, options.debug, part=part,
            abandoned=self._abandoned if elsewhere else None,
        )  # fmt: skip
        if elsewhere:
            self._raylet = PidWatch(lambda _, __, how: self._agent.ray_lost(how))
            self._raylet.add("raylet", 0, os.getppid())

    def _deliver(self, batch: dict[str, Any]) -> bool:
        """Hand a batch to whoever is the coordinator now; False where it died over it, or another one came."""
        coordinator = self._coordinator
        told = coordinator.notify.remote(self._part.name, self._life, batch)
        heard: Heard | None = None
        while heard is None:
            try:
                heard = ray.get(told, timeout=LOOK_SECONDS)
            except GetTimeoutError:
                if coordinator is not self._coordinator:
                    return False
            except RayActorError:
                return False
            except RayError:
                log.exception("the coordinator could not take %s", batch["events"])
                return True
        if heard is Heard.REPLACED:
            log.warning("another agent has taken over on this host")
            os._exit(0)
        if heard is Heard.FENCED:
            threading.Thread(target=self._fenced, name="rena-fenced").start()
        return True

    def _fenced(self) -> None:
        """The run has gone on without this agent: what it has here ends now, by force."""
        with self._ending:
            log.warning("the run has gone on without this host: what is here of it ends")
            self._environments.close()
            self._agent.end_now()
            self._leave()

    def _abandoned(self) -> None:
        """Nobody is there to tell anything to: what is here ends, in good order, and this process with it."""
        with self._ending:
            self._environments.close()
            self._agent.end_all()
            self._leave()

    def _leave(self) -> None:
        end_guard(self._runtime)
        shutil.rmtree(self._runtime, ignore_errors=True)
        os._exit(0)  # a Ray without a head would keep this process for a minute

    def attach(self, coordinator: Any) -> None:
        """Another coordinator goes on: from now on this one is told, first of all where each node is."""
        self._coordinator = coordinator
        self._agent.processes.tell_anew()

    def live(self) -> None:
        """Return once the agent has closed: whoever waits for this learns of its death at once."""
        self._agent.wait_closed()

    def find(self) -> dict[str, StreamSpec]:
        """Formats of the external streams that come in here."""
        return self._agent.find()

    def introduce(self) -> tuple[Path, bytes]:
        """The run's folder of sockets on this host, and its public key; that is empty in a run of one host."""
        return self._runtime, self._agent.public_key

    def has_code(self, at: str) -> bool:
        """Whether what was laid out there is there still."""
        return Path(at).is_dir()

    def place(self, code: Bundle, used: Collection[str] | None = None) -> Path:
        """Lay scripts and files of the graph out on this host; then what was there before goes, but for what is `used`.

        Gives where they are.
        """
        runtime = self._runtime.resolve()
        at = code.place(runtime, used or ())
        if used is not None:
            code.tidy(runtime, used)
        return at

    def environment(self, wanted: Wanted) -> Made:
        """The Python for a node that wants this, made where it is not there, and left alone while the run is here."""
        made = self._environments.make(wanted)
        mark_used(self._runtime, made.python)
        return made

    def prepare(self, plan: Plan, adopt: bool = False, allowed: Mapping[bytes, str] | None = None) -> str:
        """Rings, board, sinks: made, or taken over. Gives where other hosts' streams come in."""
        endpoint = self._agent.prepare(plan, adopt, allowed or {})
        self._ports = plan.ports
        return endpoint

    def begin_links(self, plan: Plan, moved: Collection[str]) -> dict[str, int]:
        """Of a plan in which these nodes have moved."""
        return self._agent.begin_links(plan, moved)

    def follow(self, plan: Plan, moved: Moved) -> None:
        """Take in nodes that have moved."""
        self._agent.follow(plan, moved)
        self._ports = plan.ports

    def connect(self, peers: Mapping[str, tuple[str, bytes]], timekeeper: str | None) -> None:
        """Send streams to other hosts, and learn the time."""
        self._agent.connect(peers, timekeeper)

    def drained(self, streams: Collection[str]) -> bool:
        """Whether these have arrived on the hosts that take them."""
        return self._agent.drained(streams)

    def watch_console(self, node: str, epoch: int) -> None:
        """Report a node's console."""
        self._agent.watch_console(node, epoch)

    def has_begun(self, node: str, epoch: int) -> bool:
        """Whether a process has lived this life of a node."""
        return self._agent.processes.has_begun(node, epoch)

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
        self._agent.processes.command(node, epoch, message)

    def commands(self, told: Sequence[tuple[str, int, dict[str, Any]]]) -> None:
        """To several nodes."""
        for node, epoch, message in told:
            self.command(node, epoch, message)

    def progress(self, node: str, epoch: int) -> dict[str, int]:
        """What of its orders a node has."""
        return self._agent.processes.progress(node, epoch)

    def kill(self, node: str, epoch: int) -> None:
        """A node's process."""
        self._agent.processes.kill(node, epoch)

    def release(self, node: str) -> None:
        """Of a process that is gone."""
        self._agent.processes.release(node)

    def report(self) -> dict[str, Any] | None:
        """A fresh look at the board."""
        return self._agent.report()

    def look(self, stream: str, request: dict[str, Any]) -> dict[str, Any]:
        """At a stream that is made here, for somebody on another host; ``refused`` says why not."""
        return look_at(self._ports.get(stream), stream, request, self._clock)

    def metrics(self) -> dict[str, Any]:
        """What metrics tell beyond that."""
        return self._agent.metrics()

    def end_all(self) -> None:
        """Stop everything without a coordinator."""
        self._environments.close()
        self._agent.end_all()
        if not self._part.here:
            threading.Timer(LOOK_SECONDS, self._leave).start()  # once whoever asked has the answer

    def close(self) -> dict[str, Any]:
        """Everything down; the last report."""
        self._environments.close()
        last = self._agent.close()
        if not self._part.here:  # there the session does it
            end_guard(self._runtime)
            shutil.rmtree(self._runtime, ignore_errors=True)
        return last
