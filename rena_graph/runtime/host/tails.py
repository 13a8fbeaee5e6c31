"""The consoles of a host's nodes: read together, and from where the host agent before left off."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rena_graph.runtime.node.console import ConsoleTail

__all__ = ["Tails"]

FILE_NAME = "tails.json"

Offsets = dict[str, tuple[int, int]]


class Tails:
    """Reads what nodes print.

    Parameters
    ----------
    folder : Path
        The run's folder of sockets, where it is kept how far consoles were read and handed on.
    unix : callable
        Seconds since 1970.
    """

    def __init__(self, folder: Path, unix: Callable[[], float]) -> None:
        self._path = folder / FILE_NAME
        self._unix = unix
        self._lock = threading.Lock()
        self._tails: dict[str, ConsoleTail] = {}
        self._kept: Offsets = {}
        if self._path.exists():
            self._kept = {life: (a, b) for life, (a, b) in json.loads(self._path.read_text()).items()}

    def watch(self, node: str, epoch: int, prefix: str) -> None:
        """From now on read what this life of a node prints; again and again does no harm."""
        life = f"{node}:{epoch}"
        with self._lock:
            if life not in self._tails:
                self._tails[life] = ConsoleTail(prefix, node, self._unix, self._kept.get(life, (0, 0)))

    def read(self) -> tuple[list[dict[str, Any]], Offsets]:
        """New records, oldest first, and how far that is."""
        with self._lock:
            tails = dict(self._tails)
        records = [record for tail in tails.values() for record in tail.read()]
        records.sort(key=lambda record: float(record["time"]))
        return records, {life: tail.offsets for life, tail in tails.items()}

    def handed_on(self, offsets: Offsets) -> None:
        """So far somebody has it: another agent need not read it again."""
        if offsets != self._kept:
            self._kept = offsets
            spare = self._path.with_suffix(".new")
            spare.write_text(json.dumps(offsets))
            spare.replace(self._path)
