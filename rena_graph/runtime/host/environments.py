"""Environments of nodes on one host, as its agent has them made: each by a process that ends with the agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict

from rena_graph.errors import EnvironmentRefused
from rena_graph.runtime.hosts.environment import Made, Wanted

__all__ = ["EnvironmentMakers"]


class EnvironmentMakers:
    """Starts makers, and ends those that are at work when it is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_work: set[subprocess.Popen[str]] = set()
        self._closed = False

    def make(self, wanted: Wanted) -> Made:
        """Blocks for as long as pip takes; see :func:`~rena_graph.runtime.hosts.environment_maker.make`.

        Raises
        ------
        EnvironmentRefused
            It cannot be made, or this was closed.
        """
        with self._lock:
            if self._closed:
                raise EnvironmentRefused("the run ends")
            maker = subprocess.Popen(
                [sys.executable, "-m", "rena_graph.runtime.hosts.environment_maker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # a group of its own, which ends as one
            )
            self._at_work.add(maker)
        assert maker.stdin is not None
        assert maker.stdout is not None
        try:
            with suppress(BrokenPipeError):  # it has ended, and says why
                maker.stdin.write(json.dumps(asdict(wanted)) + "\n")
                maker.stdin.flush()
            said = maker.stdout.read()
        finally:
            with self._lock:
                self._at_work.discard(maker)
            with suppress(OSError):
                maker.stdin.close()
            maker.stdout.close()
            code = maker.wait()
        if code != 0:
            raise EnvironmentRefused(f"what makes it ended with {code}: {said.strip()[-2000:]}")
        answer = json.loads(said.splitlines()[-1])
        if "refused" in answer:
            raise EnvironmentRefused(answer["refused"])
        return Made(**answer)

    def close(self) -> None:
        """End what is at work; nothing begins any more."""
        with self._lock:
            self._closed = True
            for maker in self._at_work:
                # Not waited for yet, so that its id is its own.
                with suppress(ProcessLookupError):
                    os.killpg(maker.pid, signal.SIGKILL)
