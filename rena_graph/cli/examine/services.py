"""What has to be tried to be known: LSL from an outlet to an inlet, and a Ray that starts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from rena_graph.cli.examine.finding import Finding, fail, ok
from rena_graph.errors import EnvironmentRefused, MissingExtra

__all__ = ["LSL_REMEDY", "RAY_PROBE", "lsl", "ray"]

LSL_TIMEOUT = 5.0
RAY_TIMEOUT = 120.0
LSL_REMEDY = "look for a firewall (UDP 16571, TCP 16572-16604) and whether the loopback interface does multicast"
RAY_PROBE = (sys.executable, "-m", "rena_graph.cli.examine.ray_probe")
"""Starts Ray in a process of its own, given a folder and the one it may use."""


def lsl(timeout: float = LSL_TIMEOUT) -> Finding:
    """Send a sample from an outlet of ours to an inlet of ours, found over the network as any client finds it."""
    from rena_graph.bridges.lsl_library import load_pylsl

    try:
        pylsl = load_pylsl()
    except MissingExtra as error:
        return fail("LSL", str(error), "see liblsl")
    name = f"rena-graph-doctor-{uuid.uuid4().hex[:12]}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "doctor", 1, 0.0, "float32", name))
    found = pylsl.resolve_byprop("source_id", name, minimum=1, timeout=timeout)
    if not found:
        return fail("LSL", f"an outlet of this process was not found within {timeout:g} s", LSL_REMEDY)
    inlet = pylsl.StreamInlet(found[0], max_buflen=1)
    try:
        inlet.open_stream(timeout=timeout)
        outlet.push_sample([1.0])
        sample, _ = inlet.pull_sample(timeout=timeout)
    except (TimeoutError, pylsl.util.LostError) as error:
        return fail("LSL", f"an outlet of this process was found, and could not be opened: {error}", LSL_REMEDY)
    finally:
        inlet.close_stream()
    if sample is None:
        return fail("LSL", f"a sample did not arrive within {timeout:g} s", LSL_REMEDY)
    return ok("LSL", "an outlet was found, and a sample arrived")


def ray(command: Sequence[str] = RAY_PROBE, timeout: float = RAY_TIMEOUT) -> Finding:
    """Start a Ray as ``launch`` does, call one actor, and end it; in a process of its own, since Ray leaves traces."""
    from rena_graph.runtime.folders import runtime_dir

    try:
        # Ray puts sockets into it, so it must be as short as a run's own.
        folder = Path(tempfile.mkdtemp(prefix="doctor-", dir=runtime_dir()))
    except (OSError, EnvironmentRefused) as error:
        return fail("Ray", f"there is no folder for its sockets: {error}", "see socket folder")
    try:
        done = subprocess.run(
            [*command, str(folder)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return fail("Ray", f"it did not start within {timeout:g} s", "look for a proxy or firewall on 127.0.0.1")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"its process ended with {done.returncode}"]
        return fail(
            "Ray", f"it does not start: {last[0]}", "run again with RENA_GRAPH_DEBUG=1, and report what it says"
        )
    return ok("Ray", done.stdout.strip())
