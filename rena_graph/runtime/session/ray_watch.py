"""Sees the processes that a Ray is made of end, which Ray itself tells a minute later, if at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rena_graph.runtime.host.pids import PidWatch

__all__ = ["RayWatch", "ray_processes"]

_PARTS = {"gcs_server": "Ray's head (gcs_server)", "raylet": "Ray's part on this host (raylet)"}


class RayWatch:
    """Watches the Ray that this process has joined, as far as it runs on this host.

    Parameters
    ----------
    lost : callable
        Told what ended, and how; once for each, on the watch's thread.
    """

    def __init__(self, lost: Callable[[str], None]) -> None:
        self._lost = lost
        self._pids = PidWatch(self._gone)
        for pid, part in ray_processes(_session_folder()).items():
            self._pids.add(part, pid, pid)

    def _gone(self, part: str, _: int, how: str) -> None:
        self._lost(f"{_PARTS[part]} is lost: {how}")

    def close(self) -> None:
        """Ray may end now."""
        self._pids.close()


def ray_processes(session: str) -> dict[int, str]:
    """Process ids of head and host process of one Ray on this machine, each with its name.

    Parameters
    ----------
    session : str
        The folder of Ray's session, which is no other Ray's.
    """
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "comm").read_text().strip()
            if name in _PARTS and session.encode() in (folder / "cmdline").read_bytes():
                found[int(folder.name)] = name
        except OSError:
            continue  # it has just ended, or is somebody else's
    return found


def _session_folder() -> str:
    from ray._private.worker import global_worker

    node = global_worker.node
    return "" if node is None else str(node.get_session_dir_path())
