"""What is asked of a run's streams: what there are, and looks at those that lie on other hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rena_graph.errors import UsageError
from rena_graph.runtime.coordinator.agents import Agents
from rena_graph.runtime.coordinator.flows import describe_streams
from rena_graph.runtime.coordinator.groundwork import Groundwork

__all__ = ["StreamDesk"]

ANSWER_WITHIN = 2.0
"""Seconds that a host has for a look."""
_LIMIT = 1_000_000
"""Samples that may be asked for at once; a look has its own bound, in bytes."""


class StreamDesk:
    """Answers for all hosts.

    Parameters
    ----------
    agents : Agents
        Who looks.
    ground : Groundwork
        Who knows which stream lies where.
    """

    def __init__(self, agents: Agents, ground: Groundwork) -> None:
        self._agents = agents
        self._ground = ground

    def describe(self) -> dict[str, Any]:
        """See :func:`rena_graph.runtime.coordinator.flows.describe_streams`."""
        layout = self._ground.layout
        if layout is None:
            return {}
        return describe_streams(self._ground.plans, layout.here, self._ground.made_on)

    async def look(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One look at a stream where it is made; ``look`` is null where that host does not answer now.

        Raises
        ------
        UsageError
            There is no such stream, or the request is none.
        """
        stream, host = request.get("stream"), self._ground.made_on.get(str(request.get("stream")))
        if host is None:
            raise UsageError(f"there is no stream {stream!r} to look at")
        wanted = {
            "position": _whole(request, "position", None),
            "newest": _whole(request, "newest", 0),
            "limit": _whole(request, "limit", _LIMIT),
            "values": bool(request.get("values", True)),
        }
        answer = await self._agents.may_at(host, "look", stream, wanted, within=ANSWER_WITHIN)
        if answer is not None and "refused" in answer:
            raise UsageError(answer["refused"])
        return {"host": host, "look": answer}


def _whole(request: Mapping[str, Any], key: str, otherwise: int | None) -> int | None:
    value = request.get(key, otherwise)
    if value is None and otherwise is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"{key} of a look is a whole number from 0, not {value!r}")
    return value
