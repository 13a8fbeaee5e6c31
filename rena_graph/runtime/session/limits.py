"""Limits of open files and of processes: raised as far as the machine lets us, refused where a run could not live."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from rena_graph.errors import EnvironmentRefused

__all__ = ["allow_open_files", "allow_processes"]

WANTED = 65_536
"""What Ray's own documents recommend."""
NEEDED = 256
"""With less neither Ray nor LSL comes up, and both say something else."""
THREADS, THREADS_A_NODE = 210, 24
"""What a Ray of a run's own and our own processes have at the least, on few cores; the kernel counts threads."""


def allow_open_files(wanted: int = WANTED, needed: int = NEEDED) -> int:
    """Raise this process's soft limit of open files, which its children inherit, towards the hard one.

    Returns
    -------
    int
        The limit that holds now.

    Raises
    ------
    EnvironmentRefused
        Even the hard limit is below `needed`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = limit
    if soft != resource.RLIM_INFINITY and soft < needed:
        raise EnvironmentRefused(
            f"a process may open {soft} files here, a run needs at least {needed}; raise the limit with "
            f"`ulimit -n 4096`, or nofile in /etc/security/limits.conf"
        )
    return soft


def allow_processes(nodes: int, groups: Path = Path("/sys/fs/cgroup"), processes: Path = Path("/proc")) -> None:
    """Raise this process's soft limit of processes to the hard one, and look whether a run fits into what is left.

    Without this look Ray's processes abort, each in other words, or wait for each other.

    Parameters
    ----------
    nodes : int
        How many processes of scripts there are to be.
    groups, processes : Path
        Where the kernel tells of control groups, and of processes.

    Raises
    ------
    EnvironmentRefused
        It does not; names the limit.
    """
    needed = THREADS + THREADS_A_NODE * nodes
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))
    found = [*_of_groups(groups, processes)]
    if os.getuid() != 0 and hard != resource.RLIM_INFINITY:  # which the kernel does not hold root to
        remedy = "`ulimit -u 4096`, or nproc in /etc/security/limits.conf"
        found.append((hard, _threads_of(os.getuid(), processes), "a user (ulimit -u)", remedy))
    for limit, used, whose, remedy in found:
        if limit - used < needed:
            raise EnvironmentRefused(
                f"{whose} may have {limit:,} processes and threads here, of which {used:,} are there already; this run "
                f"needs {needed:,} or more; raise the limit: {remedy}"
            )


def _of_groups(groups: Path, processes: Path) -> Iterator[tuple[int, int, str, str]]:
    """Limits of the control group that this process is in, and of those around it, with what is used of each."""
    try:
        own = (processes / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    inside = next((line[3:].strip("/") for line in own if line.startswith("0::")), None)
    folder = groups / (inside or "")
    while inside is not None and folder.is_relative_to(groups):
        try:
            limit, used = ((folder / name).read_text().strip() for name in ("pids.max", "pids.current"))
        except OSError:
            limit = "max"
        if limit != "max":
            yield int(limit), int(used), f"the control group {folder}", "pids.max there, or TasksMax of a unit"
        folder = folder.parent


def _threads_of(uid: int, processes: Path) -> int:
    """Threads of all processes of a user that can be seen."""
    count = 0
    for entry in processes.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            lines = (entry / "status").read_text(errors="replace").splitlines()
        except OSError:
            continue  # it has just ended
        facts = dict(line.split(":", 1) for line in lines if ":" in line)
        if int(facts["Uid"].split()[0]) == uid:
            count += int(facts["Threads"])
    return count
