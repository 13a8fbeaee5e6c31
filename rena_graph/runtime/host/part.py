"""Which part of a run one host has: told to its agent when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rena_graph.runtime.folders import runs_dir, runtime_dir
from rena_graph.runtime.run_setup import RunSetup

__all__ = ["HostPart"]


@dataclass(frozen=True)
class HostPart:
    """One host's.

    Parameters
    ----------
    name : str
        Of the host, in the run.
    address : str
        Where other hosts reach it.
    streams : tuple of str
        The external streams that come in there.
    here : bool
        Whether it is the coordinator's host.
    several : bool
        Whether the run has other hosts besides.
    """

    name: str
    address: str
    streams: tuple[str, ...]
    here: bool
    several: bool

    @property
    def bind(self) -> str:
        """Where its streams come in from other hosts: on this address alone."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"tcp://{host}:*"

    def folders(self, setup: RunSetup) -> tuple[Path, Path]:
        """The run's folder of sockets, and that of its logs, on the host that this is called on; made where missing."""
        if self.here:
            return setup.runtime, setup.folder
        folders = runtime_dir() / setup.runtime.name, runs_dir() / setup.folder.name
        for folder in folders:
            folder.mkdir(mode=0o700, exist_ok=True)
        return folders
