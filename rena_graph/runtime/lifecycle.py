"""The states of a node and the ways between them, and the phases of a run."""

from __future__ import annotations

from enum import Enum, IntEnum

from rena_graph.errors import RenaGraphError

__all__ = ["ALIVE", "ENDED", "FAILURE_KINDS", "Heard", "NodeState", "Phase", "check_transition", "may_follow"]


class Phase(Enum):
    """Where the run is."""

    PREPARING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"


class Heard(Enum):
    """What a coordinator answers a host agent that tells it something."""

    TAKEN = "taken"
    FENCED = "fenced"
    """Its host was taken for lost: neither it nor what it has counts any more."""
    REPLACED = "replaced"
    """Another agent of its host is in its place."""


class NodeState(IntEnum):
    """Where a node is. The numbers stand on the board; ``stale`` is no state but marks a running node."""

    PLACING = 0
    """Ray looks for a place and starts the process."""
    LOADING = 1
    """The script file is imported and its class made."""
    INITIALIZING = 2
    """``init()`` runs."""
    READY = 3
    """Waiting for all others."""
    RUNNING = 4
    PAUSED = 5
    STOPPING = 6
    """Draining what is there, then ``cleanup()``."""
    STOPPED = 7
    FAILED = 8
    RESTARTING = 9
    """Dead, or told to end, and waiting for its next epoch."""

    @property
    def label(self) -> str:
        """The word for people."""
        return self.name.lower()


ENDED = frozenset({NodeState.STOPPED, NodeState.FAILED})
"""Nothing more comes from here by itself; somebody may ask for another life."""

ALIVE = frozenset(set(NodeState) - ENDED - {NodeState.RESTARTING})
"""There is a process, or one is being made."""

FAILURE_KINDS = ("loop", "load", "init", "died", "restart")
"""How a node can fail; the board has the index of the kind."""

_S = NodeState
_NEXT: dict[NodeState, frozenset[NodeState]] = {
    _S.PLACING: frozenset({_S.LOADING, _S.FAILED, _S.RESTARTING, _S.STOPPING, _S.STOPPED}),
    _S.LOADING: frozenset({_S.INITIALIZING, _S.FAILED, _S.RESTARTING, _S.STOPPING, _S.STOPPED}),
    _S.INITIALIZING: frozenset({_S.READY, _S.FAILED, _S.RESTARTING, _S.STOPPING, _S.STOPPED}),
    _S.READY: frozenset({_S.RUNNING, _S.FAILED, _S.RESTARTING, _S.STOPPING, _S.STOPPED}),
    _S.RUNNING: frozenset({_S.PAUSED, _S.STOPPING, _S.STOPPED, _S.FAILED, _S.RESTARTING}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.STOPPING, _S.STOPPED, _S.FAILED, _S.RESTARTING}),
    _S.STOPPING: frozenset({_S.STOPPED, _S.FAILED, _S.RESTARTING}),
    _S.STOPPED: frozenset({_S.RESTARTING}),
    _S.FAILED: frozenset({_S.RESTARTING}),
    _S.RESTARTING: frozenset({_S.PLACING, _S.STOPPING, _S.STOPPED, _S.FAILED}),
}


class ImpossibleTransition(RenaGraphError):
    """Ours: the life cycle does not allow this step."""


def may_follow(old: NodeState, new: NodeState) -> bool:
    """Whether a node may go from `old` to `new` in one step."""
    return new in _NEXT[old]


def check_transition(old: NodeState, new: NodeState) -> None:
    """Raise :class:`ImpossibleTransition` where `new` cannot follow `old`."""
    if not may_follow(old, new):
        raise ImpossibleTransition(f"a node cannot go from {old.label} to {new.label}")
