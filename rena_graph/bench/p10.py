"""P10: how many chunks a second go through one lossless port: the transport itself, without loops.

Run as a program this module is one of two processes: a writer that publishes as fast as its reader lets it, or the
reader, which copies every chunk out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from rena_graph.bench.figures import Figure
from rena_graph.bench.payload import PAYLOADS, header_of
from rena_graph.bench.peers.chains import measure_peer
from rena_graph.bench.peers.installed import PEER_NAMES, find_interpreter, what_is_missing
from rena_graph.bench.rows import Bench
from rena_graph.errors import EnvironmentRefused
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Board
from rena_graph.transport.interface import EdgeOptions, StreamPort
from rena_graph.transport.links import create_stream, open_reader, open_waiter, open_writer, remove_stream

__all__ = ["measure"]

PAYLOAD = PAYLOADS["small"]
CHUNKS, QUICK_CHUNKS = 300_000, 20_000
PEER_CHUNKS, QUICK_PEER_CHUNKS = 10_000, 2_000
PEERS = ("ezmsg", "dora")
CAPACITY = 1000
"""Chunks that the ring holds."""
AT_LEAST = 1.0
PATIENCE = 60.0


def _port(path: str) -> StreamPort:
    spec = StreamSpec("S", PAYLOAD.channels, PAYLOAD.dtype, PAYLOAD.rate * PAYLOAD.samples)
    return StreamPort(spec, "ring", path, CAPACITY * PAYLOAD.samples, 0, (0,))


def _write(folder: Path, chunks: int) -> None:
    port = _port(str(folder / "ring"))
    with Board.attach(folder / "board") as board, closing(open_writer(port, board, 0)) as writer:
        writer.wait_for_readers(1, PATIENCE)
        message, stamps = PAYLOAD.make(), np.zeros(PAYLOAD.samples)
        header = header_of(message)
        for number in range(chunks):
            header[0] = number
            writer.publish(message, stamps)


def _read(folder: Path, chunks: int) -> float:
    """Chunks a second, from the first ones' arrival to the last one's; the first ones are not counted."""
    edge = EdgeOptions(0, "block", PATIENCE)
    private = np.zeros((CAPACITY * PAYLOAD.samples, PAYLOAD.channels), PAYLOAD.dtype)
    seen, first, began, end = 0, 0, 0.0, time.monotonic() + PATIENCE
    with (
        Board.attach(folder / "board") as board,
        closing(open_reader(_port(str(folder / "ring")), edge, board)) as reader,
        closing(open_waiter("ring", [reader])) as waiter,
    ):
        _tell("ready")
        while seen < chunks:
            count = reader.pending()
            if not count:
                if time.monotonic() > end:
                    raise EnvironmentRefused(f"only {seen} of {chunks} chunks came")
                waiter.wait(time.monotonic() + 1.0, True)
                continue
            data, _ = reader.peek(count)
            private[:count] = data
            reader.commit(count)
            numbers = private[: count : PAYLOAD.samples, 0].view(np.int64)
            if numbers[0] != seen or numbers[-1] != seen + len(numbers) - 1:
                raise EnvironmentRefused(f"chunks {numbers[0]} to {numbers[-1]} came where {seen} was due")
            seen += len(numbers)
            if not first:
                first, began = seen, time.monotonic()
    return (seen - first) / (time.monotonic() - began)


def _tell(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def _ours(chunks: int) -> float:
    """Chunks a second."""
    with tempfile.TemporaryDirectory(prefix="rg-bench-", dir="/dev/shm") as name, ExitStack() as stack:
        folder = Path(name)
        stack.enter_context(Board.create(folder / "board", streams=1, edges=1, nodes=0))
        port = _port(str(folder / "ring"))
        create_stream(port)
        stack.callback(remove_stream, port)
        reader = stack.enter_context(_process("read", folder, chunks))
        stack.callback(reader.kill)
        assert reader.stdout is not None
        if reader.stdout.readline() != "ready\n":
            raise EnvironmentRefused(f"the reader of the throughput's measurement died (status {reader.wait()})")
        writer = stack.enter_context(_process("write", folder, chunks))
        stack.callback(writer.kill)
        taken, _ = reader.communicate()
        writer.communicate()
        if reader.returncode or writer.returncode:
            raise EnvironmentRefused(f"a process of the throughput's measurement died ({reader.returncode})")
    return float(json.loads(taken))


def _process(role: str, folder: Path, chunks: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", __name__ if __name__ != "__main__" else "rena_graph.bench.p10"]
    return subprocess.Popen([*command, role, str(folder), str(chunks)], stdout=subprocess.PIPE, text=True)


def _theirs(peer: str, peers: Path, chunks: int) -> float:
    times = measure_peer(peer, peers, PAYLOAD, chunks, lossless=True, unpaced=True)
    if len(times) != chunks:
        raise EnvironmentRefused(f"{PEER_NAMES[peer]} lost {chunks - len(times)} of {chunks} chunks")
    return float((len(times) - 1) / ((times[-1, 2] - times[0, 2]) / 1e9))


def measure(bench: Bench) -> list[Figure]:
    """See the table of rows."""
    ours: list[float] = []
    installed = [peer for peer in PEERS if find_interpreter(peer, bench.peers) is not None]
    theirs: dict[str, list[float]] = {peer: [] for peer in installed}
    for k in range(bench.rounds):
        bench.say(f"throughput: round {k + 1} of {bench.rounds}")
        ours.append(_ours(QUICK_CHUNKS if bench.quick else CHUNKS))
        for peer in installed:
            assert bench.peers is not None
            theirs[peer].append(_theirs(peer, bench.peers, QUICK_PEER_CHUNKS if bench.quick else PEER_CHUNKS))
    what = f"{PAYLOAD.name}, lossless"
    return [
        Figure(
            what,
            "chunks/s",
            tuple(ours),
            PEER_NAMES[peer],
            tuple(theirs.get(peer, ())),
            at_least=AT_LEAST,
            missing="" if peer in installed else what_is_missing(peer, bench.peers),
        )
        for peer in PEERS
    ]


if __name__ == "__main__":
    if sys.argv[1] == "write":
        _write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.stdout.write(json.dumps(_read(Path(sys.argv[2]), int(sys.argv[3]))))
