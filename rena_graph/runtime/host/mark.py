"""The sign of life of a host agent for those who outlive Ray: one number in a file, another one each beat."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

__all__ = ["AgentMark", "mark_path", "read_mark"]

_NUMBER = struct.Struct("<d")


def mark_path(folder: Path) -> Path:
    """Where it is, in the run's folder of sockets."""
    return folder / "agent-mark"


class AgentMark:
    """Written by the agent: a store, so that it costs a beat nothing.

    Parameters
    ----------
    folder : Path
        The run's folder of sockets on this host.
    """

    def __init__(self, folder: Path) -> None:
        fd = os.open(mark_path(folder), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(fd, _NUMBER.size)
            self._memory = mmap.mmap(fd, _NUMBER.size)
        finally:
            os.close(fd)

    def write(self, now: float) -> None:
        """The agent lives."""
        _NUMBER.pack_into(self._memory, 0, now)


def read_mark(folder: Path) -> float:
    """The newest one; nan where there is none."""
    try:
        return float(_NUMBER.unpack(mark_path(folder).read_bytes())[0])
    except (FileNotFoundError, struct.error):
        return float("nan")
