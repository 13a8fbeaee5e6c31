"""The clocks of two hosts of the rig, run on one of them: ``python -m tests.hosts.one_time keep|ask FOLDER ADDRESS``.

``keep`` is the coordinator's host. ``ask`` learns the time from it, and lets an LSL stream of its own network in and
out again, as a host agent there does. It prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from rena_graph.bridges.base import DeclaredFormat
from rena_graph.bridges.lsl_sink import LslSinkBridge
from rena_graph.bridges.lsl_source import LslSourceBridge
from rena_graph.errors import RenaGraphError
from rena_graph.graph.document import LslSink, LslSource
from rena_graph.runtime.hosts.host_clock import AgentClock, clock_facts
from rena_graph.runtime.hosts.probe import ClockProbe
from rena_graph.testing.memory import MemoryStream, MemoryWaiter
from rena_graph.transport.board import Board
from rena_graph.transport.crossing.keys import KeyPair
from rena_graph.transport.crossing.receiver import Receiver
from tests.hosts.carry import find, leave

DEVICE, BACK = "device-clock", "device-clock-back"


def _failed(what: str, error: RenaGraphError) -> None:
    raise SystemExit(f"{what}: {error}")


def keep(folder: Path, address: str) -> None:
    keys = KeyPair.make()
    leave(folder / "keeper.key", keys.public)
    allowed = {find(folder / "asker.key"): "asker"}
    context = zmq.Context()
    receiver = Receiver(context, f"tcp://{address}:*", [], keys, allowed, time.monotonic, _failed)
    receiver.start()
    leave(folder / "endpoint", receiver.endpoint.encode())
    find(folder / "done")
    receiver.close()
    context.term()


def ask(folder: Path, samples: int) -> dict[str, Any]:
    keys = KeyPair.make()
    leave(folder / "asker.key", keys.public)
    server, endpoint = find(folder / "keeper.key"), find(folder / "endpoint").decode()
    context = zmq.Context()
    clock = AgentClock()
    with Board.create(folder / "board", streams=0, edges=0, nodes=0) as board:
        clock.share(board.clock)
        probe = ClockProbe(context, endpoint, (keys, server), clock)
        probe.wait()
        offsets, stream = _pass_on(clock, samples)
        facts = clock_facts(board.clock, time.monotonic())
        probe.close()
    context.term()
    values, stamps = stream.data[:, 0], stream.timestamps
    return {
        "offsets": [min(offsets), max(offsets)],
        "facts": facts,
        "source": [float(np.min(stamps - values)), float(np.max(stamps - values))],
        "steps": [float(np.min(np.diff(stamps))), float(np.max(np.diff(stamps)))],
    }


def _pass_on(clock: AgentClock, samples: int) -> tuple[list[float], MemoryStream]:
    """Let the device's samples in and out again; what graph time was less this host's, all the while."""
    source = LslSourceBridge("S", LslSource(name=DEVICE), DeclaredFormat(), clock.now)
    stop = threading.Event()
    spec = source.find(60, stop)
    source.prepare()
    stream = MemoryStream(spec)
    reader = stream.reader()
    waiter = MemoryWaiter(reader)
    sink = LslSinkBridge(spec, LslSink(name=BACK), clock.now, graph="g")
    sink.prepare()
    threads = [
        threading.Thread(target=source.run, args=(stream.writer, stream.row, stop)),
        threading.Thread(target=sink.run, args=(reader, waiter, reader.row, stop)),
    ]
    for thread in threads:
        thread.start()
    offsets = []
    deadline = time.monotonic() + 90
    while len(stream.timestamps) < samples:
        assert time.monotonic() < deadline, f"{len(stream.timestamps)} of {samples} samples came"
        before, now, after = time.monotonic(), clock.now(), time.monotonic()
        if after - before < 5e-5:  # else we were held up in between
            offsets.append(now - (before + after) / 2)
        time.sleep(0.02)
    stop.set()
    waiter.ring()
    for thread in threads:
        thread.join(10)
    source.close()
    sink.close()
    return offsets, stream


def main() -> None:
    role, folder_name, word = sys.argv[1:]
    folder = Path(folder_name)
    if role == "keep":
        keep(folder, word)
    else:
        sys.stdout.write(json.dumps(ask(folder, int(word))) + "\n")


if __name__ == "__main__":
    main()
