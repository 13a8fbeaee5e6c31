"""Several hosts on one machine: namespaces of network, mounts, processes and time, cabled to one switch.

Each host has a network card `eth0` in 10.77.0.0/24, a `/dev/shm`, a `/run` and processes of its own. When a host is
closed, or the test process dies, the kernel ends everything in it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.runtime.live import lives

__all__ = ["BIN", "Host", "Network", "why_not"]

BIN = Path(sys.executable).parent
"""Where `ray` and `rena-graph` are."""

_TOOLS = ("ip", "tc", "nft", "unshare", "nsenter", "setpriv")
_SHORT_LIVED = ("setpriv", "--pdeathsig", "KILL")
"""Before a command: it ends with the process that started it, however that ends."""
_HOLD = "mount -t tmpfs -o mode=1777 tmpfs /dev/shm && mount -t tmpfs -o mode=755 tmpfs /run && exec sleep infinity"

_TRIAL = (
    "mount -t tmpfs tmpfs /run && ip link add trial0 type bridge && ip link add trial1 type veth peer name trial2"
    " && tc qdisc add dev trial1 root tbf rate 1gbit burst 256kb latency 50ms && nft add table inet trial"
)
"""What hosts are made of, and their links; a container may allow namespaces and not these."""


def why_not() -> str | None:
    """Why no hosts can be made here, as a reason to skip; None where they can."""
    if os.geteuid() != 0:
        return "needs root: hosts are made of network namespaces"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"needs network namespaces: {', '.join(missing)} not installed"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--time", "--fork", "bash", "-c", _TRIAL],
        capture_output=True,
        text=True,
    )
    return None if tried.returncode == 0 else f"needs network namespaces: {tried.stderr.strip()}"


def _must(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
    return done.stdout


def _stopped(pid: int) -> bool | None:
    """Whether a process is stopped; None where it has ended, which is neither."""
    with suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return None if state in "ZX" else state == "T"
    return None


class _Namespace:
    """A process that holds namespaces open; `pid` is the one inside."""

    def __init__(self, *options: str) -> None:
        self._outer = subprocess.Popen(
            [*_SHORT_LIVED, "unshare", "--net", "--mount", "--fork", "--kill-child", *options, "bash", "-c", _HOLD],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.pid = self._inner()

    @property
    def holder(self) -> int:
        """The process here."""
        return self._outer.pid

    def _inner(self) -> int:
        deadline = time.monotonic() + 60
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children")
        while time.monotonic() < deadline:
            found = children.read_text().split()
            # Once it sleeps, its mounts are made.
            if found and Path(f"/proc/{found[0]}/comm").read_text() == "sleep\n":
                return int(found[0])
            time.sleep(0.01)
        raise AssertionError("the namespace was not made within 60 s")

    def close(self) -> None:
        self._outer.kill()
        self._outer.wait(60)
        deadline = time.monotonic() + 60
        while lives(self.pid):
            assert time.monotonic() < deadline, "the namespace did not end"
            time.sleep(0.01)


class Host:
    """One machine of the rig.

    Parameters
    ----------
    name : str
        Part of file names.
    address : str
        Its IPv4 address.
    switch : int
        The process whose network namespace is the switch.
    folder : Path
        Where its state folder and logs go.
    ahead : float
        Seconds that its monotonic clock is ahead of this machine's.
    """

    def __init__(self, name: str, address: str, switch: int, folder: Path, ahead: float = 0.0) -> None:
        self.name = name
        self.address = address
        self.folder = folder
        self.ahead = ahead
        folder.mkdir(parents=True, exist_ok=True)
        self._space = _Namespace(
            "--pid", "--mount-proc", "--time", f"--monotonic={int(ahead)}", f"--boottime={int(ahead)}"
        )
        self._switch = switch
        self.closed = False
        self._running: list[subprocess.Popen[str]] = []
        port = f"to-{name}"
        in_switch = ("nsenter", "-t", str(switch), "-n")
        _must(
            *in_switch, "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(self._space.pid)
        )
        _must(*in_switch, "ip", "link", "set", port, "master", "switch", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "addr", "add", f"{address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "link", "set", "lo", "multicast", "on")
        self.run("ip", "route", "add", "224.0.0.0/4", "dev", "eth0")
        self.run("mkdir", "-m", "700", "/run/user")

    @property
    def holder(self) -> int:
        """The process that holds the host's namespaces open."""
        return self._space.holder

    @property
    def environment(self) -> dict[str, str]:
        """Of every process on the host."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "XDG_", "RENA_"))}
        return {**kept, "XDG_RUNTIME_DIR": "/run/user", "XDG_STATE_HOME": str(self.folder / "state")}

    def _inside(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", "-a", "-t", str(self._space.pid), f"--wd={self.folder}", "--", *command]

    def start(
        self,
        *command: str,
        env: Mapping[str, str] | None = None,
        log: IO[str] | int | None = None,
        stdin: int | None = None,
        err: int = subprocess.STDOUT,
    ) -> subprocess.Popen[str]:
        """Start a program on the host; ended with the host. With `log` what it prints goes there, errors to `err`."""
        process = subprocess.Popen(
            self._inside(command), start_new_session=True, env={**self.environment, **(env or {})}, text=True,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.PIPE if log is None else log,
            stderr=subprocess.PIPE if log is None else err,
        )  # fmt: skip
        self._running.append(process)
        return process

    def run(self, *command: str, env: Mapping[str, str] | None = None, timeout: float = 60.0) -> str:
        """Run a program on the host to its end, which must be a good one; what it printed."""
        process = self.start(*command, env=env)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            # What `nsenter` started is in its group, and holds the pipes open.
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"{shlex.join(command)} on {self.name} took over {timeout} s\n{out}\n{err}") from None
        finally:
            self._running.remove(process)
        assert process.returncode == 0, f"{shlex.join(command)} on {self.name}: {process.returncode}\n{out}\n{err}"
        return out

    def pids(self, *words: str) -> list[int]:
        """Processes on the host, by their ids here, whose command lines hold all these words."""
        mine = os.readlink(f"/proc/{self._space.pid}/ns/net")
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                if os.readlink(entry / "ns" / "net") != mine:
                    continue
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if all(word in line for word in words):
                found.append(int(entry.name))
        return found

    def files(self, folder: str) -> list[str]:
        """Names in a folder of the host's own, such as ``/dev/shm``."""
        root = Path(f"/proc/{self._space.pid}/root{folder}")
        return sorted(path.name for path in root.iterdir()) if root.is_dir() else []

    def read(self, path: str) -> bytes:
        """A file as the host has it."""
        return Path(f"/proc/{self._space.pid}/root{path}").read_bytes()

    def plug(self, up: bool) -> None:
        """Pull the network cable, or put it in again; the route for multicast comes back with it."""
        _must("nsenter", "-t", str(self._switch), "-n", "ip", "link", "set", f"to-{self.name}", "up" if up else "down")

    def shape(self, rate: str) -> None:
        """Let the host send no faster than this, such as ``1gbit``."""
        self.run(
            "tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "256kb", "latency", "50ms"
        )

    def deaf(self, to: str | None) -> None:
        """Drop all that arrives from this address; None: hear everybody again."""
        self.run("nft", "flush", "ruleset")
        if to is not None:
            self.run("nft", "add", "table", "ip", "rig")
            self.run("nft", "add", "chain", "ip", "rig", "in", "{ type filter hook input priority 0; }")
            self.run("nft", "add", "rule", "ip", "rig", "in", "ip", "saddr", to, "drop")

    def freeze(self, frozen: bool) -> None:
        """Stop every process of the host as a machine that hangs does, or let all go on."""
        deadline = time.monotonic() + 60
        # `nsenter` stops itself once it sees its child stopped, which may be after it was told to go on.
        while [pid for pid in self.pids() if _stopped(pid) is (not frozen)]:
            assert time.monotonic() < deadline, "not all processes of the host were stopped, or went on"
            for pid in self.pids():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)
            time.sleep(0.05)

    def close(self) -> None:
        """End every process of the host, and its network card with it; again does no harm."""
        if self.closed:
            return
        self.closed = True
        self._space.close()
        for process in self._running:
            process.wait(60)
            for stream in (process.stdout, process.stderr, process.stdin):
                if stream is not None:
                    stream.close()


class Network:
    """A switch and the hosts at it; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._switch = _Namespace()
        _must("nsenter", "-t", str(self._switch.pid), "-n", "ip", "link", "add", "switch", "type", "bridge")
        _must("nsenter", "-t", str(self._switch.pid), "-n", "ip", "link", "set", "switch", "up")
        self.hosts: list[Host] = []

    def add(self, name: str, ahead: float = 0.0) -> Host:
        """One more host."""
        host = Host(name, f"10.77.0.{len(self.hosts) + 1}", self._switch.pid, self._folder / name, ahead)
        self.hosts.append(host)
        return host

    @property
    def holders(self) -> set[int]:
        """The processes that hold the namespaces open."""
        return {self._switch.holder, *(host.holder for host in self.hosts)}

    def close(self) -> None:
        """Everything down."""
        for host in self.hosts:
            host.close()
        self._switch.close()

    def __enter__(self) -> Network:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
