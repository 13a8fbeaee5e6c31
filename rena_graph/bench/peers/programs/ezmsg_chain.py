"""The chain of :mod:`workload` in ezmsg, one process a unit. Runs in ezmsg's environment.

Variants: ``shm`` (its shared memory, its default) and ``tcp``. A publisher of ezmsg waits for its subscribers, so
neither loses messages.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from typing import Any

import ezmsg.core as ez
import numpy as np
from workload import Pacer, Sink, Task, stamp

logging.getLogger("ezmsg").setLevel(logging.ERROR)


class Given(ez.Settings):
    """The task, as text: settings travel to the unit's process."""

    task: str


class Source(ez.Unit):
    """Sends the messages."""

    SETTINGS = Given
    OUTPUT = ez.OutputStream(np.ndarray)

    async def initialize(self) -> None:
        """How it sends."""
        task = Task(self.SETTINGS.task)
        self.OUTPUT.force_tcp = task.variant == "tcp"
        self.OUTPUT.buf_size = max(2**16, 2 * task.message().nbytes)

    @ez.publisher(OUTPUT)
    async def run(self) -> Any:
        """All of them, then the end."""
        task = Task(self.SETTINGS.task)
        await asyncio.sleep(task.settle)
        message, pacer = task.message(), Pacer(task.rate)
        for number in range(task.messages):
            stamp(message, number)
            yield self.OUTPUT, message
            if delay := pacer.delay():
                await asyncio.sleep(delay)
        await asyncio.sleep(1.0)
        raise ez.NormalTermination


class Relay(ez.Unit):
    """Hands on what it gets."""

    SETTINGS = Given
    INPUT = ez.InputStream(np.ndarray)
    OUTPUT = ez.OutputStream(np.ndarray)

    async def initialize(self) -> None:
        """How it sends."""
        self.OUTPUT.force_tcp = Task(self.SETTINGS.task).variant == "tcp"

    @ez.subscriber(INPUT)
    @ez.publisher(OUTPUT)
    async def on_message(self, message: np.ndarray) -> Any:
        """One message."""
        yield self.OUTPUT, message


class Held(ez.State):
    """The sink's notes."""

    sink: Any = None


class End(ez.Unit):
    """Notes what arrives."""

    SETTINGS = Given
    STATE = Held
    INPUT = ez.InputStream(np.ndarray)

    async def initialize(self) -> None:
        """Nothing arrived yet."""
        self.STATE.sink = Sink(Task(self.SETTINGS.task))

    @ez.subscriber(INPUT)
    async def on_message(self, message: np.ndarray) -> None:
        """One message."""
        self.STATE.sink.add(message)

    async def shutdown(self) -> None:
        """Leave the result."""
        self.STATE.sink.save()


def main() -> None:
    """Build the chain and run it to its end."""
    task = Task.of_environment()
    given = Given(task.text)
    units = {"source": Source(given), **{f"relay{k}": Relay(given) for k in range(1, task.hops)}, "sink": End(given)}
    chain = list(units.values())
    links = [(a.OUTPUT, b.INPUT) for a, b in pairwise(chain)]
    ez.run(components=units, connections=links, process_components=chain)


if __name__ == "__main__":
    main()
