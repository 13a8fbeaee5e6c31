"""The environments that were made for nodes on this host: which there are, who needs them, and how one is removed.

Each is a folder below the state folder, with a lock and pip's log beside it. A run that is given one leaves a mark in
its folder of sockets on that host, which is there for as long as the run is, whichever of its processes have died.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rena_graph.runtime.folders import runtime_dirs, state_dir

__all__ = [
    "JUST_MADE",
    "NOTE",
    "Stored",
    "alone",
    "environments_dir",
    "in_use",
    "mark_used",
    "remove",
    "stored",
    "used_by",
]

NOTE = "rena-graph.json"
"""File in an environment that is whole: what it was made of. Written anew whenever a run wants it."""
JUST_MADE = 60.0
"""Seconds for which one is left alone in any case: the run that wants it has yet to leave its mark."""
_MARK = "environment-"
_GOING = ".going"


@dataclass(frozen=True)
class Stored:
    """One environment.

    Parameters
    ----------
    folder : Path
        Where it lies; its name says what it is made of.
    used : float
        When a run wanted it last: seconds since 1970.
    packages : tuple of str
        What pip installed; empty where it never became whole.
    """

    folder: Path
    used: float
    packages: tuple[str, ...] = ()


def environments_dir() -> Path:
    """Folder that holds all of them; it may not be there."""
    return state_dir() / "environments"


def stored(folder: Path) -> list[Stored]:
    """What there is, also what is only half made or half removed; what was used longest ago first."""
    found = [_look(path) for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted((one for one in found if one is not None), key=lambda one: one.used)


def _look(path: Path) -> Stored | None:
    note = path / NOTE
    try:
        if not note.is_file():
            return Stored(path, path.stat().st_mtime)
        packages = json.loads(note.read_text())["packages"]
        return Stored(path, note.stat().st_mtime, tuple(f"{name} {version}" for name, version in packages.items()))
    except FileNotFoundError:
        return None  # it has gone meanwhile
    except (ValueError, KeyError):
        return Stored(path, path.stat().st_mtime)  # of another version


def mark_used(runtime: Path, python: str) -> None:
    """Let a run's folder of sockets say that the run needs the environment of this interpreter."""
    (runtime / f"{_MARK}{_name(python)}").touch()


def in_use() -> set[str]:
    """Names of those that runs on this host need, those of runs that were launched elsewhere as well."""
    marks = [mark for base in runtime_dirs() for mark in base.glob(f"*/{_MARK}*")]
    return {mark.name.removeprefix(_MARK) for mark in marks}


def used_by(run: Path) -> set[str]:
    """Names of those that a run's nodes had, by the provenance in its folder; none where that is not there."""
    try:
        nodes: dict[str, dict[str, Any]] = json.loads((run / "provenance.json").read_text())["nodes"]
        return {_name(node["environment"]["python"]) for node in nodes.values() if "environment" in node}
    except (OSError, ValueError, KeyError, AttributeError):
        return set()  # it never came that far, or was killed over it


def _name(python: str) -> str:
    return Path(python).parent.parent.name


def remove(one: Stored) -> bool:
    """Remove it, and what lies beside it; False where a run wants it just now."""
    name = one.folder.name.removesuffix(_GOING)
    lock, gone = one.folder.with_name(f"{name}.lock"), one.folder.with_name(f"{name}{_GOING}")
    with alone(lock, wait=False) as ours:
        if not ours or name in in_use() or _just_wanted(one.folder / NOTE):
            return False
        if one.folder != gone and one.folder.is_dir():  # else somebody else has removed it meanwhile
            shutil.rmtree(gone, ignore_errors=True)
            one.folder.rename(gone)  # at once: half of one must not look whole
        if gone.is_dir():
            shutil.rmtree(gone)
        one.folder.with_name(f"{name}.log").unlink(missing_ok=True)
        lock.unlink()
    return True


def _just_wanted(note: Path) -> bool:
    return note.is_file() and note.stat().st_mtime > time.time() - JUST_MADE


@contextmanager
def alone(lock: Path, *, wait: bool = True) -> Iterator[bool]:
    """Be the only one who makes, checks or removes an environment. Without `wait` it may be False: somebody else is."""
    fd = _locked(lock, wait)
    try:
        yield fd is not None
    finally:
        if fd is not None:
            os.close(fd)


def _locked(lock: Path, wait: bool) -> int | None:
    while True:
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(fd), os.stat(lock)):
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except FileNotFoundError:
            pass  # removed with its environment while this waited for it
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
