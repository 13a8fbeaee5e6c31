"""What one run is: the facts that launcher, session and coordinator share, and the files they leave for each other."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rena_graph.errors import ExitCode
from rena_graph.runtime.options import LaunchOptions

if TYPE_CHECKING:
    from rena_graph.graph.model import Graph

__all__ = ["Outcome", "RunSetup", "longest_stop"]


def longest_stop(graph: Graph) -> float:
    """Seconds that a graph's end in good order may take: every node drains and cleans up, level by level."""
    return 15.0 + sum(max(graph.nodes[n].stop_timeout + 1.0 for n in level) for level in graph.levels)


@dataclass(frozen=True)
class RunSetup:
    """One run.

    Parameters
    ----------
    id : str
        Short and unique on this machine; part of segment and socket names.
    graph : Graph
        Checked.
    folder : Path
        The run folder, which stays.
    runtime : Path
        The folder of sockets and locks, which goes with the run.
    transport : {'ring', 'zmq'}
        How streams move on one host, decided.
    options : LaunchOptions
        As asked.
    """

    id: str
    graph: Graph
    folder: Path
    runtime: Path
    transport: Literal["ring", "zmq"]
    options: LaunchOptions

    @property
    def namespace(self) -> str:
        """The run's Ray namespace: two runs never see each other's actors."""
        return f"rena-graph-{self.id}"

    @property
    def socket(self) -> Path:
        """Where the coordinator answers."""
        return self.runtime / "control.sock"

    @property
    def debug_file(self) -> Path:
        """Where the coordinator leaves the setup of the node that the launcher runs itself."""
        return self.runtime / "debug.setup"

    @property
    def longest_stop(self) -> float:
        """Seconds that an end in good order may take."""
        return longest_stop(self.graph)

    def save(self) -> Path:
        """Write it where the session process reads it: a file of ours in a folder of mode 0700, never a socket."""
        path = self.runtime / "setup"
        path.write_bytes(pickle.dumps(self))
        return path

    @staticmethod
    def load(path: Path) -> RunSetup:
        """Read what :meth:`save` wrote. Refuses a file that is not the user's own."""
        if path.stat().st_uid != os.getuid():
            raise PermissionError(f"{path} belongs to somebody else")
        setup = pickle.loads(path.read_bytes())
        assert isinstance(setup, RunSetup)
        return setup


@dataclass(frozen=True)
class Outcome:
    """How a run ended; ``outcome.json`` in its folder."""

    exit_code: ExitCode
    failure: str | None
    status: dict[str, Any] | None = None
    ran: bool = False
    """Whether it got as far as letting the first sample in."""

    def write(self, folder: Path) -> None:
        """Whole or not at all."""
        spare = folder / "outcome.json.new"
        spare.write_text(json.dumps({**asdict(self), "exit_code": int(self.exit_code)}, indent=1))
        spare.replace(folder / "outcome.json")

    @staticmethod
    def read(folder: Path) -> Outcome | None:
        """None while the run has not ended."""
        try:
            raw = json.loads((folder / "outcome.json").read_text())
        except FileNotFoundError:
            return None
        return Outcome(**{**raw, "exit_code": ExitCode(raw["exit_code"])})
