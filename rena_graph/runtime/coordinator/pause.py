"""The coordinator's sleep between two looks at the time: one timer and no task, to be cut short at any moment."""

from __future__ import annotations

import asyncio

__all__ = ["Pause"]


class Pause:
    """Waits for time to pass; for one task, the others of its event loop may end the wait, or shorten it."""

    def __init__(self) -> None:
        self._over: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds, or earlier where somebody wants that meanwhile."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        self._timer = loop.call_later(seconds, self.end)
        try:
            await self._over
        finally:
            self._timer.cancel()
            self._over = self._timer = None

    def within(self, seconds: float) -> None:
        """Let the sleep, if there is one, be over in so many seconds at the latest."""
        if self._timer is None:
            return
        loop = asyncio.get_running_loop()
        if self._timer.when() > loop.time() + seconds:
            self._timer.cancel()
            self._timer = loop.call_later(seconds, self.end)

    def end(self) -> None:
        """Let the sleep, if there is one, be over now."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
