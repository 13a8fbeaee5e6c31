"""Whom a node's loop tells of what goes wrong; its process, or a test."""

from __future__ import annotations

from typing import Protocol

from rena_graph.errors import OutputRefused

__all__ = ["LoopReport"]


class LoopReport(Protocol):
    """What a loop tells to the outside, besides its counters."""

    def loop_failed(self, error: BaseException, loops: int) -> bool:
        """The script raised; returns whether to go on."""
        ...

    def output_refused(self, error: OutputRefused) -> None:
        """A value was not fit for its stream."""
        ...

    def not_finite(self, text: str, *, fails: bool) -> None:
        """Samples were left out since they are not finite; where that `fails` the node, the loop stops by itself."""
        ...
