"""Runs the chain of the hop rows in a peer's own environment, and brings back what its sink noted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rena_graph.bench.payload import Payload
from rena_graph.bench.peers.installed import PEER_NAMES, find_interpreter
from rena_graph.errors import EnvironmentRefused

__all__ = ["CHAINS", "Chain", "measure_peer"]

_PROGRAMS = Path(__file__).parent / "programs"
_VARIABLE = "RENA_GRAPH_PEER_TASK"
_PATIENCE = 40.0
"""Seconds that a peer may take beyond the time that its messages do."""


class Chain(NamedTuple):
    """How a peer is run.

    Attributes
    ----------
    program : str
        In the folder of programs, each of which runs in its peer's environment.
    soonest, lossless : str
        Its variant for latency, and for throughput without loss.
    settle : float
        Seconds that its source waits, so that all are connected.
    """

    program: str
    soonest: str
    lossless: str
    settle: float


CHAINS = {
    "ezmsg": Chain("ezmsg_chain.py", "shm", "shm", 0.5),
    "dora": Chain("dora_chain.py", "default", "backpressure", 1.5),
    "timeflux": Chain("timeflux_chain.py", "1000", "1000", 2.0),
}


def measure_peer(
    peer: str,
    peers: Path,
    payload: Payload,
    messages: int,
    *,
    hops: int = 1,
    lossless: bool = False,
    unpaced: bool = False,
    settle: float = 0.0,
) -> NDArray[np.int64]:
    """Send messages through a chain of a peer's processes.

    Parameters
    ----------
    peer : str
        One of :data:`CHAINS`.
    peers : Path
        Folder of the environments, in which it is installed.
    payload : Payload
        What, and how often; of dtype float64.
    messages, hops : int
        How many, and through how many links.
    lossless : bool
        The variant that loses nothing, instead of the one that is fastest.
    unpaced : bool
        As fast as it goes.
    settle : float
        Seconds that the source waits beyond what the peer usually needs.

    Returns
    -------
    ndarray of int64, shape (received, 3)
        Sequence number, and monotonic nanoseconds at which each message was sent and had arrived.

    Raises
    ------
    EnvironmentRefused
        It did not run to its end.
    """
    chain, interpreter = CHAINS[peer], find_interpreter(peer, peers)
    if interpreter is None:
        raise EnvironmentRefused(f"{PEER_NAMES[peer]} is not installed in {peers}")
    rate = 0.0 if unpaced else payload.rate
    with tempfile.TemporaryDirectory(prefix="rgp-") as folder:
        path = Path(folder) / "times.npy"
        task = {
            "samples": payload.samples, "channels": payload.channels, "rate": rate, "messages": messages, "hops": hops,
            "variant": chain.lossless if lossless else chain.soonest, "settle": chain.settle + settle,
            "path": str(path),
        }  # fmt: skip
        limit = _PATIENCE + 2 * settle + (messages / rate if rate else 0.0)
        said = _run([str(interpreter), str(_PROGRAMS / chain.program)], json.dumps(task), Path(folder), limit)
        if not path.exists():
            raise EnvironmentRefused(f"{PEER_NAMES[peer]} gave no result:\n{said[-2000:]}")
        times: NDArray[np.int64] = np.load(path, allow_pickle=False)
    return times


def _run(command: list[str], task: str, folder: Path, limit: float) -> str:
    """Run a peer in a session of its own, all of which is ended with it; gives what it said."""
    environment = {**os.environ, _VARIABLE: task}
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, cwd=folder,
            start_new_session=True,
        )  # fmt: skip
        try:
            with suppress(subprocess.TimeoutExpired):  # what its sink has left is taken all the same
                process.wait(limit)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return log.read_text(encoding="utf-8", errors="replace")
