"""Which scripts of a running graph have changed on disk, and whether the new ones could be started at all."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rena_graph.graph.script_outline import outline_script
from rena_graph.runtime.coordinator.signals import ScriptChanged

__all__ = ["ScriptWatch", "modules_beside"]

_Stat = tuple[int, int]


@dataclass
class _File:
    """One file that a node runs."""

    path: Path
    running: bytes | None = None
    """Digest of the content that the node runs; None where it is not known."""
    refused: bytes | None = None
    """Digest of a later one that could not be started, which was said."""
    looked: _Stat | None = None
    """Of the content that was read last."""
    seen: _Stat | None = None
    """At the last look: a file is read once it has been left alone for one look."""

    def look(self) -> tuple[bytes, bytes] | None:
        """Content and digest where it is a new one, and complete; else None."""
        stat = _stat(self.path)
        before, self.seen = self.seen, stat
        if stat is None or stat == self.looked or stat != before:
            return None  # away for a moment, as it was, or being written
        try:
            code = self.path.read_bytes()
        except OSError:
            return None
        self.looked = stat
        digest = hashlib.sha256(code).digest()
        if digest == self.running:
            self.refused = None
        return None if digest in (self.running, self.refused) else (code, digest)


@dataclass
class _Node:
    script: Path
    since: float
    """Seconds since 1970: before it the running life began to load."""
    files: dict[Path, _File] = field(default_factory=dict)


class ScriptWatch:
    """Looks at the files of nodes again and again; no file system events, which network folders do not have."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._lock = threading.Lock()

    def begin(self, node: str, script: Path, since: float) -> None:
        """A life of `node` begins to load `script` now, at `since` (seconds since 1970).

        The modules of the life before are watched on until it is known what this one imports.
        """
        with self._lock:
            known = self._nodes.get(node)
            paths = {script, *(known.files if known is not None else ())}
            self._nodes[node] = _Node(script, since, {path: _file(path, since) for path in paths})

    def note(self, node: str, paths: Iterable[Path]) -> None:
        """The node's life imported these files. What was written since it began may be another content than it runs."""
        with self._lock:
            watched = self._nodes[node]
            for path in paths:
                if path not in watched.files:
                    watched.files[path] = _file(path, watched.since)

    def look(self) -> list[ScriptChanged]:
        """What has changed since the last look, each with what is wrong with it. Takes a stat a file."""
        changes = []
        with self._lock:
            for name, node in self._nodes.items():
                for path, file in node.files.items():
                    found = file.look()
                    if found is None:
                        continue
                    code, digest = found
                    problem = _problem(code, path, path == node.script)
                    if problem is None:
                        file.running = digest
                    else:
                        file.refused = digest
                    changes.append(ScriptChanged(name, path.name, problem))
        return changes


def _file(path: Path, since: float) -> _File:
    """As it is now, which is what a life that began at `since` runs, unless it was written later."""
    stat = _stat(path)
    if stat is None or stat[0] > since * 1e9:
        return _File(path)
    try:
        return _File(path, hashlib.sha256(path.read_bytes()).digest(), None, stat, stat)
    except OSError:
        return _File(path)


def _problem(code: bytes, path: Path, is_script: bool) -> str | None:
    """Why no node can be started with this code; None where only running it could tell."""
    try:
        outline = outline_script(code, str(path))
    except SyntaxError as error:
        place = f" (line {error.lineno})" if error.lineno else ""
        return f"{error.msg}{place}"
    if not is_script or outline.unsure or len(outline.classes) == 1:
        return None
    if not outline.classes:
        return "it defines no subclass of RenaScript"
    return f"it defines {len(outline.classes)} subclasses of RenaScript: {', '.join(n for n, _ in outline.classes)}"


def _stat(path: Path) -> _Stat | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def modules_beside(script: Path) -> list[Path]:
    """Files of the modules that this process has imported from below the script's folder, less installed packages."""
    folder = os.path.join(os.path.realpath(script.parent), "")
    found = {script}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py"):
            real = os.path.realpath(file)
            if real.startswith(folder) and "site-packages" not in Path(real).parts:
                found.add(Path(real))
    return sorted(found)
