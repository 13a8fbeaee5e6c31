"""Lives of one node on a real ring and board, without Ray: as many processes as a test likes to kill.

Run as a program it is the nursery: it imports what a node needs once, then forks one life for each line that it reads.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.clock import SystemClock
from rena_graph.runtime.node.parts import NodeParts
from rena_graph.runtime.node.script_loader import load_script
from rena_graph.runtime.plan import HostPaths, make_plan
from rena_graph.runtime.setup import NodeSetup
from rena_graph.script import RenaScript
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import Board, EdgeColumn, NodeColumn, StreamColumn
from rena_graph.transport.interface import EdgeOptions
from rena_graph.transport.links import create_stream, open_reader, open_writer, remove_stream
from rena_graph.transport.state_files import StateFiles
from tests.limits import LIMIT
from tests.runtime.live import SCRIPTS

RATE = 1000.0


def _raise(error: Exception) -> None:
    raise error


class Lives:
    """One node between a stream that the test writes (and, with `aux`, a second one) and one that it reads."""

    def __init__(
        self,
        folder: Path,
        script: str = "keeps_state.py",
        *,
        irregular: bool = False,
        dtype: str = "float64",
        aux: bool = False,
        **node: Any,
    ) -> None:
        definition = {
            "script": script,
            "trigger": "data",
            "run_frequency": 500,
            "inputs": ["In", *(["Aux"] if aux else [])],
            "buffer_duration": 0.2,
            "outputs": {"Out": {"channels": 3, "dtype": "float64", "rate": RATE}},
            **node,
        }
        rate = 0.0 if irregular else RATE
        source = {"from": {"simulate": {"kind": "counter"}}, "channels": 1, "rate": RATE, "dtype": "float64"}
        if irregular:
            source = {"from": {"recording": {"path": "never-opened.npz"}}, "channels": 1, "rate": 0, "dtype": dtype}
        # Every second sample of the first, with its stamp.
        streams = {"In": source, **({"Aux": {**source, "rate": RATE / 2}} if aux else {})}
        document = {"version": 1, "name": "lives", "streams": streams, "nodes": {"node": definition}}
        graph = graph_from_dict(document, SCRIPTS, check_scripts=False)
        run = f"t{os.getpid()}"
        paths = HostPaths(run, folder, folder / "board")
        specs = {"In": StreamSpec("In", 1, dtype, rate), "Aux": StreamSpec("Aux", 1, dtype, RATE / 2)}
        self.plan = make_plan(graph, {name: specs[name] for name in streams}, "ring", paths)
        inputs = len(graph.edges)
        self.board = Board.create(paths.board, streams=len(self.plan.ports), edges=inputs + 1, nodes=1)
        for port in self.plan.ports.values():
            create_stream(port)
        self.writer = open_writer(self.plan.ports["In"], self.board, 0)
        self.aux = open_writer(self.plan.ports["Aux"], self.board, 0) if aux else None
        self.reader = open_reader(self.plan.ports["Out"], EdgeOptions(inputs), self.board)
        self.node = self.board.node(0).ints
        self.edge = self.board.edge(0).ints
        self.out = self.board.stream(self.plan.ports["Out"].index).ints
        self.epoch = -1
        self.fed = 0
        self.pid = 0
        self._taken: list[NDArray[Any]] = []
        self._nursery: subprocess.Popen[bytes] | None = None

    def _start_nursery(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.runtime.lives"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def here(self, script: type[RenaScript], refused: Callable[[Exception], None] = _raise) -> NodeParts:
        """The next life, in the test's own process, less its loops; what was before it must be closed."""
        self.epoch += 1
        return NodeParts(self.setup(), script, self.board, SystemClock(), refused)

    def setup(self) -> NodeSetup:
        return self.plan.setup("node", self.epoch, self.plan.graph.params_of("node"))

    def begin(self) -> int:
        """The next life; the process's id."""
        self._nursery = self._nursery or self._start_nursery()
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self.epoch += 1
        self._nursery.stdin.write(pickle.dumps(self.setup()).hex().encode() + b"\n")
        self._nursery.stdin.flush()
        self.pid = int(self._nursery.stdout.readline())
        return self.pid

    def kill(self) -> None:
        """End the life, and be sure of it."""
        assert self._nursery is not None
        assert self._nursery.stdout is not None
        os.kill(self.pid, signal.SIGKILL)
        assert self._nursery.stdout.readline() == b"ended\n"

    def feed(self, count: int) -> None:
        values = np.arange(self.fed, self.fed + count, dtype=np.float64)
        if self.aux is not None:  # first, so that a block of the other finds what belongs to it
            second = values[values % 2 == 0]
            self.aux.publish(second[:, None], second / RATE)
        data = np.array([str(int(v)) for v in values], object) if self.writer.spec.is_string else values
        self.writer.publish(data[:, None], values / RATE)
        self.fed += count

    def drain(self) -> None:
        """Take what the node has sent."""
        while self.reader.pending():
            data, stamps = self.reader.peek()
            copy = np.array(data)
            if self.reader.commit(len(stamps)):
                self._taken.append(copy)

    @property
    def commits(self) -> int:
        return int(self.node[NodeColumn.COMMITS])

    def sent(self) -> NDArray[np.float64]:
        """All that the node has sent, over all its lives."""
        self.drain()
        return np.concatenate(self._taken) if self._taken else np.empty((0, 3))

    def until(self, condition: Callable[[], object], what: str, limit: float = LIMIT) -> None:
        deadline = time.monotonic() + limit
        while not condition():
            assert time.monotonic() < deadline, f"not within {limit} s: {what}; {self.told()}"
            self.drain()
            time.sleep(0.0005)

    def told(self) -> str:
        return f"position {self.edge[EdgeColumn.POSITION]} of {self.fed}, out {self.out[StreamColumn.PRODUCED]}"

    def close(self) -> None:
        if self.pid:
            self.kill()
        if self._nursery is not None:
            assert self._nursery.stdin is not None
            assert self._nursery.stdout is not None
            self._nursery.stdin.close()
            self._nursery.wait(LIMIT)
            self._nursery.stdout.close()
        self.reader.close()
        self.writer.close()
        if self.aux is not None:
            self.aux.close()
        for port in self.plan.ports.values():
            remove_stream(port)
        StateFiles.remove(self.plan.paths.state(0))
        del self.node, self.edge, self.out
        self.board.close()

    def __enter__(self) -> Lives:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class _Loud:
    def loop_failed(self, error: BaseException, loops: int) -> bool:
        sys.stderr.write(f"loop {loops}: {error}\n")
        return True

    def output_refused(self, error: BaseException) -> None:
        sys.stderr.write(f"{error}\n")

    def not_finite(self, text: str, *, fails: bool) -> None:
        sys.stderr.write(f"{text}\n")


def live(setup: NodeSetup) -> None:
    """One life: as a node's process makes it, less the actor and the host agent."""
    clock = SystemClock()
    board = Board.attach(Path(setup.board))
    parts = NodeParts(setup, load_script(Path(setup.script), "node"), board, clock, lambda error: None)
    loop = parts.loop(_Loud(), lambda: None)
    parts.script.init()
    if parts.kept is not None:
        parts.kept.load()
    loop.run(clock.now())


def nursery() -> None:
    for line in sys.stdin:
        setup = pickle.loads(bytes.fromhex(line))
        pid = os.fork()
        if not pid:
            try:
                live(setup)
            finally:
                os._exit(1)
        print(pid, flush=True)  # noqa: T201
        os.waitpid(pid, 0)
        print("ended", flush=True)  # noqa: T201


if __name__ == "__main__":
    nursery()
