"""What script authors test with: a harness for one script, a clock to set by hand, streams in plain memory."""

from __future__ import annotations

from rena_graph.testing.clock import FakeClock
from rena_graph.testing.harness import ScriptHarness
from rena_graph.testing.memory import MemoryReader, MemoryStream, MemoryWaiter, MemoryWriter
from rena_graph.testing.outlets import SentOutputs

__all__ = [
    "FakeClock",
    "MemoryReader",
    "MemoryStream",
    "MemoryWaiter",
    "MemoryWriter",
    "ScriptHarness",
    "SentOutputs",
]
