"""What one node's process is told at its start: plain facts that travel with the actor's first call."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rena_graph.graph.document import InputDef, NodeDef, ParamDef
from rena_graph.streams.finite import OnNan
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.interface import EdgeOptions, StreamPort

__all__ = ["InputSetup", "NodeSetup", "OutputSetup"]


@dataclass(frozen=True)
class InputSetup:
    """One edge into the node.

    Parameters
    ----------
    port : StreamPort
        Where the stream is on this host.
    edge : EdgeOptions
        The edge's row, and what happens when the node is slow.
    definition : InputDef
        What the graph says of it.
    pick : tuple of int | None
        Columns of the stream that the script gets; None for all.
    spec : StreamSpec
        The stream as the script sees it: named by its script name, channels picked.
    """

    port: StreamPort
    edge: EdgeOptions
    definition: InputDef
    pick: tuple[int, ...] | None
    spec: StreamSpec


@dataclass(frozen=True)
class OutputSetup:
    """One stream out of the node; `name` is the script's, `on_nan` what becomes of samples that are not finite."""

    name: str
    port: StreamPort
    on_nan: OnNan = "pass"


@dataclass(frozen=True)
class NodeSetup:
    """All that a node's process needs to know.

    Parameters
    ----------
    run, name, epoch, index
        Which run, node, incarnation, and board row.
    script : str
        Absolute path.
    definition : NodeDef
        As in the graph.
    board, commands, events, console
        Path of the board, ZMQ endpoints of the host agent, and path prefix of the console files.
    runtime_dir : str
        The run's folder of sockets on this host, whose lock the process holds while it lives.
    state : str
        Path prefix of the files that hold the script's saved state; needed by scripts that save one.
    reload : bool
        Whether the coordinator wants to know which files the script imported.
    own_clock : bool
        Whether this host's clock is graph time; else graph time is what the host agent keeps on the board.
    """

    run: str
    graph: str
    name: str
    epoch: int
    index: int
    script: str
    folder: str
    definition: NodeDef
    inputs: tuple[InputSetup, ...]
    outputs: tuple[OutputSetup, ...]
    board: str
    commands: str
    events: str
    console: str
    runtime_dir: str
    state: str = ""
    params: dict[str, ParamDef] = field(default_factory=dict)
    transport: Literal["ring", "zmq"] = "ring"
    reload: bool = False
    own_clock: bool = True

    def save(self, path: Path) -> None:
        """Write it for another process, whole or not at all; the folder must be of mode 0700."""
        spare = path.with_suffix(".new")
        spare.write_bytes(pickle.dumps(self))
        spare.replace(path)

    @staticmethod
    def load(path: Path) -> NodeSetup | None:
        """Read what :meth:`save` wrote; None where nothing was yet. Refuses a file that is not the user's own."""
        try:
            if path.stat().st_uid != os.getuid():
                raise PermissionError(f"{path} belongs to somebody else")
            setup = pickle.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        assert isinstance(setup, NodeSetup)
        return setup
