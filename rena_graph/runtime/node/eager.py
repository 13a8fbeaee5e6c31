"""Waiting awake for what is expected: a node with ``spin`` rehearses its loop shortly before it, then looks and looks.

What costs a hop most is that its reader sleeps: the core that wakes it takes its time, and finds caches and branch
predictors that others have filled. Whoever is awake a moment before the data is spared both, for the price of that
moment on a core.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rena_graph.transport.interface import Waiter

__all__ = ["EagerWait"]

_SMOOTHING = 0.125
"""Weight of the newest interval in what the next arrival is expected from."""


class EagerWait:
    """Waits as `waiter` does, but is awake from `spin` seconds before what is expected until `spin` seconds after it.

    Expected is, of the clock, the deadline; of data, the last arrival plus the smoothed interval of those before. Where
    data comes without any rhythm, time is spent in vain, and nothing else happens.

    Parameters
    ----------
    waiter : Waiter
        Sleeps.
    spin : float
        Seconds.
    clock : callable
        Monotonic seconds.
    ready : sequence of callable
        One for each triggering input: true once a loop may begin with what is there.
    rehearse : callable
        Called when it has just woken: does what a loop does, without effect.
    """

    def __init__(
        self,
        waiter: Waiter,
        spin: float,
        clock: Callable[[], float],
        ready: Sequence[Callable[[], int]],
        rehearse: Callable[[], None],
    ) -> None:
        self._sleep = waiter.wait
        self._spin = spin
        self._clock = clock
        self._ready = tuple(ready)
        self._rehearse = rehearse
        self._arrived: float | None = None
        self._interval: float | None = None

    def wait(self, deadline: float, on_data: bool) -> None:
        """Until `deadline` or, with `on_data`, until data is there; may return early, as any wait."""
        if on_data:
            self._wait_for_data(deadline)
        else:
            self._wait_for_clock(deadline)

    def _wait_for_clock(self, deadline: float) -> None:
        clock, awake = self._clock, deadline - self._spin
        if clock() < awake:
            self._sleep(awake, False)
            if clock() < awake:
                return  # the doorbell: somebody wants something
            self._rehearse()
        while clock() < deadline:
            pass

    def _wait_for_data(self, deadline: float) -> None:
        clock, spin = self._clock, self._spin
        now = clock()
        if self._arrived is not None and self._interval is not None:
            expected = self._arrived + self._interval
            awake = expected - spin
            if now < awake < deadline:
                self._sleep(awake, True)
                if clock() < awake or self._look():
                    return  # data before its time, or the doorbell
                self._rehearse()
            until = min(expected + spin, deadline)
            while (now := clock()) < until:
                if self._look():
                    return
        if now < deadline:
            self._sleep(deadline, True)
            self._look()

    def _look(self) -> bool:
        """Whether data is there; if so, the next arrival is counted from now."""
        for ready in self._ready:
            if ready():
                break
        else:
            return False
        now = self._clock()
        if self._arrived is not None:
            since = now - self._arrived
            before = self._interval
            self._interval = since if before is None else before + _SMOOTHING * (since - before)
        self._arrived = now
        return True
