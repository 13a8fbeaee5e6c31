"""What the coordinator's state machine hears (events) and what it wants done (instructions)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from rena_graph.errors import ExitCode
from rena_graph.runtime.lifecycle import NodeState

__all__ = [
    "EndRun",
    "Event",
    "HostFailed",
    "HostGone",
    "HostHeard",
    "HostLost",
    "HostPrepared",
    "HostSilent",
    "Instruction",
    "KillAsked",
    "KillNode",
    "LauncherGone",
    "MoveNodes",
    "NodeGone",
    "NodeReported",
    "PlaceNode",
    "PrepareHost",
    "RayLost",
    "RestartAsked",
    "RunNode",
    "Say",
    "ScriptChanged",
    "SinksStopped",
    "SourcesEnded",
    "StaleSeen",
    "StartNode",
    "StartSinks",
    "StartSources",
    "StopAsked",
    "StopNode",
    "StopSinks",
    "StopSources",
    "Tick",
]


# -- events: what happened ---------------------------------------------------------------------------
@dataclass(frozen=True)
class HostPrepared:
    """The external streams are known, rings and board are made or taken over, the sinks hold their ports."""

    life: int = 0
    """Which host agent says so, counted from 0."""


@dataclass(frozen=True)
class HostFailed:
    """The host cannot be prepared, a bridge failed for good, or a node cannot keep a rate that the graph insists on."""

    error: str
    exit_code: ExitCode


@dataclass(frozen=True)
class HostLost:
    """The host agent died, and with it the bridges and whoever could tell the nodes anything."""


@dataclass(frozen=True)
class HostSilent:
    """Nothing is heard of another host; most come back."""

    host: str
    why: str = ""
    """What is known of the cause; may be empty."""


@dataclass(frozen=True)
class HostHeard:
    """A host that was silent for so many seconds is heard again."""

    host: str
    seconds: float


@dataclass(frozen=True)
class HostGone:
    """A host is lost: the lease of what is there has run out, and whatever it says from now on counts no more."""

    host: str
    seconds: float
    why: str
    nodes: tuple[str, ...]
    """Those that ran there."""
    streams: tuple[str, ...]
    """The external streams that came in there."""
    moves: tuple[tuple[str, str], ...] = ()
    """Of the nodes, those for which there is another host of the run, and which."""
    stuck: tuple[tuple[str, str], ...] = ()
    """The others, and why there is none."""


@dataclass(frozen=True)
class NodeReported:
    """A node said which state it is in."""

    node: str
    epoch: int
    state: NodeState
    error: str | None = None
    kind: str | None = None


@dataclass(frozen=True)
class NodeGone:
    """A node's process ended."""

    node: str
    epoch: int
    cause: str


@dataclass(frozen=True)
class StaleSeen:
    """The nodes that show no sign of life now, each with its epoch and for how many seconds."""

    nodes: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class ScriptChanged:
    """A node's script, or a module that it imported from beside it, is another one now (``--reload``)."""

    node: str
    path: str
    problem: str | None = None
    """Why the node could not be started with it, where that can be told without running it."""


@dataclass(frozen=True)
class RestartAsked:
    """Somebody wants a node's process to end in good order and another one to go on in its place."""

    node: str


@dataclass(frozen=True)
class SourcesEnded:
    """Every external stream of the graph was finite, and all have ended."""


@dataclass(frozen=True)
class SinksStopped:
    """Everything that was broadcast has left."""


@dataclass(frozen=True)
class StopAsked:
    """Somebody wants the run to end in good order."""

    why: str


@dataclass(frozen=True)
class KillAsked:
    """Somebody wants the run to end now."""


@dataclass(frozen=True)
class LauncherGone:
    """The attached launcher vanished."""


@dataclass(frozen=True)
class RayLost:
    """Ray, or a part of it, is gone; its processes follow within seconds."""

    why: str


@dataclass(frozen=True)
class Tick:
    """Time passed."""


Event: TypeAlias = (
    HostPrepared
    | HostFailed
    | HostLost
    | HostSilent
    | HostHeard
    | HostGone
    | NodeReported
    | NodeGone
    | StaleSeen
    | ScriptChanged
    | RestartAsked
    | SourcesEnded
    | SinksStopped
    | StopAsked
    | KillAsked
    | LauncherGone
    | RayLost
    | Tick
)


# -- instructions: what is to be done ----------------------------------------------------------------
@dataclass(frozen=True)
class PrepareHost:
    """Make a host agent: it finds the external streams and makes rings, board and sinks, or takes over those there."""

    life: int = 0
    """Which one, counted from 0."""


@dataclass(frozen=True)
class PlaceNode:
    """Start a process for the node."""

    node: str
    epoch: int


@dataclass(frozen=True)
class MoveNodes:
    """Let what these nodes take and make begin and end on other hosts, by node; a second time nothing changes."""

    moves: Mapping[str, str]


@dataclass(frozen=True)
class RunNode:
    """Hand the node its setup: it loads, initialises and waits. Its process is started where none has been."""

    node: str
    epoch: int


@dataclass(frozen=True)
class StartNode:
    """Let the node's loops begin."""

    node: str
    epoch: int


@dataclass(frozen=True)
class StopNode:
    """Let the node drain for at most `within` seconds, clean up and end; `again`: to begin anew after that."""

    node: str
    epoch: int
    within: float
    again: bool = False


@dataclass(frozen=True)
class KillNode:
    """End the node's process by force."""

    node: str
    epoch: int


@dataclass(frozen=True)
class StartSinks:
    """Let what is made leave the graph."""


@dataclass(frozen=True)
class StartSources:
    """Let the first sample in."""


@dataclass(frozen=True)
class StopSources:
    """Let no more samples in."""


@dataclass(frozen=True)
class StopSinks:
    """Send what is left, then close."""


@dataclass(frozen=True)
class Say:
    """Tell the user."""

    level: str
    text: str
    node: str | None = None


@dataclass(frozen=True)
class EndRun:
    """All is done."""

    exit_code: ExitCode
    failure: str | None


Instruction: TypeAlias = (
    PrepareHost
    | PlaceNode
    | MoveNodes
    | RunNode
    | StartNode
    | StopNode
    | KillNode
    | StartSinks
    | StartSources
    | StopSources
    | StopSinks
    | Say
    | EndRun
)
