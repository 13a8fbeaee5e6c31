"""The session process before its run: it imports what that takes, while the launcher still checks the graph, and waits.

Until it is told which run it is for it has made nothing, holds nothing and has started nobody: it may be killed.
"""

from __future__ import annotations

import importlib
import json
import os
from contextlib import suppress

from rena_graph.runtime.session.local_ray import settle_environment

__all__ = ["wait_for_run"]

NEEDED = ("ray", "rena_graph.graph.model", "rena_graph.runtime.coordinator.front")
"""What takes long to import, on the way from a run's setup to its Ray and its coordinator."""


def wait_for_run(own: bool) -> str | None:
    """Import, then block until the launcher says which run it is; from then on write into that run's log.

    Parameters
    ----------
    own : bool
        Whether the run will have a Ray of its own.

    Returns
    -------
    str | None
        The run's setup file; None where the launcher has gone without a word, and nothing is to be done.
    """
    settle_environment(own)
    for name in NEEDED:
        with suppress(ImportError):  # who needs it meets it again, and can write it into the run's log
            importlib.import_module(name)
    line = _first_line()
    if not line:
        return None
    setup, words = json.loads(line)
    fd = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for standard in (1, 2):
        os.dup2(fd, standard)
    os.close(fd)
    return str(setup)


def _first_line() -> bytes:
    """What was said up to the end of the line, and not a byte further: what comes after is for the session itself."""
    line = b""
    while (byte := os.read(0, 1)) and byte != b"\n":
        line += byte
    return line if byte else b""
