"""Run live (bio)signal scripts as a distributed graph."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rena_graph.api import GraphHandle, load
    from rena_graph.errors import RenaGraphError
    from rena_graph.runtime.launch.client import Run
    from rena_graph.runtime.launch.handle import RunHandle, attach
    from rena_graph.runtime.options import LaunchOptions
    from rena_graph.script import RenaScript
    from rena_graph.streams.data_buffer import DataBuffer
    from rena_graph.streams.spec import StreamSpec

__version__ = "0.1.0"

__all__ = [
    "DataBuffer",
    "GraphHandle",
    "LaunchOptions",
    "RenaGraphError",
    "RenaScript",
    "Run",
    "RunHandle",
    "StreamSpec",
    "__version__",
    "attach",
    "load",
]

# Nothing is imported before it is asked for: the command line starts with this module.
_WHERE = {
    "DataBuffer": "rena_graph.streams.data_buffer",
    "GraphHandle": "rena_graph.api",
    "LaunchOptions": "rena_graph.runtime.options",
    "RenaGraphError": "rena_graph.errors",
    "RenaScript": "rena_graph.script",
    "Run": "rena_graph.runtime.launch.client",
    "RunHandle": "rena_graph.runtime.launch.handle",
    "StreamSpec": "rena_graph.streams.spec",
    "attach": "rena_graph.runtime.launch.handle",
    "load": "rena_graph.api",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
