"""TCP ports for tests that choose one first and let somebody else bind it later."""

from __future__ import annotations

import random
import socket
from pathlib import Path

__all__ = ["free_port"]

_LOWEST = 20_000
"""Above those that a Ray gives its workers."""
_given: set[int] = set()


def _first_of_the_kernels() -> int:
    """From here on the kernel gives ports to whoever wants any: one that is free now may be gone before its use."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32_768


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody holds now, that the kernel gives nobody, and that no other test was given."""
    end = _first_of_the_kernels()
    ports = range(_LOWEST, end) if end - _LOWEST > 1000 else range(_LOWEST, 60_000)
    draw = random.SystemRandom()
    while True:
        port = draw.choice(ports)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
