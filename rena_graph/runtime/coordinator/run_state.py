"""What the coordinator knows of the run as a whole, beside its nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

from rena_graph.errors import ExitCode
from rena_graph.runtime.lifecycle import Phase

__all__ = ["RunState"]


@dataclass
class RunState:
    """Where a run is, and how it will end."""

    now: float = 0.0
    """Monotonic seconds of the event that is looked at."""
    phase: Phase = Phase.PREPARING
    exit_code: ExitCode = ExitCode.OK
    failure: str | None = None
    """The first thing that went wrong."""
    host_ready: bool = False
    """The host was prepared once: rings and board are there, and outlive the agent that made them."""
    host_life: int = 0
    """Which host agent, counted from 0; also the epoch of the external streams' writers."""
    host_losses: list[float] = field(default_factory=list)
    ran: bool = False
    """The first sample was let in."""
    moves: dict[str, str] = field(default_factory=dict)
    """Of the nodes whose host was lost, the one on which each goes on."""
    stopping_level: int = -1
    sinks_deadline: float | None = None
    stop_limit: float | None = None
