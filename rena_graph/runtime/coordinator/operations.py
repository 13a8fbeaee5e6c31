"""What can be asked of a running graph: the requests of the control socket, checked and carried out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from difflib import get_close_matches
from typing import Any, Protocol

from rena_graph.errors import UsageError
from rena_graph.graph.document import MAX_RATE, ParamDef
from rena_graph.graph.model import Graph
from rena_graph.runtime.coordinator.orders import Orders
from rena_graph.runtime.coordinator.rate_keeper import RateKeeper
from rena_graph.runtime.coordinator.signals import Event, KillAsked, RestartAsked, StopAsked
from rena_graph.runtime.lifecycle import NodeState, Phase
from rena_graph.runtime.run_setup import longest_stop
from rena_graph.streams.params import ParamChanges, Params, parse_param

__all__ = ["Operations"]

MAX_STEPS = 1_000_000
_KNOWN = (
    "status",
    "streams",
    "look",
    "metrics",
    "params",
    "rate",
    "pause",
    "resume",
    "step",
    "restart",
    "stop",
    "kill",
)


class Streams(Protocol):
    """See :class:`rena_graph.runtime.coordinator.stream_desk.StreamDesk`."""

    def describe(self) -> dict[str, Any]:
        """All streams."""
        ...

    async def look(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """At one of another host."""
        ...


async def _nothing() -> dict[str, Any]:
    return {}


class Operations:
    """Answers requests, and remembers what was changed: a restarted node starts with it.

    Parameters
    ----------
    graph : Graph
        What runs.
    orders : Orders
        Hands commands to the processes of nodes.
    state : callable
        The state of a node.
    status : coroutine function
        What is known now.
    hear : callable
        Takes an event for the coordinator's state machine.
    debug_ended : coroutine function
        The launcher's own node is no more.
    phase : callable
        Where the run is.
    streams : Streams
        What is known of the streams, and looks at those of other hosts; None where nobody asks.
    metrics : coroutine function
        What metrics are made of; see :mod:`rena_graph.runtime.metrics.catalogue`.
    debugged : str | None
        The node that runs in the launching process.
    there : callable
        Gives a node's parameters as they are on its host.
    """

    def __init__(
        self,
        graph: Graph,
        orders: Orders,
        state: Callable[[str], NodeState],
        status: Callable[[], Awaitable[dict[str, Any]]],
        hear: Callable[[Event], None],
        debug_ended: Callable[[], Awaitable[None]],
        phase: Callable[[], Phase],
        streams: Streams | None = None,
        metrics: Callable[[], Awaitable[dict[str, Any]]] = _nothing,
        debugged: str | None = None,
        there: Callable[[str, Mapping[str, ParamDef]], Mapping[str, ParamDef]] = lambda _, definitions: definitions,
    ) -> None:
        self.params = {name: Params(graph.params_of(name), folder=graph.folder) for name in graph.nodes}
        self.frequencies: dict[str, float] = {}
        """Run frequencies in Hz that are no longer the graph's."""
        self.paused: set[str] = set()
        """Nodes that somebody has paused: their next life is, too."""
        self._folder = graph.folder
        self._changed: set[str] = set()
        self.keeper = RateKeeper(graph, self.frequencies)
        self._longest_stop = longest_stop(graph)
        self._orders = orders
        self._state = state
        self._status = status
        self._hear = hear
        self._debug_ended = debug_ended
        self._streams = streams
        self._metrics = metrics
        self._phase = phase
        self._debugged = debugged
        self._there = there

    def definitions(self, node: str) -> dict[str, ParamDef]:
        """The node's parameters as they are now."""
        params = self.params[node]
        return {name: d.model_copy(update={"value": params[name]}) for name, d in params.definitions.items()}

    def save(self) -> dict[str, Any]:
        """What was changed, as JSON-able values, for a coordinator that has to go on."""
        params = {
            node: {name: definition.model_dump(mode="json") for name, definition in self.definitions(node).items()}
            for node in self._changed
        }
        return {"params": params, "frequencies": dict(self.frequencies), "paused": sorted(self.paused)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Know what the coordinator before knew."""
        for node, definitions in saved["params"].items():
            known = {name: ParamDef.model_validate(definition) for name, definition in definitions.items()}
            self.params[node] = Params(known, folder=self._folder)
            self._changed.add(node)
        self.frequencies.update(saved["frequencies"])
        self.paused.update(saved["paused"])

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request.

        Raises
        ------
        RenaGraphError
            It cannot be done; nothing was changed.
        """
        match request.get("op"):
            case "status":
                return {"status": await self._status()}
            case "streams":
                return {"streams": {} if self._streams is None else self._streams.describe()}
            case "look" if self._streams is not None:
                return await self._streams.look(request)
            case "metrics":
                return await self._metrics()
            case "params":
                return await self._change_params(self._node(request), request)
            case "rate":
                return await self._set_rate(self._node(request), request.get("hz"))
            case "pause":
                self.paused.add(self._node(request))
                await self._orders.send(self._node(request), {"do": "pause"})
            case "resume":
                self.paused.discard(self._node(request))
                await self._orders.send(self._node(request), {"do": "resume"})
            case "restart":
                self._restart(self._node(request))
            case "step":
                return await self._step(self._node(request), request.get("count", 1))
            case "stop":
                self._hear(StopAsked(str(request.get("why", "asked to stop"))))
                return {"within": self._longest_stop}
            case "kill":
                self._hear(KillAsked())
            case "debug_ended":
                await self._debug_ended()
            case other:
                raise UsageError(f"the control socket knows no {other!r}; it knows {', '.join(_KNOWN)}")
        return {}

    def _node(self, request: dict[str, Any]) -> str:
        node = request.get("node")
        if node not in self.params:
            near = get_close_matches(str(node), self.params, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"the nodes are {', '.join(self.params)}"
            raise UsageError(f"there is no node {node!r}; {hint}")
        return str(node)

    async def _change_params(self, node: str, request: dict[str, Any]) -> dict[str, Any]:
        params = self.params[node]
        values = {**dict(request.get("set", {})), **_parsed(params, dict(request.get("set_text", {})))}
        change = ParamChanges(values, dict(request.get("add", {})), tuple(request.get("remove", ())))
        applied = True
        if change != ParamChanges():
            params.apply(change)
            self._changed.add(node)
            changed = {name: d for name, d in self.definitions(node).items() if name in change.values}
            values = {name: definition.value for name, definition in self._there(node, changed).items()}
            message = {"do": "params", "set": values, "add": change.add, "remove": change.remove}
            applied = await self._orders.deliver(node, "params", message)
        known = {name: d.model_dump(exclude_none=True) for name, d in params.definitions.items()}
        return {"params": dict(params), "definitions": known, "applied": applied}

    async def _set_rate(self, node: str, hz: object) -> dict[str, Any]:
        if isinstance(hz, bool) or not isinstance(hz, int | float) or not 0 < hz <= MAX_RATE:
            raise UsageError(f"the run frequency of {node!r} must be above 0 and at most {MAX_RATE:g} Hz, not {hz!r}")
        self.frequencies[node] = float(hz)
        command = self.keeper.rates.change(node, float(hz), self._orders.now())
        return {"hz": float(hz), "applied": await self._orders.deliver(node, "rate", command)}

    def _restart(self, node: str) -> None:
        if node == self._debugged:
            raise UsageError(f"{node!r} is under debug: it runs in the launching process, and is not started anew")
        if self._phase() is not Phase.RUNNING:
            raise UsageError(f"the run is {self._phase().value}; a node is restarted while it is running")
        self._hear(RestartAsked(node))

    async def _step(self, node: str, count: object) -> dict[str, Any]:
        if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= MAX_STEPS:
            raise UsageError(f"a number of single steps is from 1 to {MAX_STEPS:,}, not {count!r}")
        state = self._state(node)
        if state is not NodeState.PAUSED:
            raise UsageError(f"{node!r} is {state.label}; only a paused node makes single steps: pause it first")
        left = await self._orders.steps_left(node, count)
        return {"made": count - left, "left": left}


def _parsed(params: Params, texts: dict[str, str]) -> dict[str, Any]:
    """Values as the command line writes them, read by each parameter's type; unknown names are for others to refuse."""
    known = params.definitions
    return {name: parse_param(known[name], text, name=name) if name in known else text for name, text in texts.items()}
