"""Nodes that do not keep the rate that is asked of them, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["keeping_lines"]


def keeping_lines(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each node that does not keep its rate: why, as far as the coordinator can tell."""
    troubles = [(name, node.get("keeping")) for name, node in nodes.items()]
    return [f"{name}: {known['verdict']}: {known['reason']}" for name, known in troubles if known and known["trouble"]]
