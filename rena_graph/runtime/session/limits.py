"""The limit of open files: raised as far as the machine lets us, refused where a run could not live with it."""

from __future__ import annotations

import resource

from rena_graph.errors import EnvironmentRefused

__all__ = ["allow_open_files"]

WANTED = 65_536
"""What Ray's own documents recommend."""
NEEDED = 256
"""With less neither Ray nor LSL comes up, and both say something else."""


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
