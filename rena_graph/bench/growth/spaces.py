"""Hosts made of network namespaces, cabled to one switch: each has a card of its own, all have one clock and memory."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from rena_graph.errors import EnvironmentRefused

__all__ = ["Space", "spaces", "why_not"]

_TOOLS = ("ip", "unshare", "nsenter")
_TRIAL = "ip link add trial0 type bridge && ip link add trial1 type veth peer name trial2"
_LIMIT = 10.0
_NET = "10.78.0"


@dataclass(frozen=True)
class Space:
    """One host.

    Parameters
    ----------
    address : str
        Of its network card.
    inside : tuple of str
        A command in front of another one, which then runs there.
    """

    address: str
    inside: tuple[str, ...]


def why_not() -> str:
    """Why no hosts can be made here; empty where they can."""
    if os.geteuid() != 0:
        return "hosts are made of network namespaces, which takes root"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"hosts are made of network namespaces, which takes {', '.join(missing)}: not installed"
    tried = subprocess.run(["unshare", "--net", "sh", "-c", _TRIAL], capture_output=True, text=True, check=False)
    return f"hosts are made of network namespaces: {tried.stderr.strip()}" if tried.returncode else ""


@contextmanager
def spaces(count: int) -> Iterator[list[Space]]:
    """Make so many hosts at one switch; all is gone after the context, or when this process dies.

    Raises
    ------
    EnvironmentRefused
        They cannot be made; :func:`why_not` says so before.
    """
    with ExitStack() as stack:
        switch = _hold(stack)
        in_switch = ("nsenter", "-t", str(switch), "-n")
        _must(*in_switch, "ip", "link", "add", "switch", "type", "bridge")
        _must(*in_switch, "ip", "link", "set", "switch", "up")
        made = []
        for k in range(count):
            host, address, port = _hold(stack), f"{_NET}.{k + 1}", f"port{k}"
            inside = ("nsenter", "-t", str(host), "-n", "--")
            # Made in the switch's namespace and moved at once: the machine's own network never sees it.
            _must(*in_switch, "ip", "link", "add", port, "type", "veth", "peer", "name", "card", "netns", str(host))
            _must(*in_switch, "ip", "link", "set", port, "master", "switch", "up")
            _must(*inside, "ip", "link", "set", "lo", "up")
            _must(*inside, "ip", "addr", "add", f"{address}/24", "dev", "card")
            _must(*inside, "ip", "link", "set", "card", "up")
            made.append(Space(address, inside))
        yield made


def _hold(stack: ExitStack) -> int:
    """A process that holds a network namespace open until its standard input closes; its id."""
    holder = stack.enter_context(
        subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    )
    ours = os.readlink("/proc/self/ns/net")
    deadline = time.monotonic() + _LIMIT
    while os.readlink(f"/proc/{holder.pid}/ns/net") == ours:
        if holder.poll() is not None or time.monotonic() > deadline:
            raise EnvironmentRefused("no network namespace could be made")
        time.sleep(0.005)
    return holder.pid


def _must(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    if done.returncode:
        raise EnvironmentRefused(f"{shlex.join(command)}: {done.stderr.strip()}")
