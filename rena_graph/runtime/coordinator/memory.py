"""A coordinator's state on disk: what the next one needs to go on exactly where this one was when it died.

:func:`save` and :func:`restore` are pure; :class:`Memory` is the file. It is written before what was decided is done,
so that no life of a node is begun that the file does not know. What was decided and perhaps not done is wanted once
more by :meth:`~rena_graph.runtime.coordinator.machine.Coordinator.resume`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from rena_graph.errors import ExitCode, RenaGraphError
from rena_graph.runtime.coordinator.machine import Coordinator
from rena_graph.runtime.coordinator.node_record import NodeRecord
from rena_graph.runtime.lifecycle import NodeState, Phase

__all__ = ["FILE_NAME", "Memory", "restore", "save"]

FILE_NAME = "coordinator.json"
VERSION = 1

_GIVEN = {"name", "definition", "level", "debugged"}
"""Of a node's record: what the graph says."""
_FLEETING = {"stale_for", "now"}
"""What the next beat tells anew."""
_ENUMS: dict[str, type[Enum]] = {"state": NodeState, "phase": Phase, "exit_code": ExitCode}


def save(machine: Coordinator) -> dict[str, Any]:
    """What a coordinator knows, as JSON-able values."""
    return {
        "run": _plain(machine.run),
        "nodes": {name: _plain(record) for name, record in machine.nodes.items()},
    }


def restore(machine: Coordinator, saved: Mapping[str, Any]) -> None:
    """Let a new machine of the same graph know all that is in `saved`; then let it ``resume()``.

    Raises
    ------
    RenaGraphError
        It is of another graph.
    """
    if set(saved["nodes"]) != set(machine.nodes):
        raise RenaGraphError("what the coordinator before left is of another graph")
    _fill(machine.run, saved["run"])
    for name, record in machine.nodes.items():
        _fill(record, saved["nodes"][name])
    machine.lives.look_anew()


def _names(known: Any) -> list[str]:
    names = (f.name for f in fields(known) if f.name not in _FLEETING)
    return [name for name in names if not (isinstance(known, NodeRecord) and name in _GIVEN)]


def _plain(known: Any) -> dict[str, Any]:
    found = {}
    for name in _names(known):
        value = getattr(known, name)
        found[name] = value.value if isinstance(value, Enum) else list(value) if isinstance(value, list) else value
    return found


def _fill(known: Any, saved: Mapping[str, Any]) -> None:
    for name in _names(known):
        value = saved[name]
        setattr(
            known, name, _ENUMS[name](value) if name in _ENUMS else list(value) if isinstance(value, list) else value
        )


@dataclass
class Memory:
    """The file, in the run's folder of sockets: it goes with the run.

    Parameters
    ----------
    folder : Path
        Of mode 0700.
    """

    folder: Path
    _last: str = ""

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / FILE_NAME

    def write(self, content: Mapping[str, Any]) -> None:
        """Keep this instead of what was there: whole or not at all, and only where it is another."""
        text = json.dumps({"version": VERSION, **content})
        if text == self._last:
            return
        spare = self.path.with_suffix(".new")
        fd = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
        # No fsync: where the machine is lost, the run is.
        spare.replace(self.path)
        self._last = text

    def read(self) -> dict[str, Any] | None:
        """What a coordinator before wrote; None where there was none.

        Raises
        ------
        RenaGraphError
            It is of another version of rena_graph.
        """
        try:
            content: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if content.pop("version", None) != VERSION:
            raise RenaGraphError(f"{self.path} is not of this version of rena_graph")
        return content
