"""Where a script's saved state lies in shared memory: two files, of which one is written while the other counts."""

from __future__ import annotations

import contextlib
import mmap
import os
from pathlib import Path

from rena_graph.errors import TransportError

__all__ = ["STATE_LIMIT", "StateFiles"]

STATE_LIMIT = 64 << 20
"""Bytes of one saved state, encoded, at most: it is written after every loop, and lies in memory twice."""


class StateFiles:
    """The two files of one node's state; made when they are first needed, they grow and never shrink.

    A file that grows is one that does not count, so that a process killed in the middle harms nothing.

    Parameters
    ----------
    prefix : str
        Path of the files, less their number.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._mapped: dict[int, mmap.mmap] = {}

    def _path(self, number: int) -> Path:
        return Path(f"{self._prefix}-{number}")

    def write(self, number: int, state: bytes) -> None:
        """Put `state` into file 1 or 2.

        Raises
        ------
        TransportError
            It is larger than :data:`STATE_LIMIT`, or there is no room for it; what the other file holds is unharmed.
        """
        size = len(state)
        if size > STATE_LIMIT:
            raise TransportError(f"it takes {size:,} bytes, and a saved state may have {STATE_LIMIT:,} at most")
        mapped = self._mapped.get(number)
        if mapped is None or len(mapped) < size:
            mapped = self._grown(number, size)
        mapped[:size] = state

    def _grown(self, number: int, size: int) -> mmap.mmap:
        # Half as much again: a state that grows from loop to loop must not make a file each time.
        room = -(-max(size + size // 2, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
        fd = os.open(self._path(number), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # A file that a process before this one left may be larger.
            room = max(room, os.fstat(fd).st_size)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, room)
            else:
                os.ftruncate(fd, room)
            mapped = mmap.mmap(fd, room)
        except OSError as problem:
            raise TransportError(
                f"there is no room for it in {self._path(number).parent}: {problem.strerror}"
            ) from problem
        finally:
            os.close(fd)
        before = self._mapped.pop(number, None)
        if before is not None:
            before.close()
        self._mapped[number] = mapped
        return mapped

    def read(self, number: int, size: int) -> bytes:
        """The first `size` bytes of file 1 or 2.

        Raises
        ------
        TransportError
            It is not there, or shorter.
        """
        try:
            with self._path(number).open("rb") as file:
                state = file.read(size)
        except OSError as problem:
            raise TransportError(f"{self._path(number)} cannot be read: {problem.strerror}") from problem
        if len(state) != size:
            raise TransportError(f"{self._path(number)} holds {len(state)} bytes where {size} were saved")
        return state

    def close(self) -> None:
        """Let go of the mappings; the files stay for the next process."""
        for mapped in self._mapped.values():
            mapped.close()
        self._mapped.clear()

    @staticmethod
    def remove(prefix: str) -> None:
        """Remove both files; missing is as good."""
        for number in (1, 2):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{prefix}-{number}").unlink()
