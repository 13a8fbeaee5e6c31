"""Whether rings can run on this machine, found out by trying."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from functools import cache

from rena_graph.errors import TransportError

__all__ = ["ring_available"]


@cache
def ring_available() -> str | None:
    """None where shared-memory rings run; else the reason why not, as a phrase to follow "since"."""
    if sys.platform != "linux":
        return f"rings need Linux, this is {sys.platform}"
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return f"rings rely on the memory order of x86-64, this is {platform.machine()}"
    return _no_wait() or _no_memory()


def _no_wait() -> str | None:
    import ctypes

    from rena_graph.transport import futex

    word = ctypes.c_uint32(1)
    words = futex.WaitSet([(ctypes.addressof(word), True)])
    try:
        # The word differs from what is expected: a kernel that knows the call returns at once.
        words.sleep(0)
    except TransportError as problem:
        return f"the kernel ({platform.release()}) does not wait for several words (Linux 5.16 does): {problem}"
    return None


def _no_memory() -> str | None:
    from rena_graph.transport.geometry import PAGE
    from rena_graph.transport.mapping import SHARED_MEMORY, map_mirrored

    try:
        with tempfile.TemporaryFile(dir=SHARED_MEMORY, prefix="rena-probe-") as file:
            os.posix_fallocate(file.fileno(), 0, 2 * PAGE)
            _, mirror = map_mirrored(file.fileno(), PAGE, (PAGE,), writable=True)
    except (OSError, TransportError) as problem:
        return f"{SHARED_MEMORY} cannot be used: {problem}"
    mirror[0] = 7
    return None if mirror[PAGE] == 7 else f"{SHARED_MEMORY} cannot be mapped twice"
