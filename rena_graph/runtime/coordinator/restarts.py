"""When what died is made anew, and when it is given up: budgets and back-off, without a clock of their own."""

from __future__ import annotations

from rena_graph.runtime.coordinator.node_record import NodeRecord
from rena_graph.runtime.lifecycle import Phase

__all__ = ["FRAME_LOSSES", "FRAME_WINDOW", "may_restart", "schedule", "spend"]

BACKOFF = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Seconds before the first, second, … restart within a window."""
FRAME_LOSSES = 5
FRAME_WINDOW = 60.0
"""So often within so many seconds a coordinator, or a host agent, may die and is made anew."""

_RESTARTABLE = ("died", "restart", "stopped")
"""Not ``load`` and ``init``, which would fail again, nor ``loop``, where the graph says that an error stops it."""


def spend(times: list[float], now: float, limit: int = FRAME_LOSSES, window: float = FRAME_WINDOW) -> bool:
    """Take one from a budget of `limit` within `window` seconds; False where there is none left.

    `times` is when it was taken from before; those that are too long ago are forgotten.
    """
    times[:] = [t for t in times if now - t < window]
    if len(times) >= limit:
        return False
    times.append(now)
    return True


def may_restart(record: NodeRecord, kind: str, phase: Phase, now: float) -> bool:
    """Whether a node that ended in this way begins another life by itself."""
    restart = record.definition.restart
    if phase is not Phase.RUNNING or record.debugged:
        return False
    if restart.policy == "never" or kind not in _RESTARTABLE:
        return False
    record.restart_times = [t for t in record.restart_times if now - t < restart.window]
    return len(record.restart_times) < restart.max


def schedule(record: NodeRecord, now: float) -> None:
    """Take one from the node's budget; its next life begins after the back-off."""
    wait = BACKOFF[min(len(record.restart_times), len(BACKOFF) - 1)]
    record.restart_times.append(now)
    record.restarts += 1
    record.restart_at = now + wait
