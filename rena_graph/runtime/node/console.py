"""A node's console: all that its script prints, logs and warns, as JSON lines with time, node and level.

The lines go to a file, never through a pipe or socket: a file does not block the script when its reader is slow, and it
outlives a process that crashes. What C code writes to the process's own stdout and stderr (a segmentation fault's
traceback, say) goes to a second, plain file beside it. The host agent reads both (:class:`ConsoleTail`).
"""

from __future__ import annotations

import ctypes
import io
import json
import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Console", "ConsoleHandler", "ConsoleLines", "ConsoleTail"]

log = logging.getLogger(__name__)

MAX_BYTES_PER_SECOND = 1_000_000
"""What one node may write to its console; beyond it lines are counted, not kept."""
MAX_LINE = 20_000
FREE_BYTES = 1 << 20
"""What has been read is given back to the system in pieces of this size: these files often lie in memory."""


class Console:
    """Writes one node's console files.

    Parameters
    ----------
    prefix : str
        Path without ending; ``.jsonl`` and ``.native`` are added.
    node : str
        Whose lines these are.
    unix : callable
        Seconds since 1970.
    """

    def __init__(self, prefix: str, node: str, unix: Callable[[], float]) -> None:
        self._node = node
        self._unix = unix
        self._fd = os.open(prefix + ".jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._native = prefix + ".native"
        self._lock = threading.Lock()
        self._second = 0
        self._spent = 0
        self.dropped = 0
        """Lines that were too many."""

    def write(self, level: str, text: str, shown: bool = False) -> None:
        """Keep one record; `level` is ``print``, ``debug``, ``info``, ``warning`` or ``error``.

        `shown` marks what the user has seen already; see :mod:`rena_graph.runtime.launch.debugged`.
        """
        now = self._unix()
        if len(text) > MAX_LINE:
            text = text[:MAX_LINE] + f" … ({len(text)} characters in all)"
        record = {"time": now, "node": self._node, "level": level, "text": text}
        line = json.dumps({**record, "shown": True} if shown else record).encode() + b"\n"
        with self._lock:
            if int(now) != self._second:
                self._second, self._spent = int(now), 0
            self._spent += len(line)
            if self._spent > MAX_BYTES_PER_SECOND and level != "error":
                self.dropped += 1
                return
            os.write(self._fd, line)

    def capture(self) -> None:
        """From now on this process's stdout, stderr, logging and warnings go here, C code's included."""
        fd = os.open(self._native, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.close(fd)
        sys.stdout = ConsoleLines(self, "print")
        sys.stderr = ConsoleLines(self, "error")
        root = logging.getLogger()
        root.handlers[:] = [ConsoleHandler(self)]
        root.setLevel(logging.INFO)
        logging.captureWarnings(True)
        warnings.simplefilter("default")


class ConsoleLines(io.TextIOBase):
    """A text stream that cuts what is written into lines, each of them a record of a console."""

    def __init__(self, console: Console, level: str, shown: bool = False) -> None:
        self._console = console
        self._level = level
        self._shown = shown
        self._parts = threading.local()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property serves where an attribute is declared
        """What scripts that encode by themselves are to use."""
        return "utf-8"

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Keep whole lines; an unfinished one waits for its end, each thread's for itself."""
        pending = getattr(self._parts, "text", "") + text
        *lines, self._parts.text = pending.split("\n")
        for line in lines:
            self._console.write(self._level, line, self._shown)
        return len(text)

    def flush(self) -> None:
        """Lines are written when they end; an unfinished one only when there is nothing else to wait for."""

    def fileno(self) -> int:
        """Of the process's own stream, for what writes past Python."""
        return 1 if self._level == "print" else 2


class ConsoleHandler(logging.Handler):
    """Makes records of a console of what is logged."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record, with its traceback."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        self._console.write(level, text)


class ConsoleTail:
    """Reads what was added to one node's console files since the last look."""

    def __init__(self, prefix: str, node: str, unix: Callable[[], float], offsets: tuple[int, int] = (0, 0)) -> None:
        self._node = node
        self._unix = unix
        self._files = {Path(prefix + ".jsonl"): offsets[0], Path(prefix + ".native"): offsets[1]}
        self._freed = dict(self._files)

    @property
    def offsets(self) -> tuple[int, int]:
        """Bytes of both files that were read: where another one goes on."""
        first, second = self._files.values()
        return first, second

    def read(self, limit: int = 256_000) -> list[dict[str, Any]]:
        """New records, at most about `limit` bytes of them; the rest comes with the next call."""
        records: list[dict[str, Any]] = []
        for path, offset in self._files.items():
            try:
                if os.stat(path).st_size == offset:
                    continue
                with path.open("rb") as file:
                    file.seek(offset)
                    block = file.read(limit)
            except FileNotFoundError:
                continue
            end = block.rfind(b"\n") + 1
            if end == 0 and len(block) < limit:
                continue
            block = block[: end or len(block)]
            self._files[path] = offset + len(block)
            if offset - self._freed[path] >= FREE_BYTES:
                self._freed[path] = offset
                _free(path, offset)
            for line in block.decode("utf-8", "replace").splitlines():
                if path.suffix == ".jsonl":
                    records.append(json.loads(line))
                elif line.strip():
                    records.append({"time": self._unix(), "node": self._node, "level": "native", "text": line})
        return records


_KEEP_SIZE_AND_PUNCH_HOLE = 0x01 | 0x02


def _free(path: Path, end: int) -> None:
    """Give back the space of a file's first `end` bytes; its writer, who only adds, notices nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "fallocate"):
        return  # not Linux
    fd = os.open(path, os.O_RDWR)
    try:
        if libc.fallocate(fd, _KEEP_SIZE_AND_PUNCH_HOLE, ctypes.c_long(0), ctypes.c_long(end)):
            log.debug("%s keeps what was read of it: %s", path, os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)
