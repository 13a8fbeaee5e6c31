"""The machine: shared memory, open files, ports, and the folders that runs use."""

from __future__ import annotations

import os
import resource
import socket
import stat
from pathlib import Path

from rena_graph.cli.examine.finding import Finding, fail, ok, warn
from rena_graph.cli.view.numbers import count, size
from rena_graph.errors import EnvironmentRefused

__all__ = [
    "cores",
    "loopback",
    "lsl_ports",
    "open_files",
    "ray_token",
    "ring",
    "runtime_folder",
    "shared_memory",
    "state_folder",
]

SHARED_MEMORY = Path("/dev/shm")
ENOUGH_SHARED_MEMORY = 256_000_000
"""Bytes; a graph of some EEG streams takes a tenth of it, Ray's object store most of the rest."""
ENOUGH_FILES = 4096
FEW_FILES = 256
LSL_PORTS = range(16572, 16605)
"""TCP ports that liblsl takes for its outlets, two for each."""
ENOUGH_LSL_PORTS = 8


def cores() -> Finding:
    """How many cores this process may use; nodes share them, so there is no wrong number."""
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ok("cores", str(number))


def shared_memory(folder: Path = SHARED_MEMORY) -> Finding:
    """Size of the file system that rings lie in."""
    try:
        found = os.statvfs(folder)
    except OSError as error:
        return warn(
            "shared memory", f"{folder}: {error.strerror}", "streams go over ZMQ; mount a tmpfs there for rings"
        )
    free = found.f_bavail * found.f_frsize
    text = f"{size(free)} free of {size(found.f_blocks * found.f_frsize)} in {folder}"
    if free < ENOUGH_SHARED_MEMORY:
        return warn("shared memory", text, "large graphs will be refused; in Docker: --shm-size=2g (64 MB by default)")
    return ok("shared memory", text)


def ring() -> Finding:
    """Whether the shared-memory ring runs, by trying it."""
    from rena_graph.transport.links import ring_available

    reason = ring_available()
    if reason is None:
        return ok("rings", "shared-memory rings work")
    return warn("rings", f"not here: {reason}", "streams go over ZMQ instead, which works and is slower")


def open_files(limit: int | None = None) -> Finding:
    """The limit on open files of a process (`limit`: the soft one, as found)."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    if soft == resource.RLIM_INFINITY:
        return ok("open files", "no limit")
    text, remedy = f"{count(soft)} a process", f"raise it: ulimit -n {ENOUGH_FILES * 2}"
    if soft < FEW_FILES:
        return fail("open files", text, remedy)
    return ok("open files", text) if soft >= ENOUGH_FILES else warn("open files", text, remedy)


def loopback() -> Finding:
    """Whether TCP works on 127.0.0.1, which ZMQ and a local Ray need."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
            with socket.create_connection(address, timeout=5.0) as near:
                far, _ = server.accept()
                with far:
                    near.sendall(b"?")
                    far.settimeout(5.0)
                    far.recv(1)
    except OSError as error:
        return fail("loopback", f"TCP on 127.0.0.1 fails: {error}", "bring the lo interface up; look for a firewall")
    return ok("loopback", "TCP on 127.0.0.1 works")


def lsl_ports(ports: range = LSL_PORTS) -> Finding:
    """How many of the ports that LSL outlets take are free."""
    free = sum(_is_free(port) for port in ports)
    text = f"{free} of {len(ports)} free ({ports.start}-{ports.stop - 1})"
    if free < ENOUGH_LSL_PORTS:
        return warn("LSL ports", text, "outlets beyond them take random ports, which a firewall may not let through")
    return ok("LSL ports", text)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def state_folder() -> Finding:
    """Where run folders go."""
    from rena_graph.runtime.folders import preferred_state_dir, state_dir

    try:
        folder = state_dir()
    except EnvironmentRefused as error:
        return fail("run folders", str(error), "set XDG_STATE_HOME to a folder that you may write")
    if folder != preferred_state_dir():
        return warn("run folders", f"{folder}, which the system may empty", "set XDG_STATE_HOME to a folder of yours")
    return ok("run folders", str(folder))


def runtime_folder() -> Finding:
    """Where the sockets go."""
    from rena_graph.runtime.folders import runtime_dir

    try:
        folder = runtime_dir()
    except EnvironmentRefused as error:
        return fail("socket folder", str(error), "set XDG_RUNTIME_DIR to a folder of your own")
    return ok("socket folder", f"{folder}, yours alone")


def ray_token() -> Finding:
    """Whether others may read the token with which you join Ray clusters, if you have one."""
    given = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(given) if given else Path(os.path.expanduser("~/.ray/auth_token"))
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        if given:
            return warn("Ray token", f"RAY_AUTH_TOKEN_PATH names {path}, which is not there", "unset it, or make it")
        return ok("Ray token", "none; only clusters with one need it")
    except OSError as error:
        return warn("Ray token", f"{path}: {error.strerror}", "make it readable for yourself")
    if mode & 0o077:
        return warn("Ray token", f"{path} is open to others (mode {mode:04o})", f"chmod 600 {path}")
    return ok("Ray token", f"{path} (mode {mode:04o})")
