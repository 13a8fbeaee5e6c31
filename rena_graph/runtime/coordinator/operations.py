"""What can be asked of a running graph: the requests of the control socket, checked and carried out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from typing import Any

from rena_graph.errors import UsageError
from rena_graph.graph.document import MAX_RATE, ParamDef
from rena_graph.graph.model import Graph
from rena_graph.runtime.coordinator.signals import Event, KillAsked, StopAsked
from rena_graph.streams.params import ParamChanges, Params, parse_param

__all__ = ["Operations"]

_KNOWN = ("status", "params", "rate", "pause", "resume", "stop", "kill")


class Operations:
    """Answers requests, and remembers what was changed: a restarted node starts with it.

    Parameters
    ----------
    graph : Graph
        What runs.
    command : coroutine function
        Hands a command to the process of a node.
    status : coroutine function
        What is known now.
    hear : callable
        Takes an event for the coordinator's state machine.
    debug_ended : coroutine function
        The launcher's own node is no more.
    """

    def __init__(
        self,
        graph: Graph,
        command: Callable[[str, dict[str, Any]], Awaitable[None]],
        status: Callable[[], Awaitable[dict[str, Any]]],
        hear: Callable[[Event], None],
        debug_ended: Callable[[], Awaitable[None]],
    ) -> None:
        self.params = {name: Params(graph.params_of(name), folder=graph.folder) for name in graph.nodes}
        self.frequencies: dict[str, float] = {}
        """Run frequencies in Hz that are no longer the graph's."""
        self._command = command
        self._status = status
        self._hear = hear
        self._debug_ended = debug_ended

    def definitions(self, node: str) -> dict[str, ParamDef]:
        """The node's parameters as they are now."""
        params = self.params[node]
        return {name: d.model_copy(update={"value": params[name]}) for name, d in params.definitions.items()}

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
            case "params":
                return await self._change_params(self._node(request), request)
            case "rate":
                return await self._set_rate(self._node(request), request.get("hz"))
            case "pause" | "resume" as order:
                await self._command(self._node(request), {"do": order})
            case "stop":
                self._hear(StopAsked(str(request.get("why", "asked to stop"))))
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
        if change != ParamChanges():
            params.apply(change)
            message = {"do": "params", "set": change.values, "add": change.add, "remove": change.remove}
            await self._command(node, message)
        known = {name: d.model_dump(exclude_none=True) for name, d in params.definitions.items()}
        return {"params": dict(params), "definitions": known}

    async def _set_rate(self, node: str, hz: object) -> dict[str, Any]:
        if isinstance(hz, bool) or not isinstance(hz, int | float) or not 0 < hz <= MAX_RATE:
            raise UsageError(f"the run frequency of {node!r} must be above 0 and at most {MAX_RATE:g} Hz, not {hz!r}")
        self.frequencies[node] = float(hz)
        await self._command(node, {"do": "rate", "hz": float(hz)})
        return {"hz": float(hz)}


def _parsed(params: Params, texts: dict[str, str]) -> dict[str, Any]:
    """Values as the command line writes them, read by each parameter's type; unknown names are for others to refuse."""
    known = params.definitions
    return {name: parse_param(known[name], text, name=name) if name in known else text for name, text in texts.items()}
