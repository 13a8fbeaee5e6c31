"""What a run was made of: scripts with their hashes and commits, versions, the machine. For ``provenance.json``.

A paper's methods section, and whoever wants to know in a year what exactly ran, reads this. Nothing here may keep a run
from running: what cannot be found out is null.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from rena_graph import kernel

__all__ = ["FILE_NAME", "Provenance", "describe_file", "describe_machine", "describe_versions"]

FILE_NAME = "provenance.json"
_PACKAGES = ("rena-graph", "ray", "numpy", "pyzmq", "pylsl", "msgpack", "pydantic", "networkx", "scipy", "pyxdf")
_GIT_TIMEOUT = 2.0
"""Seconds that one question to git may take."""


def describe_versions() -> dict[str, str | None]:
    """Versions by name; None where a package is not installed."""
    found: dict[str, str | None] = {"python": f"{platform.python_version()} ({platform.python_implementation()})"}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    found["liblsl"] = _liblsl()
    found["kernel"] = kernel.describe()
    return found


def _liblsl() -> str | None:
    """As liblsl counts: 116 is 1.16."""
    try:
        import pylsl

        number = int(pylsl.library_version())
    except (ImportError, OSError, RuntimeError, AttributeError):
        return None
    return f"{number // 100}.{number % 100}"


def describe_machine() -> dict[str, Any]:
    """Host, system, processor, cores and memory."""
    return {
        "host": socket.gethostname(),
        "system": f"{platform.system()} {platform.release()}",
        "distribution": _distribution(),
        "machine": platform.machine(),
        "processor": _field(Path("/proc/cpuinfo"), "model name"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": _field(Path("/proc/meminfo"), "MemTotal"),
        "executable": sys.executable,
    }


def _distribution() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None


def _field(path: Path, name: str) -> str | None:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def describe_file(path: Path) -> dict[str, Any]:
    """Path, sha256 and git state of one file: ``{"commit", "modified"}``, None where it is in no repository."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        digest = None
    return {"path": str(path), "sha256": digest, "git": _git(path)}


def _git(path: Path) -> dict[str, Any] | None:
    commit = _ask_git(path.parent, "rev-parse", "HEAD")
    if commit is None or _ask_git(path.parent, "ls-files", "--error-unmatch", "--", path.name) is None:
        return None
    state = _ask_git(path.parent, "status", "--porcelain", "--", path.name)
    return {"commit": commit, "modified": None if state is None else bool(state)}


def _ask_git(folder: Path, *words: str) -> str | None:
    """Git's answer; None where there is no git, no repository, no answer in time, or a refusal."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_TIMEOUT,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


class Provenance:
    """Keeps ``provenance.json`` of a run folder; from one thread at a time.

    Parameters
    ----------
    folder : Path
        The run folder.
    scripts : mapping of str to Path
        The script of each node.
    """

    def __init__(self, folder: Path, scripts: Mapping[str, Path]) -> None:
        self._path = folder / FILE_NAME
        self._scripts = dict(scripts)
        self._facts: dict[str, Any] = {}

    def begin(self) -> None:
        """Look at machine, versions and scripts, unless that was done already."""
        if self._facts:
            return
        self._facts = {
            "versions": describe_versions(),
            "machine": describe_machine(),
            "nodes": {name: {"script": describe_file(path), "modules": []} for name, path in self._scripts.items()},
        }
        self._write()

    def imported(self, node: str, files: Iterable[Path]) -> None:
        """A life of `node` has loaded its script, and these files, of which the script is one."""
        self.begin()
        script = self._scripts[node]
        others = sorted(path for path in files if path != script)
        self._facts["nodes"][node] |= {"script": describe_file(script), "modules": [describe_file(p) for p in others]}
        self._write()

    def environments(self, made: Mapping[str, dict[str, Any]]) -> None:
        """These nodes have a Python of their own: by node its host, interpreter, and what pip installed for it."""
        self.begin()
        for node, environment in made.items():
            self._facts["nodes"][node]["environment"] = environment
        self._write()

    def _write(self) -> None:
        spare = self._path.with_suffix(".new")
        spare.write_text(json.dumps(self._facts, indent=1))
        spare.replace(self._path)
