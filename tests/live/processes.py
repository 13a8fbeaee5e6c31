"""Neighbours of a graph: programs in processes of their own, spoken to in lines."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.limits import LIMIT

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["OUTLET", "LslClient", "LslOutlet", "Program", "Received", "ZmqPublisher", "ZmqSubscriber"]

PROGRAMS = Path(__file__).parent / "programs"
OUTLET = Path(__file__).parent.parent / "bridges" / "peers" / "outlet.py"
"""An LSL outlet that is told what to send."""


class Program:
    """A Python program in a process of its own. As a context manager it ends with the block, by force if need be.

    Parameters
    ----------
    path : Path
        The program.
    *arguments : str
        Its command line.
    python : str | Path
        What runs it.
    """

    def __init__(self, path: Path, *arguments: str, python: str | Path = sys.executable) -> None:
        self.name = path.name
        self.process = subprocess.Popen(
            [str(python), str(path), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name=f"reader of {path.name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self, limit: float = LIMIT) -> str:
        """Its next line; fails where it ends, or says nothing for so many seconds."""
        try:
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            raise AssertionError(f"{self.name} said nothing for {limit} s") from None
        assert line is not None, f"{self.name} ended with {self.process.wait()}"
        return line

    def says(self, text: str, within: float) -> bool:
        """Whether its next line, in so many seconds, is this one."""
        try:
            return self._lines.get(timeout=within) == text
        except queue.Empty:
            return False

    def tell(self, text: str) -> str:
        """One line to it; gives its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.line()

    def end_input(self) -> None:
        """Tell it that no more comes."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def first_line(self) -> str:
        """Its first line; closed where none comes."""
        try:
            return self.line()
        except AssertionError:
            self.close()
            raise

    def close(self) -> None:
        """End it, by force if need be."""
        self.kill()
        self._reader.join(LIMIT)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


class Received(NamedTuple):
    """What a client got of one stream, in the order in which it came."""

    data: NDArray[Any]
    stamps: NDArray[np.float64]


class LslClient(Program):
    """``lsl_client.py``: see there."""

    def __init__(self, predicate: str, path: Path, **config: Any) -> None:
        self._path = path
        self._outlets = config.get("outlets", 1)
        whole = {
            "outlets": 1,
            "clocksync": False,
            "recover": False,
            "mark": None,
            "again": False,
            "count": 1 << 60,
            **config,
        }
        super().__init__(PROGRAMS / "lsl_client.py", json.dumps({**whole, "predicate": predicate, "path": str(path)}))

    def connected(self) -> list[dict[str, Any]]:
        """Wait until it is connected; what it is connected to."""
        found: list[dict[str, Any]] = json.loads(self.line())
        return found

    def marked(self) -> None:
        """Wait until it has as much of each outlet as its `mark`."""
        assert self.line() == "marked"

    def found_again(self) -> None:
        """Wait until one of the outlets has begun anew."""
        assert self.line() == "again"

    def received(self) -> list[Received]:
        """All that it got of each outlet, once it has saved it."""
        assert self.line() == "saved"
        with np.load(self._path, allow_pickle=False) as file:
            return [Received(file[f"data_{i}"], file[f"stamps_{i}"]) for i in range(self._outlets)]

    def finished(self) -> list[Received]:
        """End its input; all that it got of each outlet."""
        self.end_input()
        return self.received()


class LslOutlet(Program):
    """An outlet that is told what to send; on the network when this returns."""

    def __init__(self, name: str, **config: Any) -> None:
        whole = {"channels": 2, "rate": 100.0, "format": "double64", "source_id": "device", **config, "name": name}
        super().__init__(OUTLET, json.dumps(whole))
        assert self.first_line() == "ready"

    def command(self, **command: Any) -> None:
        """Let it ``wait`` for a consumer, ``count``, or ``push`` samples with ``stamps``."""
        assert self.tell(json.dumps(command)) == "done"


Message = tuple[bytes, ...]


class ZmqPublisher(Program):
    """``zmq_publisher.py``: see there."""

    def __init__(self, port: int | None = None) -> None:
        super().__init__(PROGRAMS / "zmq_publisher.py", *([] if port is None else [str(port)]))
        self.port = int(self.first_line())

    def subscribed(self) -> None:
        """Wait until somebody listens."""
        assert self.line() == "subscribed"

    def send(self, *messages: Message) -> None:
        """Messages of any parts."""
        assert self.tell(json.dumps([[part.hex() for part in message] for message in messages])) == "sent"


class ZmqSubscriber(Program):
    """``zmq_subscriber.py``: see there."""

    def __init__(self, port: int, topic: str) -> None:
        super().__init__(PROGRAMS / "zmq_subscriber.py", str(port), topic)

    def finished(self) -> list[Message]:
        """End its input; all messages that it got."""
        self.end_input()
        line = self.line()
        messages = json.loads(self.line() if line == "hearing" else line)
        return [tuple(bytes.fromhex(part) for part in message) for message in messages]
