"""What other hosts know this one by during a run: its key pair and the address of its receiver.

Both outlive an agent, in a file of mode 0600 in the run's folder of sockets: an agent that takes another's place is the
same host to all others, who need not be told anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rena_graph.errors import EnvironmentRefused, PortTaken, UsageError
from rena_graph.transport.crossing.keys import KeyPair

__all__ = ["LINK_PORTS", "LinkIdentity", "binds"]

LINK_PORTS = "RENA_GRAPH_LINK_PORTS"
"""Environment variable: ports, such as ``17000-17099``, one of which a host's streams come in at; else any free one."""

_NAME = "link-identity"


class LinkIdentity:
    """One host's, of one run.

    Parameters
    ----------
    folder : Path
        The run's folder of sockets on this host, which only its user may enter.

    Attributes
    ----------
    keys : KeyPair
        Made here, or by the agent before.
    endpoint : str
        Where that agent's receiver was; empty before the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self.endpoint = ""
        try:
            kept = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            self.keys = KeyPair.make()
            self._write()
        else:
            self.keys = KeyPair(kept["public"].encode(), kept["secret"].encode())
            self.endpoint = kept["endpoint"]

    def keep(self, endpoint: str) -> None:
        """An agent that comes after this one is to be found there too."""
        self.endpoint = endpoint
        self._write()

    def _write(self) -> None:
        facts = {"public": self.keys.public.decode(), "secret": self.keys.secret.decode(), "endpoint": self.endpoint}
        spare = self._path.with_suffix(".new")
        # What an agent left that died over this may have any mode.
        with suppress(FileNotFoundError):
            spare.unlink()
        try:
            fd = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as problem:
            raise EnvironmentRefused(
                f"the keys of this host cannot be kept in {spare}: {problem.strerror}"
            ) from problem
        with os.fdopen(fd, "w") as file:
            json.dump(facts, file)
        spare.replace(self._path)


def binds(wanted: str, ports: str | None) -> Iterator[str]:
    """The addresses to try, in order.

    Parameters
    ----------
    wanted : str
        Such as ``tcp://10.0.0.2:*``, or with a port.
    ports : str | None
        What :data:`LINK_PORTS` says.

    Raises
    ------
    UsageError
        That is no range of ports.
    """
    address, _, port = wanted.rpartition(":")
    if port != "*" or not ports:
        yield wanted
        return
    first, dash, last = ports.partition("-")
    numbers = [first, last] if dash else [first, first]
    if not all(n.strip().isdecimal() and 0 < int(n) < 65536 for n in numbers) or int(numbers[0]) > int(numbers[1]):
        raise UsageError(f"{LINK_PORTS} is {ports!r}, expected two ports such as 17000-17099")
    for number in range(int(numbers[0]), int(numbers[1]) + 1):
        yield f"{address}:{number}"
    raise PortTaken(
        f"streams from other hosts cannot come in at {address}: all ports of {LINK_PORTS}={ports} are in use"
    )
