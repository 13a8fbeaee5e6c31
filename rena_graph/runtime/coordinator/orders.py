"""Orders to nodes: sent to the process that runs a node now, and followed until its loop has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from rena_graph.runtime.clock import Clock

__all__ = ["Orders"]

TAKEN_UP_WITHIN = 2.0
"""Seconds that a node has to take up an order before whoever gave it is told that it waits."""
LOOK_AGAIN = (0.002, 0.005, 0.01, 0.02)
"""Seconds between looks at what the node has; the last again and again."""


class Orders:
    """Sends, and looks whether it has arrived: in the node's own counters, not in what was sent.

    Parameters
    ----------
    send : coroutine function
        Hands a command to the process of a node; nothing where none runs, since the next one is told by its setup.
    progress : coroutine function
        The versions of what the node's loop has, as its host agent reads them off the board; None where no process
        runs the node.
    clock : Clock
        Versions grow with it, also over the coordinator's own restarts.
    """

    def __init__(
        self,
        send: Callable[[str, dict[str, Any]], Awaitable[None]],
        progress: Callable[[str], Awaitable[dict[str, int] | None]],
        clock: Clock,
    ) -> None:
        self.send = send
        self._progress = progress
        self._clock = clock

    def now(self) -> float:
        """Graph time."""
        return self._clock.now()

    async def deliver(self, node: str, what: Literal["params", "rate", "step"], message: dict[str, Any]) -> bool:
        """Send, and wait until the node's loop has it; False where it has not within two seconds: it will, later.

        A paused node takes up orders too; one that hangs in ``loop()``, or still loads, does not.
        """
        version = self._clock.now_ns()
        await self.send(node, {**message, "version": version})
        return await self._until(node, lambda has: has.get(what, 0) >= version)

    async def steps_left(self, node: str, count: int) -> int:
        """Make single steps; how many of them are not made yet after two seconds."""
        if await self.deliver(node, "step", {"do": "step", "count": count}):
            await self._until(node, lambda has: has.get("left", 0) == 0)
            has = await self._progress(node)
            return (has or {}).get("left", 0)
        return count

    async def _until(self, node: str, condition: Callable[[dict[str, int]], bool]) -> bool:
        deadline = self._clock.now() + TAKEN_UP_WITHIN
        waits = list(LOOK_AGAIN)
        while True:
            has = await self._progress(node)
            if has is None or condition(has):
                return True
            if self._clock.now() >= deadline:
                return False
            await asyncio.sleep(waits.pop(0) if len(waits) > 1 else waits[0])
