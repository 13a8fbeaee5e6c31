"""What the coordinator knows of one node."""

from __future__ import annotations

from dataclasses import dataclass, field

from rena_graph.graph.document import NodeDef
from rena_graph.runtime.lifecycle import NodeState

__all__ = ["NodeRecord"]


@dataclass
class NodeRecord:
    """One node, in the life that it is in now."""

    name: str
    definition: NodeDef
    level: int
    state: NodeState = NodeState.PLACING
    epoch: int = 0
    error: str | None = None
    kind: str | None = None
    restarts: int = 0
    stale_for: float | None = None
    restart_times: list[float] = field(default_factory=list)
    restart_at: float | None = None
    gone: bool = False
    """Whether the process of this epoch is known to have ended: the next one is not begun before."""
    kill_at: float | None = None
    """When the process of this epoch, which was told to stop, is ended by force."""
    killed: bool = False
    run_sent: bool = False
    debugged: bool = False
    """It runs in the launching process, somebody may look at it for hours: never killed, never started anew."""
    reloads: int = 0
    """Lives that were begun because the script had changed; they are no restarts."""
    asked_restarts: int = 0
    """Lives that were begun because somebody asked for it; they take nothing from the budget."""

    @property
    def waits_for_change(self) -> bool:
        """Whether its script did not start, and another one is waited for."""
        return self.state is NodeState.RESTARTING and self.restart_at is None

    def begin_next_life(self) -> None:
        """A new epoch, of which nothing is known yet."""
        self.epoch += 1
        self.killed = self.run_sent = self.gone = False
        self.restart_at = self.kill_at = self.stale_for = None
