"""A program on a terminal of its own: what is typed there, and what it shows."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.limits import LIMIT

__all__ = ["CTRL_C", "Terminal", "launched_on_terminal"]

CTRL_C = "\x03"


class Terminal:
    """A process with a terminal of its own, and everything that this has shown."""

    def __init__(self, process: subprocess.Popen[bytes], master: int, name: str) -> None:
        self.process = process
        self._master = master
        self._name = name
        self.shown = ""
        self._seen = 0

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, text: str) -> str:
        """Wait until the terminal shows `text`, after what was waited for before; what it showed on the way."""
        begin = self._seen
        while (found := self.shown.find(text, self._seen)) < 0:
            assert self._read(LIMIT), f"the terminal does not show {text!r}:\n{self.shown}"
        self._seen = found + len(text)
        return self.shown[begin : self._seen]

    def _read(self, limit: float) -> bool:
        if not select.select([self._master], [], [], limit)[0]:
            return False
        try:
            read = os.read(self._master, 65536)
        except OSError:  # nobody has the other end open any more
            return False
        self.shown += read.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(read)

    def end(self) -> int:
        """Wait for the process's end; its exit code."""
        while self._read(LIMIT):
            pass
        return self.process.wait(LIMIT)

    @property
    def run_folder(self) -> Path:
        runs = Path(os.environ["XDG_STATE_HOME"]) / "rena_graph" / "runs"
        (folder,) = runs.glob(f"*-{self._name}-*")
        return folder

    def console(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.run_folder / "console.jsonl").read_text().splitlines()]

    def told(self, text: str) -> bool:
        return any(text in record["text"] for record in self.console())

    def outcome(self) -> dict[str, Any]:
        outcome: dict[str, Any] = json.loads((self.run_folder / "outcome.json").read_text())
        return outcome


@contextmanager
def launched_on_terminal(name: str, *words: str | Path) -> Iterator[Terminal]:
    """``rena-graph launch`` of the graph of this name; killed with the block, if it has not ended."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rena_graph.cli", "launch", *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        env={**os.environ, "TERM": "dumb"},
    )
    os.close(slave)
    try:
        yield Terminal(process, master, name)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)
