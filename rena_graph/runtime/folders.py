"""Where runs keep their files: the state folder for what is to last, the runtime folder for sockets."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from pathlib import Path

from rena_graph.errors import EnvironmentRefused

__all__ = ["MAX_SOCKET_PATH", "preferred_state_dir", "runs_dir", "runtime_dir", "runtime_dirs", "state_dir"]

log = logging.getLogger(__name__)

MAX_SOCKET_PATH = 107
"""Bytes that a Unix socket's path may have on Linux (``sun_path`` holds 108, the last one a zero)."""

# What stands behind the runtime folder in a socket's path: a run's id and the socket's own name.
_SOCKET_NAME_ROOM = 64

_warned: set[Path] = set()


def state_dir() -> Path:
    """Folder for what outlives a run: logs, resolved graphs, crash reports. Made (mode 0700) where missing.

    ``$XDG_STATE_HOME/rena_graph`` where that is set to an absolute path, else ``~/.local/state/rena_graph``. Where that
    cannot be written, a folder of the temporary one, with a warning once a process.

    Raises
    ------
    EnvironmentRefused
        Neither can be written, or the temporary one belongs to somebody else.
    """
    wanted = preferred_state_dir()
    reason = _why_not_writable(wanted)
    if reason is None:
        return wanted
    spare = Path(tempfile.gettempdir()) / f"rena-graph-state-{os.getuid()}"
    _own_folder(spare, "set XDG_STATE_HOME to a folder that you may write")
    if wanted not in _warned:
        _warned.add(wanted)
        log.warning(
            "%s cannot be written (%s): run folders go to %s, which the system may empty. Set XDG_STATE_HOME to a "
            "folder that you may write.",
            wanted, reason, spare,
        )  # fmt: skip
    return spare


def preferred_state_dir() -> Path:
    """What :func:`state_dir` gives wherever that can be written; relative where the user has no home folder."""
    given = _absolute(os.environ.get("XDG_STATE_HOME"))
    # Not Path.home(): it raises where there is neither HOME nor an entry in the user database, as in some containers;
    # expanduser leaves the path relative then.
    return (given or Path(os.path.expanduser("~/.local/state"))) / "rena_graph"


def runs_dir() -> Path:
    """Folder that holds one folder a run; below :func:`state_dir`."""
    folder = state_dir() / "runs"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def runtime_dir() -> Path:
    """Folder for sockets: short, of mode 0700, and ours, so that nobody else can listen in or stand in for us.

    ``$XDG_RUNTIME_DIR/rena-graph``, or ``/tmp/rena-graph-<uid>`` where that is not set, not ours, or so long that a
    socket's path would not fit into :data:`MAX_SOCKET_PATH` bytes.

    Raises
    ------
    EnvironmentRefused
        The folder belongs to somebody else, is a link, or cannot be made or written.
    """
    own = _session_runtime_dir()
    if own is not None:
        return _own_folder(own, "remove it, or set XDG_RUNTIME_DIR to another folder of yours")
    return _own_folder(_spare_runtime_dir(), "set XDG_RUNTIME_DIR to a folder of your own")


def runtime_dirs() -> list[Path]:
    """Folders in which runs of this user may have their sockets: this session's own first. Nothing is made.

    A run that was launched in a desktop's terminal has them in ``/run/user/<uid>``; a job of cron, or a login without
    a session, knows no ``XDG_RUNTIME_DIR`` and must find that run all the same. Whoever set it to a place of their own
    wants to see no other.
    """
    usual = Path("/run/user") / str(os.getuid())
    spare = _spare_runtime_dir()
    own = _session_runtime_dir()
    if own is not None and own.parent != usual:
        return [own] if _is_ours(own) else []
    folders = [own or usual / "rena-graph", spare]
    return [folder for folder in folders if _is_ours(folder)]


def _session_runtime_dir() -> Path | None:
    """In ``XDG_RUNTIME_DIR``, where that can be used."""
    base = _absolute(os.environ.get("XDG_RUNTIME_DIR"))
    if base is None or not _is_ours(base):
        return None
    folder = base / "rena-graph"
    return folder if len(os.fsencode(folder)) + 1 + _SOCKET_NAME_ROOM <= MAX_SOCKET_PATH else None


def _spare_runtime_dir() -> Path:
    # Not gettempdir(): TMPDIR is often too long for a socket's path.
    return Path("/tmp") / f"rena-graph-{os.getuid()}"


def _absolute(value: str | None) -> Path | None:
    # The XDG specification asks to ignore relative paths.
    return Path(value) if value and os.path.isabs(value) else None


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.stat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _why_not_writable(folder: Path) -> str | None:
    """None where `folder` is there, or could be made, and takes files; else the system's reason."""
    if not folder.is_absolute():
        return "there is no home folder"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # access(2) says yes to root whatever the file system thinks; only a file proves it.
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _own_folder(folder: Path, remedy: str) -> Path:
    """`folder`, made where missing, with mode 0700; refused unless it is a real folder of ours."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise EnvironmentRefused(f"cannot make the folder {folder}: {error.strerror}; {remedy}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise EnvironmentRefused(f"{folder} is a link or a file, not a folder of ours; {remedy}")
    if found.st_uid != os.getuid():
        raise EnvironmentRefused(f"{folder} belongs to user id {found.st_uid}, not to you ({os.getuid()}); {remedy}")
    try:
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)
        # Only a file proves it: see _why_not_writable.
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise EnvironmentRefused(f"cannot write to the folder {folder}: {error.strerror}; {remedy}") from error
